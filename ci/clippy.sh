#!/usr/bin/env bash
# Treats lints as errors: on every target of the crate, without features and with all, and on the fuzz targets.
source "$(dirname "$0")/lib.sh"
need_component clippy

cargo clippy --all-targets --no-default-features -- -D warnings
cargo clippy --all-targets --all-features -- -D warnings
cargo clippy --all-targets --manifest-path fuzz/Cargo.toml -- -D warnings
ran 3 "builds, of 2 packages"
