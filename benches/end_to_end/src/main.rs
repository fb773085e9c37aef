//! The scenarios on the allocator of the system; and the program that measures all.

fn main() -> std::io::Result<()> {
    end_to_end::main()
}
