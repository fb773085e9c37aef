#!/usr/bin/env bash
# The documentation builds without a warning: no dead link, nothing undocumented.
source "$(dirname "$0")/lib.sh"

RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
ran 1 build
