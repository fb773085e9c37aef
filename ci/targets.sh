#!/usr/bin/env bash
# Checks that the crate compiles for macOS, FreeBSD and Windows without a warning of the compiler or of clippy, with no feature
# and with all, if their standard library can be installed. In full, also that its unit tests do, that its other tests compile,
# and the crate for more Linux targets; with musl, the unit tests run.
source "$(dirname "$0")/lib.sh"
need_component clippy
own_target

others=(aarch64-apple-darwin x86_64-unknown-freebsd x86_64-pc-windows-msvc) linux=()
short || linux=(aarch64-unknown-linux-gnu i686-unknown-linux-gnu x86_64-unknown-linux-musl)

checked=0 missing=()
for triple in "${others[@]}" "${linux[@]}"; do
    if rustup target list --installed | grep -qx "$triple" ||
        rustup target add "$triple" >/dev/null 2>&1; then
        cargo clippy --lib --target "$triple" -- -D warnings
        cargo clippy --lib --all-features --target "$triple" -- -D warnings
        # On Linux, the dependencies of the tests need a C compiler for the target. Elsewhere, some of their helpers are not used.
        if ! short && [[ $triple != *linux* ]]; then
            cargo clippy --lib --profile test --all-features --target "$triple" -- -D warnings -A dead_code
            cargo check --tests --all-features --target "$triple"
        fi
        checked=$((checked + 1))
    else
        missing+=("$triple")
    fi
done
((checked > 0)) || skip "no other target's standard library can be installed"
musl=$(uname -m)-unknown-linux-musl tests=
if ! short && rustup target list --installed | grep -qx "$musl"; then
    crate_package
    (cd "$copy" && logged cargo test --lib --features testing,io-uring --target "$musl")
    tests=", $(passed) unit tests with musl"
fi
ran "$checked" "targets${missing:+, not installable: ${missing[*]}}$tests"
