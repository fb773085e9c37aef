#!/usr/bin/env bash
# Builds the examples with the commands of the README: the file server without features, all others with theirs.
source "$(dirname "$0")/lib.sh"

cargo build --release --example file_server
cargo build --release --examples --features tokio,testing,io-uring
built=$(cargo build --release --examples --features tokio,testing,io-uring --message-format=json 2>/dev/null)
ran "$(grep -c '"kind":\["example"\]' <<<"$built")" examples
