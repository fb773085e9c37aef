//! The servers on the system's allocator, and the program that measures both programs.

fn main() -> std::io::Result<()> {
    end_to_end::main()
}
