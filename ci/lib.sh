# Functions that the checks share. Each `ci/NAME.sh` runs alone, from any folder, and starts with
#
#   source "$(dirname "$0")/lib.sh"
#
# Its last line reports the result: `ran COUNT WHAT`, or `skip WHY` if this machine cannot run it. A check that finds a fault
# exits with a status other than 0. `.ci/run` calls `ci/NAME.sh short`, which is bounded in time; without `short` a check does
# all of its work.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

check=$(basename "$0" .sh)
depth=${1:-full}
target=$PWD/target
log=$target/ci/$check.log
mkdir -p "$target/ci"
: >"$log"

# Each check builds once: no incremental builds, and no debug information.
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

# A short check draws the same cases each time: it fails for a change and not by chance. A full one draws new cases.
short && export PROPTEST_RNG_SEED=1

# The features of all release builds of the examples, so that the checks share one build.
programs=tokio,testing,io-uring

# Runs a command and keeps its output for `passed`.
logged() { "$@" 2>&1 | tee -a "$log"; }

# The number of tests that passed, from the output of the test harness.
passed() { awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log"; }

# A separate build directory for a check with its own compiler flags, so that checks keep each other's artefacts.
own_target() { export CARGO_TARGET_DIR=$target/$check; }

# Checks that the tool reports a deliberate fault with these words, and reports no fault without one.
selftest() { # FAULT WORDS COMMAND...
    local fault=$1 words=$2 said=$target/ci/$check.selftest
    shift 2
    if BYTEBUF_FAULT=$fault "$@" >"$said" 2>&1; then
        [[ $fault == none ]] || { echo "NOT CAUGHT: $fault"; exit 1; }
    else
        grep -q "$words" "$said" || { tail -40 "$said"; echo "failed for another reason than $fault"; exit 1; }
    fi
    echo "deliberate fault, caught: $fault"
}

# Checks that the command exists, or installs the package if possible; fails otherwise.
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

# The files that the loom models test.
modelled=(memory/{count,ref_cache,flags}.rs pool/{budget/{mod,account,charge,queue,serve,shed,tree,wait,work},error}.rs pool/shared/coordination/{closed,exclusion,idle}.rs sys/{linux,fallback}/barrier.rs sys/memory/mapped.rs io/segment/published.rs)

# Creates $copy, a package of the loom models, the files that they test, and loom. It builds in seconds; the crate with all
# dependencies of its tests takes minutes.
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

# Each weakening needs a new build.
[profile.release.package.models]
opt-level = 1

[dev-dependencies]
loom = { version = "0.7", features = ["futures"] }

[lints.rust]
unexpected_cfgs = { level = "allow", check-cfg = ['cfg(loom)'] }
TOML
    export RUSTFLAGS="--cfg loom"
}

# Copies the files to $copy without changes.
fresh() {
    local file
    for file in "${modelled[@]}"; do
        mkdir -p "$(dirname "$copy/src/$file")"
        cp "src/$file" "$copy/src/$file"
    done
}

# The development dependencies that unit tests and the tests of memory need; the others serve examples and benchmarks.
light='^(arbitrary|io-uring|proptest|rustix|serde_json|slab|tempfile) = '

# Creates $copy, a package of the crate and the tests named here, without the dependencies of other tests, examples and
# benchmarks. It builds in a fraction of the time.
crate_package() { # TEST...
    own_target
    copy=$CARGO_TARGET_DIR/package
    rm -rf "$copy"
    mkdir -p "$copy/tests"
    cp -r src docs README.md Cargo.lock "$copy/"
    cp -r tests/support "$copy/tests/"
    local test
    for test in "$@"; do cp -r tests/"$test"{,.rs} "$copy/tests/" 2>/dev/null || [[ -e $copy/tests/$test || -e $copy/tests/$test.rs ]]; done
    # A table `[[test]]` stays if its test is here; benchmarks and examples do not.
    awk -v light="$light" -v tests=" $* " '
        /^\[/ { table = /^\[\[test\]\]/; dev = /dev-dependencies/; keep = !/^\[\[/ || table; held = "" }
        table && held == "" { held = $0; next }
        table && /^#/ { next }
        table && /^name = / { keep = index(tests, " " substr($3, 2, length($3) - 2) " "); if (keep) print held }
        keep && (!dev || /^\[/ || $0 ~ light)' Cargo.toml >"$copy/Cargo.toml"
    printf '\n[workspace]\n' >>"$copy/Cargo.toml"
}
