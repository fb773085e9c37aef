#!/usr/bin/env bash
# Compiles the crate with the oldest Rust that Cargo.toml names, with every feature except those whose own dependencies need
# a newer one.
source "$(dirname "$0")/lib.sh"
own_target

oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
toolchain=()
if [[ $(rustc -V) != "rustc $oldest."* ]]; then
    rustup run "$oldest" rustc -V >/dev/null 2>&1 ||
        rustup toolchain install "$oldest" --profile minimal >/dev/null 2>&1 ||
        skip "Rust $oldest is not here and can't be installed"
    toolchain=("+$oldest")
fi
# compio-buf 0.8 and 0.9 use features of Rust 1.93.
features=$(sed -n '/^\[features\]/,/^\[dependencies\]/s/^\([a-z][a-z0-9-]*\) = .*/\1/p' Cargo.toml | grep -v '^default$\|^compio-buf' | paste -sd,)
cargo "${toolchain[@]}" check --lib --features "$features"
ran 1 "build with Rust $oldest, features $features"
