#!/usr/bin/env bash
# Formatting: of the crate, of its fuzz targets, of the benchmarks against other crates.
source "$(dirname "$0")/lib.sh"
need_component rustfmt

cargo fmt --all --check
cargo fmt --all --check --manifest-path fuzz/Cargo.toml
cargo fmt --all --check --manifest-path benches/peers/Cargo.toml
ran 3 packages
