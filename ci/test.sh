#!/usr/bin/env bash
# The README's test command: every test, every example of the documentation.
source "$(dirname "$0")/lib.sh"

have curl curl || echo "no curl: the test that drives the file server with it does not run"
logged cargo test --all-features --no-fail-fast
ran "$(passed)" tests
