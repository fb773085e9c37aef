#!/usr/bin/env bash
# Formatting, of the crate and of its fuzz targets.
source "$(dirname "$0")/lib.sh"
need_component rustfmt

cargo fmt --all --check
cargo fmt --all --check --manifest-path fuzz/Cargo.toml
ran 2 packages
