#!/usr/bin/env bash
# The core under Miri, where each block of the pool is an allocation of its own: undefined behaviour,
# aliasing, data races, leaks. In full also under tree borrows, on a 32-bit and on a big-endian target.
source "$(dirname "$0")/lib.sh"
need_nightly miri rust-src
own_target

# The models compare a few random scripts, not hundreds: an interpreter runs them.
export PROPTEST_CASES=2
strict="-Zmiri-disable-isolation -Zmiri-strict-provenance -Zmiri-symbolic-alignment-check"

miri() { # FLAGS FILTERS [ARGUMENTS OF CARGO]...
    # shellcheck disable=SC2086 # the filters are words
    MIRIFLAGS="$strict $1" logged timeout $limit cargo +nightly miri test --lib "${@:3}" -- $2
}

if short; then
    # The files with unsafe code, as far as an interpreter gets in some minutes. Only time may end it.
    limit=480
    miri "" "buf::byte_ memory:: pool::" || (($? == 124))
    ran "$(grep -c '^test .* ok$' "$log")" "tests in at most $limit s; all of them with ci/miri.sh"
else
    limit=0
    all="buf:: memory:: pool::"
    miri "" "$all"
    miri -Zmiri-tree-borrows "$all"
    miri "" "$all" --target i686-unknown-linux-gnu
    miri "" "$all" --target s390x-unknown-linux-gnu
    ran "$(passed)" tests
fi
