#!/usr/bin/env bash
# Lints as errors, on every target, without features and with all.
source "$(dirname "$0")/lib.sh"
need_component clippy

cargo clippy --all-targets --no-default-features -- -D warnings
cargo clippy --all-targets --all-features -- -D warnings
ran 2 feature sets
