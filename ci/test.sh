#!/usr/bin/env bash
# Runs the test command of the README: every test, every example of the documentation; adversarial callers also in release.
source "$(dirname "$0")/lib.sh"

have curl curl || echo "no curl: the test that drives the file server with it does not run"
# Plans of partial writes over mixes of parts (src/io/queue/tests/plans.rs).
export PLANS=100000
logged cargo test --all-features --no-fail-fast
# Values out of range are refused also in a build without overflow checks.
logged cargo test --release --features "$programs" --test adversarial
ran "$(passed)" tests
