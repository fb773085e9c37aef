#!/usr/bin/env bash
# A million random sequences of operations, each beside its model, in a release build; `cargo test` draws
# 50 000 of them, and so does `short`.
source "$(dirname "$0")/lib.sh"

sequences=1000000
short && sequences=50000
BYTEBUF_SEQUENCES=$sequences logged cargo test --release --all-features --test models
ran "$sequences" "sequences of operations beside $(passed) models"
