# What the checks share. Each `ci/NAME.sh` can be run alone, from anywhere, and starts with
#
#   source "$(dirname "$0")/lib.sh"
#
# It ends by saying what it did: `ran COUNT WHAT`, or `skip WHY` where this machine can't do it.
# A check that finds something exits with another status than 0. `ci/NAME.sh short` does the bounded
# part that `.ci/run` asks for; without `short` a check goes as deep as it can.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

check=$(basename "$0" .sh)
depth=${1:-full}
target=$PWD/target
log=$target/ci/$check.log
mkdir -p "$target/ci"
: >"$log"

# Whole builds, once: nothing is rebuilt, and nobody steps through it.
export CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never CARGO_PROFILE_DEV_DEBUG=0

verdict() { # TEXT: the line of this check in the summary
    echo "== $check: $1"
    printf '%s\n' "$1" >"$target/ci/$check.verdict"
}

ran() { verdict "ran, $*"; }

skip() {
    verdict "SKIPPED: $*"
    exit 0
}

short() { [ "$depth" = short ]; }

# Runs a command and keeps what it says for `passed`.
logged() { "$@" 2>&1 | tee -a "$log"; }

# How many tests passed, by what the test harness said.
passed() { awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log"; }

# A build directory of its own for a check with its own compiler flags, so that checks keep
# each other's artefacts.
own_target() { export CARGO_TARGET_DIR=$target/$check; }

# Sees that a fault of tests/sanitizer_selftest.rs is found, by what the tool says of it; and nothing where none is.
selftest() { # FAULT WORDS COMMAND...
    local fault=$1 words=$2 said=$target/ci/$check.selftest
    shift 2
    if BYTEBUF_FAULT=$fault "$@" >"$said" 2>&1; then
        [[ $fault == none ]] || { echo "NOT CAUGHT: $fault"; exit 1; }
    else
        grep -q "$words" "$said" || { tail -40 "$said"; echo "failed by something else than $fault"; exit 1; }
    fi
    echo "deliberate fault, caught: $fault"
}

# Has the command, or installs the package where that can be done; fails otherwise.
have() { # COMMAND PACKAGE
    command -v "$1" >/dev/null && return
    { apt-get update && apt-get install -y --no-install-recommends "$2"; } >/dev/null 2>&1
}

host() { rustc -vV | sed -n 's/^host: //p'; }

# A component of the toolchain in use, or a skip.
need_component() {
    cargo "${1#rust}" --version >/dev/null 2>&1 || rustup component add "$1" >/dev/null 2>&1 ||
        skip "no $1, and it can't be installed"
}

# The nightly toolchain with these components, or a skip that says which is missing.
need_nightly() {
    rustup run nightly rustc -V >/dev/null 2>&1 ||
        rustup toolchain install nightly --profile minimal >/dev/null 2>&1 ||
        skip "no nightly toolchain, and it can't be installed"
    local component
    for component in "$@"; do
        rustup component list --toolchain nightly --installed | grep -q "^$component" ||
            rustup component add --toolchain nightly "$component" >/dev/null 2>&1 ||
            skip "nightly has no component $component, and it can't be installed"
    done
}

# The files that the loom models are about.
modelled=(memory/{count,ref_cache,flags}.rs pool/{budget/{mod,account,charge,queue,serve,shed,tree,wait,work},error}.rs pool/shared/{closed,exclusion,idle}.rs sys/{linux,fallback}/barrier.rs sys/memory/mapped.rs io/segment/published.rs)

# Makes $copy, a package of the loom models, the files that they are about, and loom: it builds in seconds
# where the crate with all that its tests need takes minutes.
models_package() {
    own_target
    copy=$CARGO_TARGET_DIR/package
    rm -rf "$copy"
    mkdir -p "$copy/src" "$copy/tests"
    cp -r tests/loom "$copy/tests/"
    touch "$copy/src/lib.rs"
    fresh
    cat >"$copy/Cargo.toml" <<'TOML'
[package]
name = "models"
edition = "2024"

[workspace]

# Built anew for every weakening.
[profile.release.package.models]
opt-level = 1

[dev-dependencies]
loom = { version = "0.7", features = ["futures"] }

[lints.rust]
unexpected_cfgs = { level = "allow", check-cfg = ['cfg(loom)'] }
TOML
    export RUSTFLAGS="--cfg loom"
}

# The files in $copy as they are here.
fresh() {
    local file
    for file in "${modelled[@]}"; do
        mkdir -p "$(dirname "$copy/src/$file")"
        cp "src/$file" "$copy/src/$file"
    done
}

# Makes $copy, a package of the crate without what its other tests, examples and benchmarks need, and of the
# tests named here.
crate_package() { # TEST...
    own_target
    copy=$CARGO_TARGET_DIR/package
    rm -rf "$copy"
    mkdir -p "$copy/tests"
    cp -r src "$copy/"
    cp README.md "$copy/"
    local test
    for test in "$@"; do cp -r "tests/$test" "$copy/tests/"; done
    awk '/^\[/ { keep = !/dev-dependencies|^\[\[/ } keep' Cargo.toml >"$copy/Cargo.toml"
    printf '[workspace]\n' >>"$copy/Cargo.toml"
    cp Cargo.lock "$copy/"
}
