#!/usr/bin/env bash
# Checks that the benchmarks run: each workload a few times, without a bound on its speed. They build many other crates.
source "$(dirname "$0")/lib.sh"

cd benches/peers
for program in buffers pool; do
    cargo run --quiet --release --bin "$program" -- --quick | tee -a "$log"
done
workloads=$(grep -c '^| .* ns' "$log")

# Whole servers, each on two allocators.
cd ../end_to_end
cargo build --quiet --release
target/release/end_to_end --quick | tee -a "$log"
ran "$workloads" workloads, "$(grep -cE '^\| .* \| (glibc|mimalloc) \|' "$log")" servers
