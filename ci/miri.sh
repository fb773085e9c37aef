#!/usr/bin/env bash
# The core under Miri, where each block of the pool is an allocation of its own: undefined behaviour,
# aliasing, data races, leaks. In full also under tree borrows, on a 32-bit and on a big-endian target.
source "$(dirname "$0")/lib.sh"
need_nightly miri rust-src
own_target

# The models compare a few random scripts, not hundreds: an interpreter runs them.
export PROPTEST_CASES=2
strict="-Zmiri-disable-isolation -Zmiri-strict-provenance -Zmiri-symbolic-alignment-check"

miri() { # FLAGS [ARGUMENTS OF CARGO]...
    MIRIFLAGS="$strict $1" logged cargo +nightly miri test --lib "${@:2}" -- buf:: memory:: pool::
}

miri ""
if ! short; then
    miri -Zmiri-tree-borrows
    miri "" --target i686-unknown-linux-gnu
    miri "" --target s390x-unknown-linux-gnu
fi
ran "$(passed)" tests
