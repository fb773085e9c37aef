#!/usr/bin/env bash
# The README's test command: every test, every example of the documentation; hostile callers also in release.
source "$(dirname "$0")/lib.sh"

have curl curl || echo "no curl: the test that drives the file server with it does not run"
# Plans of partial writes over mixes of parts (src/io/queue/tests/plans.rs).
export PLANS=100000
logged cargo test --all-features --no-fail-fast
# What is out of range is refused also where the compiler does not check sums.
logged cargo test --release --features testing,tokio --test adversarial
ran "$(passed)" tests
