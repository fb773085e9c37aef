#!/usr/bin/env bash
# Checks that ci/public-api.txt lists the public interface, so that a commit shows each change of the interface.
# `ci/public_api.sh update` writes the list.
source "$(dirname "$0")/lib.sh"

need_nightly
command -v cargo-public-api >/dev/null || {
    short && skip "no cargo-public-api; ci/public_api.sh installs it"
    cargo install --quiet --locked cargo-public-api || skip "no cargo-public-api, and it can't be installed"
}
own_target
list=ci/public-api.txt now=$target/ci/public-api.txt
cargo +nightly public-api -sss --all-features >"$now"
if [[ $depth == update ]]; then
    cp "$now" "$list"
else
    diff -u "$list" "$now" || { echo "the public interface has changed: run ci/public_api.sh update and commit the list"; exit 1; }
fi
ran "$(wc -l <"$list")" "public items"
