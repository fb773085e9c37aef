#!/usr/bin/env bash
# Tests the crate as a replacement of `bytes`: builds a package named `bytes` whose `Bytes` and `BytesMut` are `ByteView` and
# `ByteBuf`, and runs the test suites of other crates on it. A suite fails if fewer tests pass than the table says.
# All sources come from the package registry, into a scratch folder that is not committed.
#
# `ci/drop-in.sh short` runs the suites marked `short`; `ci/drop-in.sh full NAME...` runs the named suites.
source "$(dirname "$0")/lib.sh"

# The package uses the traits and adapters of this version of `bytes`.
bytes=1.12.2

# package, version, tests that pass, `short` if it is part of the short mode, arguments of `cargo test`.
# docs/from-bytes.md explains the tests that fail.
suites=$(sed 's/ *#.*//' <<'TABLE'
bytes             1.12.2   1324  short  --features serde
http              1.5.0    181  full   --tests
http-body-util    0.1.5    39  short  --all-features --lib --tests
postgres-protocol 0.6.12   29  short  --lib --tests
multer            3.1.0    22  short  --all-features --lib --tests
tokio-util        0.7.20   317  full   --features full --lib --tests
http-body         1.1.0    4  full   --lib --tests
tungstenite       0.30.0   48  full   --lib
tokio-modbus      0.17.0   93  full   --lib
rumqttc           0.25.1   73  full   --lib
redis             1.0.0    53  full   --lib --features tokio-comp
quinn-proto       0.11.19  313  full   --lib
h2                0.4.20   62  full   --lib
hyper             1.12.0   124  full   --features full --lib --tests
s2n-codec         0.91.0   91  full   --lib --tests
aws-smithy-types  1.9.3    147  full   --lib
tonic             0.14.9   82  full   --lib
actix-http        3.20.0   229  full   --lib
fred              10.1.0   39  full   --lib
prost             0.14.6   413  full  --lib
kafka-protocol    0.18.0   17  full   --lib
object_store      0.14.2   100  full  --lib
opendal-core      0.59.5   235  full  --lib
bytestring        1.5.1    25  full  --all-features --lib
bytes-utils       0.1.4    30  full  --all-features --lib
headers           0.4.1    112  full  --lib
TABLE
)

own_target
scratch=$CARGO_TARGET_DIR
mkdir -p "$scratch"

# Prints the folder of the package's source in the registry; a scratch package depends on it, so that cargo fetches it.
source_of() { # NAME VERSION
    local probe=$scratch/probe-$1
    mkdir -p "$probe/src"
    touch "$probe/src/lib.rs"
    printf '[package]\nname = "probe"\nedition = "2021"\n[workspace]\n[dependencies]\n%s = { version = "=%s", default-features = false }\n' \
        "$1" "$2" >"$probe/Cargo.toml"
    cargo metadata --quiet --format-version 1 --manifest-path "$probe/Cargo.toml" |
        sed -n "s|.*\"manifest_path\":\"\([^\"]*/$1-$2\)/Cargo.toml\".*|\1|p"
}

real=$(source_of bytes $bytes)
[[ -d $real ]] || skip "the sources can't be fetched"

# 1. The package under another name, for bytebuf itself.
rm -rf "$scratch"/{real,bytebuf,bytes}
mkdir -p "$scratch"/{real,bytebuf,bytes}
cp -r "$real/src" "$scratch/real/"
sed 's/^name = "bytes"$/name = "real_bytes"/; /^\[\[test\]\]/,/^$/d' "$real/Cargo.toml" >"$scratch/real/Cargo.toml"
printf '\n[workspace]\n' >>"$scratch/real/Cargo.toml"

# 2. This crate, built on that package.
cp -r src README.md "$scratch/bytebuf/"
awk '/^\[/ { keep = !/dev-dependencies|^\[\[/ } keep' Cargo.toml |
    sed 's|^bytes = .*|bytes = { package = "real_bytes", path = "../real" }|' >"$scratch/bytebuf/Cargo.toml"
printf '\n[workspace]\n' >>"$scratch/bytebuf/Cargo.toml"

# 3. The replacement package: its traits and adapters, our handles.
cp -r "$real/src" "$scratch/bytes/"
rm -r "$scratch/bytes/src/"{bytes.rs,bytes_mut.rs,fmt,loom.rs,serde.rs}
sed -i 's/^mod bytes;$/mod handles;/; /^mod bytes_mut;/d; /^mod fmt;/d; /^mod loom;/d; /^mod serde;/d
    /^#\[cfg(feature = "serde")\]/d; /^pub use crate::bytes_mut/d
    s/^pub use crate::bytes::Bytes;/pub use bytebuf::{ByteBuf as BytesMut, ByteView as Bytes};/
    s/^#!\[no_std\]//; s/^#!\[doc = .*//; 1i #![allow(warnings)]' "$scratch/bytes/src/lib.rs"
sed -i '1{h;d};2{G}' "$scratch/bytes/src/lib.rs"
cat >"$scratch/bytes/src/handles.rs" <<'RUST'
//! The traits of this package for the handles of the other one.
use crate::buf::{IntoIter, UninitSlice};
use crate::{Buf, BufMut, Bytes, BytesMut};

impl Buf for Bytes {
    fn remaining(&self) -> usize {
        self.len()
    }
    fn chunk(&self) -> &[u8] {
        self
    }
    fn advance(&mut self, n: usize) {
        real::Buf::advance(self, n)
    }
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.split_to(len)
    }
}

impl Buf for BytesMut {
    fn remaining(&self) -> usize {
        self.len()
    }
    fn chunk(&self) -> &[u8] {
        self
    }
    fn advance(&mut self, n: usize) {
        real::Buf::advance(self, n)
    }
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.split_to(len).freeze()
    }
}

unsafe impl BufMut for BytesMut {
    fn remaining_mut(&self) -> usize {
        real::BufMut::remaining_mut(self)
    }
    unsafe fn advance_mut(&mut self, n: usize) {
        unsafe { real::BufMut::advance_mut(self, n) }
    }
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        let spare = real::BufMut::chunk_mut(self);
        let (start, len) = (spare.as_mut_ptr(), spare.len());
        unsafe { UninitSlice::from_raw_parts_mut(start, len) }
    }
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes)
    }
}
RUST
cat >"$scratch/bytes/Cargo.toml" <<TOML
[package]
name = "bytes"
version = "$bytes"
edition = "2021"

[workspace]

[features]
default = ["std"]
std = []
serde = ["bytebuf/serde"]
extra-platforms = []

[dependencies]
bytebuf = { path = "../bytebuf" }
real = { package = "real_bytes", path = "../real" }

[dev-dependencies]
serde_test = "1"
TOML

patch=(--config "patch.crates-io.bytes.path=\"$scratch/bytes\"")
wanted=("${@:2}")
sum=0 few=()
while read -r name version least mode arguments; do
    short && [[ $mode != short ]] && continue
    ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $name "* ]] || continue
    suite=$scratch/suites/$name
    out=$target/ci/drop-in-$name.log
    : >"$out"
    rm -rf "$suite"
    mkdir -p "$suite"
    if [[ $name == bytes ]]; then
        cp -r "$scratch/bytes/." "$suite/"
        cp -r "$real/tests" "$suite/"
        sed -i 's|path = "\.\./|path = "../../|' "$suite/Cargo.toml"
        # The examples in the documentation of the two types.
        sed -n 's|^ *//[/!] \{0,1\}||p' "$real/src/"{bytes,bytes_mut}.rs >"$suite/src/examples.md"
        printf '#[cfg(doctest)]\n#[doc = include_str!("examples.md")]\nmod examples {}\n' >>"$suite/src/lib.rs"
        here=()
    else
        cp -r "$(source_of "$name" "$version")/." "$suite/" || { echo "$name $version: no source"; few+=("$name"); continue; }
        chmod -R u+w "$suite"
        rm -f "$suite/rust-toolchain.toml"
        printf '\n[workspace]\n' >>"$suite/Cargo.toml"
        # The suite's own lock file keeps the versions of its other dependencies.
        (cd "$suite" && cargo update --quiet "${patch[@]}" -p bytes --precise $bytes) >"$out" 2>&1 || rm -f "$suite/Cargo.lock"
        here=("${patch[@]}")
    fi
    # shellcheck disable=SC2086
    (cd "$suite" && timeout 1200 cargo test --no-fail-fast "${here[@]}" $arguments) >>"$out" 2>&1 || true
    count=$(awk '/^test result:/ { n += $4 } END { print n + 0 }' "$out")
    failed=$(awk '/^test result:/ { n += $6 } END { print n + 0 }' "$out")
    echo "$name $version: $count passed, $failed failed, $least required"
    ((count >= least)) || few+=("$name")
    sum=$((sum + count))
done <<<"$suites"
((${#few[@]} == 0)) || { echo "fewer tests pass than required: ${few[*]}; see $target/ci/drop-in-NAME.log"; exit 1; }
ran "$sum" "tests of other crates"
