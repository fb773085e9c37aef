#!/usr/bin/env bash
# The README's test command: every test, every example of the documentation.
source "$(dirname "$0")/lib.sh"

# The file server is also driven with curl where there is one, and watched with strace.
for tool in curl strace; do
    command -v "$tool" >/dev/null || apt-get install -y --no-install-recommends "$tool" >/dev/null 2>&1 ||
        echo "no $tool: the tests that drive the server with it do not run"
done

logged cargo test --all-features
ran "$(passed)" tests
