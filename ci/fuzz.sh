#!/usr/bin/env bash
# Runs every fuzz target under AddressSanitizer, from its committed corpus, two at a time: 10 seconds each, in
# full 10 minutes.
source "$(dirname "$0")/lib.sh"
need_nightly

command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz ||
    skip "no cargo-fuzz, and it can't be installed"
have c++ g++ || skip "no C++ compiler for libFuzzer, and it can't be installed"

seconds=600
short && seconds=10
export RUSTFLAGS="--cfg asan"
cargo +nightly fuzz build

run() { # NAME
    # New inputs go to a separate folder; the committed corpus stays small.
    local found=$target/ci/corpus/$1 out=$target/ci/fuzz-$1.log
    mkdir -p "$found"
    cargo +nightly fuzz run "$1" "$found" "fuzz/corpus/$1" -- \
        -max_total_time="$seconds" -max_len=1024 -print_final_stats=1 >"$out" 2>&1 ||
        { tail -60 "$out"; echo "$1 found a failure"; return 1; }
    echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out") executions"
}
export -f run
export target seconds

targets=$(cargo +nightly fuzz list)
logged xargs -P 2 -I NAME bash -c 'run NAME' <<<"$targets"
executions=$(awk '/ executions$/ { n += $2 } END { print n + 0 }' "$log")
ran "$(wc -w <<<"$targets")" "targets, $executions executions"
