#!/usr/bin/env bash
# Checks licences, sources and known advisories of all dependencies, by deny.toml.
source "$(dirname "$0")/lib.sh"

command -v cargo-deny >/dev/null || {
    short && skip "no cargo-deny; ci/deny.sh installs it"
    cargo install --quiet --locked cargo-deny || skip "no cargo-deny, and it can't be installed"
}
cargo deny --all-features check licenses bans sources
if timeout 60 cargo deny --all-features check advisories 2>&1 | tee "$target/ci/advisories.log"; then
    ran 4 "checks of the dependencies"
elif grep -q "failed to fetch advisory database" "$target/ci/advisories.log"; then
    echo "SKIPPED: the advisories, as their database cannot be fetched"
    ran 3 "checks of the dependencies, without the advisories"
else
    exit 1
fi
