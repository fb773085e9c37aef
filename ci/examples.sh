#!/usr/bin/env bash
# Builds the examples in one build; in full also the file server without features, as the README does (`ci/clippy.sh` compiles
# every example without features).
source "$(dirname "$0")/lib.sh"

short || cargo build --release --example file_server
cargo build --release --examples --features "$programs"
built=$(cargo build --release --examples --features "$programs" --message-format=json 2>/dev/null)
ran "$(grep -c '"kind":\["example"\]' <<<"$built")" examples
