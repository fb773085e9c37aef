#!/usr/bin/env bash
# Runs the unit tests, and the integration tests of threads, losses, secrets and completion rings, under AddressSanitizer
# and LeakSanitizer. With `--cfg asan` the pool poisons its free blocks, so that a late access is reported although the
# memory stays mapped. Deliberate faults prove this. In full, it also checks that these tests run every unsafe block.
source "$(dirname "$0")/lib.sh"
need_nightly rust-src
blocks=$PWD/ci/unsafe_blocks.awk
crate_package adversarial sanitizer_selftest secrets stress threads uring
cd "$copy"
export CARGO_PROFILE_DEV_DEBUG=line-tables-only ASAN_OPTIONS=detect_leaks=1
export RUSTFLAGS="-Zsanitizer=address --cfg asan"

short && export PROPTEST_CASES=64 BYTEBUF_STRESS=2
features=testing,io-uring
if ! short; then
    need_nightly llvm-tools
    profiles=$CARGO_TARGET_DIR/profiles
    rm -rf "$profiles"
    export RUSTFLAGS+=" -Cinstrument-coverage" LLVM_PROFILE_FILE=$profiles/%p-%m.profraw
    features+=,compio-buf-08,compio-buf-09
fi
test=(cargo +nightly test --target "$(host)" --features "$features")

# Unsafe blocks that these tests do not run: for Miri and valgrind, whose scripts run them; for a class of blocks that two
# threads make at the same time.
elsewhere='^src/(sys/fallback/memory|memory/hooks)\.rs:|^src/pool/shared/central/mod\.rs:.*Box::from_raw\(new\)'

# Lists the other unsafe blocks that have not run, and fails if there is one.
unsafe_blocks() {
    local tools programs
    tools=$(rustc +nightly --print sysroot)/lib/rustlib/$(host)/bin
    mapfile -t programs < <(sed -n 's/^ *Running .*(\(.*\))$/\1/p' "$log")
    "$tools/llvm-profdata" merge --sparse "$profiles"/*.profraw -o "$profiles/all.profdata"
    "$tools/llvm-cov" export --format=lcov --instr-profile="$profiles/all.profdata" \
        "${programs[@]/#/--object=}" >"$profiles/lines"
    find src -name '*.rs' ! -path '*tests*' -print0 | xargs -0 awk -f "$blocks" "$profiles/lines" >"$profiles/idle"
    ! grep -Ev "$elsewhere" "$profiles/idle"
}

"${test[@]}" --quiet --test sanitizer_selftest --no-run
selftest none none "${test[@]}" --test sanitizer_selftest
selftest read_after_release use-after-poison "${test[@]}" --test sanitizer_selftest
selftest overrun use-after-poison "${test[@]}" --test sanitizer_selftest
selftest leak LeakSanitizer "${test[@]}" --test sanitizer_selftest

logged "${test[@]}" --lib --test stress --test secrets --test uring
# These tests leak handles deliberately.
ASAN_OPTIONS=detect_leaks=0 logged "${test[@]}" --test threads --test adversarial
short || unsafe_blocks
ran "$(passed)" "tests, 3 deliberate faults caught"
