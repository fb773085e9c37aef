#!/usr/bin/env bash
# Checks that the crate compiles for other systems without a warning, if their standard library can be installed: macOS,
# FreeBSD and Windows, in full with all features and for more Linux targets.
source "$(dirname "$0")/lib.sh"
own_target

triples=(aarch64-apple-darwin x86_64-unknown-freebsd x86_64-pc-windows-msvc) features=()
if ! short; then
    triples+=(aarch64-unknown-linux-gnu i686-unknown-linux-gnu x86_64-unknown-linux-musl)
    features=(--all-features)
fi

export RUSTFLAGS="-D warnings"
checked=0 missing=()
for triple in "${triples[@]}"; do
    if rustup target list --installed | grep -qx "$triple" ||
        rustup target add "$triple" >/dev/null 2>&1; then
        cargo check --lib "${features[@]}" --target "$triple"
        short || RUSTFLAGS="" cargo check --lib --tests --features serde,testing,tracing --target "$triple"
        checked=$((checked + 1))
    else
        missing+=("$triple")
    fi
done
((checked > 0)) || skip "no other target's standard library can be installed"
ran "$checked" "targets${missing:+, not installable: ${missing[*]}}"
