#!/usr/bin/env bash
# The benchmarks run: each workload a few times, without asking how fast. They build many other crates.
source "$(dirname "$0")/lib.sh"

cd benches/peers
for program in buffers pool; do
    cargo run --quiet --release --bin "$program" -- --quick | tee -a "$log"
done
ran "$(grep -c '^| .* ns' "$log")" workloads
