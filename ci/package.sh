#!/usr/bin/env bash
# The package that would be published builds without the rest of the repository; in full, it passes its own tests too.
source "$(dirname "$0")/lib.sh"

cargo package --quiet --allow-dirty
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
if short; then
    ran "$(tar tzf "target/package/bytebuf-$version.crate" | wc -l)" "files, the package builds"
else
    own_target
    rm -rf "$CARGO_TARGET_DIR/unpacked"
    mkdir -p "$CARGO_TARGET_DIR/unpacked"
    tar xzf "$target/package/bytebuf-$version.crate" -C "$CARGO_TARGET_DIR/unpacked"
    cd "$CARGO_TARGET_DIR/unpacked/bytebuf-$version"
    printf '\n[workspace]\n' >>Cargo.toml
    logged cargo test --all-features
    ran "$(passed)" "tests of the unpacked package"
fi
