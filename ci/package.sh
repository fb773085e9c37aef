#!/usr/bin/env bash
# Checks that the package to publish and its documentation build without the rest of the repository; in full, that it also
# passes its own tests.
source "$(dirname "$0")/lib.sh"

cargo package --quiet --allow-dirty
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
unpacked=$target/package/unpacked
rm -rf "$unpacked"
mkdir -p "$unpacked"
tar xzf "$target/package/bytebuf-$version.crate" -C "$unpacked"
cd "$unpacked/bytebuf-$version"
printf '\n[workspace]\n' >>Cargo.toml
# Builds as docs.rs does, with the nightly toolchain: pages of docs/ are parts of the documentation. `ci/public_api.sh` has
# compiled the dependencies.
export RUSTDOCFLAGS="-D warnings"
if rustup run nightly rustc -V >/dev/null 2>&1; then
    RUSTDOCFLAGS+=" --cfg docsrs" CARGO_TARGET_DIR=$target/public_api logged cargo +nightly doc --no-deps --all-features
else
    CARGO_TARGET_DIR=$target logged cargo doc --no-deps --all-features
fi
own_target
if short; then
    ran "$(find . -type f | wc -l)" "files, the package and its documentation build"
else
    logged cargo test --all-features
    ran "$(passed)" "tests of the unpacked package"
fi
