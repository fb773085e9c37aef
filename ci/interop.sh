#!/usr/bin/env bash
# Compiles and runs the programs of docs/interop.md with axum, tonic, quinn, object_store and tower, at the versions of
# ci/interop/Cargo.lock. In full also with the newest versions.
source "$(dirname "$0")/lib.sh"
own_target

cd ci/interop
said=$(cargo fetch 2>&1) || {
    grep -Eq "failed to (download|get|fetch|query)|offline|[Cc]ould not resolve|network" <<<"$said" ||
        { echo "$said"; exit 1; }
    skip "the libraries can't be fetched"
}
logged cargo test --doc
if ! short; then
    locked=$(cat Cargo.lock)
    trap 'printf "%s\n" "$locked" >Cargo.lock' EXIT
    cargo update --quiet
    cargo test --doc
fi
ran "$(passed)" programs
