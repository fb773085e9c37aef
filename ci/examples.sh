#!/usr/bin/env bash
# The examples build as the README has them run: those that need none without features, the rest with tokio's.
source "$(dirname "$0")/lib.sh"

cargo build --release --examples
cargo build --release --examples --features tokio
ran "$(cargo build --release --examples --features tokio --message-format=json 2>/dev/null |
    grep -c '"kind":\["example"\]')" examples
