#!/usr/bin/env bash
# The crate compiles for other systems, as far as their standard library can be installed.
source "$(dirname "$0")/lib.sh"
own_target

checked=0 missing=()
for triple in aarch64-unknown-linux-gnu i686-unknown-linux-gnu x86_64-unknown-linux-musl \
    aarch64-apple-darwin x86_64-unknown-freebsd x86_64-pc-windows-msvc; do
    if rustup target list --installed | grep -qx "$triple" ||
        rustup target add "$triple" >/dev/null 2>&1; then
        cargo check --lib --all-features --target "$triple"
        checked=$((checked + 1))
    else
        missing+=("$triple")
    fi
done
((checked > 0)) || skip "no other target's standard library can be installed"
ran "$checked" "targets${missing:+, not installable: ${missing[*]}}"
