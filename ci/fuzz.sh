#!/usr/bin/env bash
# Every fuzz target under AddressSanitizer, from its committed corpus: 20 seconds each, in full 10 minutes.
source "$(dirname "$0")/lib.sh"
need_nightly

command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz ||
    skip "no cargo-fuzz, and it can't be installed"
have c++ g++ || skip "no C++ compiler for libFuzzer, and it can't be installed"

seconds=600
short && seconds=20
export RUSTFLAGS="--cfg asan"
cargo +nightly fuzz build

executions=0
targets=$(cargo +nightly fuzz list)
for name in $targets; do
    # What is found new goes aside; what is committed stays small.
    found=$target/ci/corpus/$name
    mkdir -p "$found"
    cargo +nightly fuzz run "$name" "$found" "fuzz/corpus/$name" -- \
        -max_total_time="$seconds" -max_len=1024 -print_final_stats=1 >"$log" 2>&1 ||
        { tail -60 "$log"; exit 1; }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$name: $runs executions"
    executions=$((executions + runs))
done
ran "$(wc -w <<<"$targets")" "targets, $executions executions"
