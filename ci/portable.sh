#!/usr/bin/env bash
# Tests with the portable system calls in place of Linux's own: those of the units, and of the programs that serve,
# log and relay; in full, of what stands on them too. The example transfer_paths compares calls that only Linux has.
source "$(dirname "$0")/lib.sh"
own_target

tests=(file_server kafka_broker proxy)
short || tests+=(budgets conformance contract conversions ecosystem events adversarial)
RUSTFLAGS="--cfg bytebuf_portable" logged cargo test --all-features --lib "${tests[@]/#/--test=}"
ran "$(passed)" tests
