#!/usr/bin/env bash
# Runs a million random sequences of operations, each against its model, in a release build; `cargo test` and `short` run
# 20,000.
source "$(dirname "$0")/lib.sh"

sequences=1000000
short && sequences=20000
BYTEBUF_SEQUENCES=$sequences logged cargo test --release --all-features --test models
ran "$sequences" "sequences of operations beside $(passed) models"
