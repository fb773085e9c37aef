#!/usr/bin/env bash
# Runs the tests with threads under ThreadSanitizer repeatedly, because its reports depend on the schedule. The standard library
# is built with it. A deliberate race proves that it reports one.
source "$(dirname "$0")/lib.sh"
need_nightly rust-src
crate_package sanitizer_selftest stress threads
cd "$copy"
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_DEV_OPT_LEVEL=1
export RUSTFLAGS="-Zsanitizer=thread" TSAN_OPTIONS="halt_on_error=1"
test=(cargo +nightly test -Zbuild-std --target "$(host)" --features testing)

times=20
short && times=2 && export BYTEBUF_STRESS=2

"${test[@]}" --quiet --test sanitizer_selftest --no-run
selftest none none "${test[@]}" --test sanitizer_selftest
selftest race "data race" "${test[@]}" --test sanitizer_selftest

for ((round = 0; round < times; round++)); do
    logged "${test[@]}" --test threads --test stress
done
logged "${test[@]}" --lib -- pool:: memory::
ran "$(passed)" "tests, a deliberate race caught"
