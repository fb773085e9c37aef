#!/usr/bin/env bash
# The benchmarks against other crates: lints as errors; and they run, each workload a few times, without
# asking how fast. They build many other crates.
source "$(dirname "$0")/lib.sh"
need_component clippy

cd benches/peers
# Here, where what they depend on is built.
cargo clippy --quiet --release --all-targets -- -D warnings
for program in buffers pool; do
    cargo run --quiet --release --bin "$program" -- --quick | tee -a "$log"
done
ran "$(grep -c '^| .* ns' "$log")" workloads
