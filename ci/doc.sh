#!/usr/bin/env bash
# Checks that the documentation builds without a warning: no dead link, no undocumented item.
source "$(dirname "$0")/lib.sh"

RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
ran 1 build
