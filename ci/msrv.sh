#!/usr/bin/env bash
# The oldest Rust that Cargo.toml names compiles the crate.
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
cargo "${toolchain[@]}" check --lib --examples --all-features
ran 1 "build with Rust $oldest"
