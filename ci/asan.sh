#!/usr/bin/env bash
# The unit tests under AddressSanitizer and LeakSanitizer. With `--cfg asan` the pool poisons its free
# blocks, so that a late access is seen though the memory stays mapped.
source "$(dirname "$0")/lib.sh"
need_nightly rust-src
own_target
export CARGO_PROFILE_DEV_DEBUG=line-tables-only

short && export PROPTEST_CASES=64
RUSTFLAGS="-Zsanitizer=address --cfg asan" \
    logged cargo +nightly test --lib --target "$(host)"
ran "$(passed)" tests
