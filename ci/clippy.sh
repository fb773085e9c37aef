#!/usr/bin/env bash
# Treats lints as errors: on every target of the crate, without features and with all, and on the fuzz targets. In full also on
# the benchmarks against other crates, which build many of these (`ci/benches.sh` compiles them in short).
source "$(dirname "$0")/lib.sh"
need_component clippy

cargo clippy --all-targets --no-default-features -- -D warnings
cargo clippy --all-targets --all-features -- -D warnings
cargo clippy --all-targets --manifest-path fuzz/Cargo.toml -- -D warnings
if short; then
    ran 3 "builds, of 2 packages"
else
    for package in peers end_to_end; do
        (cd benches/$package && cargo clippy --release --all-targets -- -D warnings)
    done
    ran 5 "builds, of 4 packages"
fi
