#!/usr/bin/env bash
# The examples build as the README has them run: the file server without features, all with theirs.
source "$(dirname "$0")/lib.sh"

cargo build --release --example file_server
cargo build --release --examples --features tokio,testing,io-uring
built=$(cargo build --release --examples --features tokio,testing,io-uring --message-format=json 2>/dev/null)
ran "$(grep -c '"kind":\["example"\]' <<<"$built")" examples
