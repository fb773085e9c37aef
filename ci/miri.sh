#!/usr/bin/env bash
# Runs the core under Miri, where each block of the pool is a separate allocation: undefined behaviour, aliasing, data races,
# leaks; also under tree borrows, on a 32-bit and on a big-endian target. Deliberate faults prove that Miri reports each kind.
source "$(dirname "$0")/lib.sh"
need_nightly miri rust-src
crate_package adversarial bytes_compat conversions events sanitizer_selftest secrets stress threads
cd "$copy"

# The models compare a few random scripts instead of hundreds, because an interpreter runs them.
export PROPTEST_CASES=2
strict="-Zmiri-disable-isolation -Zmiri-strict-provenance -Zmiri-symbolic-alignment-check"

miri() { # FLAGS ARGUMENTS OF CARGO AND THE TESTS...
    MIRIFLAGS="$strict $1" logged timeout $limit cargo +nightly miri test "${@:2}"
}

# Fails if a part ran no test: its names are those of tests that are gone.
selected() { ! grep '^running 0 tests' "$log"; }

export MIRIFLAGS=$strict
faulty=(cargo +nightly miri test --test sanitizer_selftest)
"${faulty[@]}" --quiet --no-run
selftest none none "${faulty[@]}"
selftest read_after_release "has been freed" "${faulty[@]}"
selftest overrun "beyond the end of the allocation" "${faulty[@]}"
selftest uninitialised "uninitialized" "${faulty[@]}"
selftest leak "memory leaked" "${faulty[@]}"
selftest race "Data race detected" "${faulty[@]}"

# Operations of a queue on a made-up kernel, which reads memory by its address. The tests skipped use files, sockets, or pages that
# can be exchanged.
operations() {
    miri -Zmiri-permissive-provenance --features io-uring --lib -- io::queue::begin "${system[@]/#/--skip=}"
}
system=(a_header_is_marked a_socket_whose each_byte_is_sent pages_of zero_copy)

if short; then
    # Two parts at a time, as the interpreter uses one core. A part that does not end within the limit fails.
    limit=600
    # A few tests of the files with unsafe code, under other rules, on other targets and in other orders.
    few=(memory:: pool::pages::{bits,chunk,headers,slab} buf::byte_buf::tests::spare buf::byte_str::tests::a_string)
    # The files with unsafe code. The tests skipped repeat at many sizes and in many classes; each takes the interpreter as long as
    # ten others.
    core() {
        log=/dev/null miri "" --lib -- buf::byte_ memory:: pool:: "${slow[@]/#/--skip=}"
    }
    slow=(a_compact_copy a_copy_is_charged a_maximum_survives each_class_has_its_own_figures each_of_many_pools
        every_cut figures_ growth_remembers)
    other() {
        # A simulated kernel finds memory by its address.
        miri -Zmiri-permissive-provenance --features io-uring --lib -- io::uring
        operations
        miri -Zmiri-tree-borrows --lib -- "${few[@]}"
        miri "" --lib --target i686-unknown-linux-gnu -- "${few[@]}"
        miri "" --lib --target s390x-unknown-linux-gnu -- "${few[@]}"
        miri -Zmiri-many-seeds=0..4 --lib -- a_charge_ends
    }
    core >"$log.core" 2>&1 &
    trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
    other
    wait $! || { cat "$log.core"; exit 1; }
    cat "$log.core" >>"$log"
    selected
    ran "$(passed)" "tests, 5 deliberate faults caught; all tests with ci/miri.sh"
else
    limit=0
    # Tests without system calls of their own.
    parts=(buf:: interop::bytes interop::serde interop::std_io memory:: pool:: testing::)
    # A list of names, because the others start processes, use a kernel, or run for hours.
    whole=(--test=conversions --test=events --test=adversarial --test=secrets --test=stress --test=bytes_compat --test=threads)
    features=(--features "serde testing tracing")
    each() { # FLAGS ARGUMENTS OF CARGO...
        miri "$1" "${features[@]}" "${@:2}" --lib -- "${parts[@]}"
        miri "$1 -Zmiri-permissive-provenance" --features io-uring "${@:2}" --lib -- io::uring
        miri "$1" "${features[@]}" "${@:2}" "${whole[@]}" -- --skip files:: --skip a_region_of_a_file
    }
    operations
    each ""
    each -Zmiri-tree-borrows
    each "" --target i686-unknown-linux-gnu
    each "" --target s390x-unknown-linux-gnu
    miri -Zmiri-many-seeds=0..64 --lib -- a_charge_ends closing_leaves
    miri -Zmiri-many-seeds=0..16 "${features[@]}" --test threads --test stress
    selected
    ran "$(passed)" "tests, 5 deliberate faults caught"
fi
