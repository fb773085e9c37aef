#!/usr/bin/env bash
# Runs tests with the portable system calls instead of Linux's own: the unit tests, and those of the programs that serve, log
# and relay; in full, also tests of their callers. The example transfer_paths compares calls that only Linux has.
source "$(dirname "$0")/lib.sh"

# Only our own code needs the flag: its dependencies are those of `cargo test`, already built.
export RUSTC_WORKSPACE_WRAPPER=$target/ci/portable-rustc
printf '#!/bin/sh\nexec "$@" --cfg bytebuf_portable\n' >"$RUSTC_WORKSPACE_WRAPPER"
chmod +x "$RUSTC_WORKSPACE_WRAPPER"

tests=(file_server kafka_broker proxy)
short || tests+=(budgets conformance contract conversions ecosystem events adversarial)
logged cargo test --all-features --lib "${tests[@]/#/--test=}"
ran "$(passed)" tests
