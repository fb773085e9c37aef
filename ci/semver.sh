#!/usr/bin/env bash
# Compares the public interface with that of the last release, by cargo-semver-checks: a change that breaks users needs a new
# version. The last release is the newest tag `v*`; `ci/semver.sh full REVISION` compares with another revision.
source "$(dirname "$0")/lib.sh"

base=${2:-$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)}
[[ -n $base ]] || skip "there is no release to compare with"
command -v cargo-semver-checks >/dev/null || {
    short && skip "no cargo-semver-checks; ci/semver.sh installs it"
    cargo install --quiet --locked cargo-semver-checks || skip "no cargo-semver-checks, and it can't be installed"
}
own_target
logged cargo semver-checks --all-features --baseline-rev "$base"
ran "$(sed -n 's/.* \([0-9]*\) checks: .*/\1/p' "$log")" "rules of compatible changes since $base"
