#!/usr/bin/env bash
# Checks that the library compiles with each combination of features; in full also with the oldest versions of its direct
# dependencies that Cargo.toml allows.
source "$(dirname "$0")/lib.sh"
own_target

command -v cargo-hack >/dev/null || cargo install --quiet --locked cargo-hack ||
    skip "no cargo-hack, and it can't be installed"

if short; then
    RUSTFLAGS="-D warnings" cargo hack check --quiet --lib --each-feature
    ran "$(cargo hack check --quiet --lib --each-feature --print-command-list | wc -l)" "builds, one for each feature"
else
    RUSTFLAGS="-D warnings" cargo hack check --quiet --lib --feature-powerset
    need_nightly
    copy=$CARGO_TARGET_DIR/minimal
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -r src README.md "$copy/"
    awk '/^\[/ { keep = !/dev-dependencies|^\[\[/ } keep' Cargo.toml >"$copy/Cargo.toml"
    printf '\n[workspace]\n' >>"$copy/Cargo.toml"
    (cd "$copy" && cargo +nightly update --quiet -Z direct-minimal-versions && cargo check --lib --all-features)
    ran "$(cargo hack check --quiet --lib --feature-powerset --print-command-list | wc -l)" \
        "combinations of features, and a build with the oldest dependencies"
fi
