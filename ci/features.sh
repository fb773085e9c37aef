#!/usr/bin/env bash
# Checks that the library compiles with each combination of features, in short with each feature alone, and with the oldest
# versions of its direct dependencies that Cargo.toml allows; in full, that the tests compile with each feature alone.
source "$(dirname "$0")/lib.sh"
own_target

command -v cargo-hack >/dev/null || cargo install --quiet --locked cargo-hack ||
    skip "no cargo-hack, and it can't be installed"

features=--feature-powerset
! short || features=--each-feature
RUSTFLAGS="-D warnings" cargo hack check --quiet --lib $features
# The tests too, with each feature alone: a test of a feature names it.
short || RUSTFLAGS="-D warnings" cargo hack check --quiet --lib --tests --each-feature
builds=$(cargo hack check --quiet --lib $features --print-command-list | wc -l)

need_nightly
copy=$CARGO_TARGET_DIR/minimal
rm -rf "$copy"
mkdir -p "$copy"
cp -r src docs README.md "$copy/"
awk '/^\[/ { keep = !/dev-dependencies|^\[\[/ } keep' Cargo.toml >"$copy/Cargo.toml"
printf '\n[workspace]\n' >>"$copy/Cargo.toml"
(cd "$copy" && cargo +nightly update --quiet -Z direct-minimal-versions && cargo check --lib --all-features)
ran "$builds" "builds of combinations of features, and one with the oldest dependencies"
