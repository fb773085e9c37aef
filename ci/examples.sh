#!/usr/bin/env bash
# The examples build as the README has them run, and without features.
source "$(dirname "$0")/lib.sh"

cargo build --release --examples
ran "$(cargo build --release --examples --message-format=json 2>/dev/null |
    grep -c '"kind":\["example"\]')" examples
