#!/usr/bin/env bash
# Checks the format of the crate, of its fuzz targets, and of the benchmarks against other crates.
source "$(dirname "$0")/lib.sh"
need_component rustfmt

cargo fmt --all --check
cargo fmt --all --check --manifest-path fuzz/Cargo.toml
cargo fmt --all --check --manifest-path benches/peers/Cargo.toml
cargo fmt --all --check --manifest-path benches/end_to_end/Cargo.toml
ran 4 packages
