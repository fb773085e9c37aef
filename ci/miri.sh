#!/usr/bin/env bash
# Runs the core under Miri, where each block of the pool is a separate allocation: undefined behaviour, aliasing, data races,
# leaks; also under tree borrows, on a 32-bit and on a big-endian target. Deliberate faults prove that Miri reports each kind.
source "$(dirname "$0")/lib.sh"
need_nightly miri rust-src
own_target

# The models compare a few random scripts instead of hundreds, because an interpreter runs them.
export PROPTEST_CASES=2
strict="-Zmiri-disable-isolation -Zmiri-strict-provenance -Zmiri-symbolic-alignment-check"

miri() { # FLAGS ARGUMENTS OF CARGO AND THE TESTS...
    MIRIFLAGS="$strict $1" logged timeout $limit cargo +nightly miri test "${@:2}"
}

export MIRIFLAGS=$strict
faulty=(cargo +nightly miri test --test sanitizer_selftest)
"${faulty[@]}" --quiet --no-run
selftest none none "${faulty[@]}"
selftest read_after_release "has been freed" "${faulty[@]}"
selftest overrun "beyond the end of the allocation" "${faulty[@]}"
selftest uninitialised "uninitialized" "${faulty[@]}"
selftest leak "memory leaked" "${faulty[@]}"
selftest race "Data race detected" "${faulty[@]}"

if short; then
    # Only a timeout may end any of them.
    within() { # SECONDS, and what miri takes
        limit=$1
        miri "${@:2}" || (($? == 124))
    }
    # The files with unsafe code, within some minutes.
    within 180 "" --lib -- buf::byte_ memory:: pool::
    # A few of them, under other rules, on other targets and in other orders.
    few=(memory:: pool::pages pool::tests::figures::each_class buf::peek)
    few+=(buf::byte_buf::tests::a_ buf::byte_buf::tests::spare)
    # A simulated kernel finds memory by its address.
    within 60 -Zmiri-permissive-provenance --features io-uring --lib -- io::uring
    within 90 -Zmiri-tree-borrows --lib -- "${few[@]}"
    within 90 "" --lib --target i686-unknown-linux-gnu -- "${few[@]}"
    within 90 "" --lib --target s390x-unknown-linux-gnu -- "${few[@]}"
    within 90 -Zmiri-many-seeds=0..4 --lib -- pool::tests::budgets::a_charge_ends
    ran "$(grep -c '^test .* ok$' "$log")" "tests in some minutes, 5 deliberate faults caught; all tests with ci/miri.sh"
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
    each ""
    each -Zmiri-tree-borrows
    each "" --target i686-unknown-linux-gnu
    each "" --target s390x-unknown-linux-gnu
    miri -Zmiri-many-seeds=0..64 --lib -- pool::tests::budgets::a_charge_ends pool::tests::life::closing
    miri -Zmiri-many-seeds=0..16 "${features[@]}" --test threads --test stress
    ran "$(passed)" "tests, 5 deliberate faults caught"
fi
