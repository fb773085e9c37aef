#!/usr/bin/env bash
# Runs the unit tests, and the integration tests of threads, losses, secrets and completion rings, under AddressSanitizer
# and LeakSanitizer. With `--cfg asan` the pool poisons its free blocks, so that a late access is reported although the
# memory stays mapped. Deliberate faults prove this.
source "$(dirname "$0")/lib.sh"
need_nightly rust-src
crate_package adversarial sanitizer_selftest secrets stress threads uring
cd "$copy"
export CARGO_PROFILE_DEV_DEBUG=line-tables-only ASAN_OPTIONS=detect_leaks=1
export RUSTFLAGS="-Zsanitizer=address --cfg asan"

short && export PROPTEST_CASES=64 BYTEBUF_STRESS=2
test=(cargo +nightly test --target "$(host)" --features testing,io-uring)

"${test[@]}" --quiet --test sanitizer_selftest --no-run
selftest none none "${test[@]}" --test sanitizer_selftest
selftest read_after_release use-after-poison "${test[@]}" --test sanitizer_selftest
selftest overrun use-after-poison "${test[@]}" --test sanitizer_selftest
selftest leak LeakSanitizer "${test[@]}" --test sanitizer_selftest

logged "${test[@]}" --lib --test stress --test secrets --test uring
# These tests leak handles deliberately.
ASAN_OPTIONS=detect_leaks=0 logged "${test[@]}" --test threads --test adversarial
ran "$(passed)" "tests, 3 deliberate faults caught"
