#!/usr/bin/env bash
# Formatting.
source "$(dirname "$0")/lib.sh"

cargo fmt --all --check
ran 1 package
