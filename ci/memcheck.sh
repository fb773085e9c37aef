#!/usr/bin/env bash
# Runs the unit tests of memory, pool and buffers under valgrind's memcheck. With `--cfg valgrind` the pool reports which
# blocks are free and which are uninitialised. Deliberate faults prove that memcheck uses this.
source "$(dirname "$0")/lib.sh"
[[ $(uname -m) == x86_64 ]] || skip "the requests to valgrind are written for x86-64"
have valgrind valgrind || skip "no valgrind, and it can't be installed"
crate_package sanitizer_selftest
cd "$copy"
# Uses libc: rustix itself reads a page that the kernel maps into each process, and valgrind does not provide it.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only RUSTFLAGS="--cfg valgrind --cfg rustix_use_libc" PROPTEST_CASES=4

checked="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=yes"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$checked

cargo test --quiet --features testing --test sanitizer_selftest --no-run
selftest none none cargo test --features testing --test sanitizer_selftest
selftest read_after_release "Invalid read" cargo test --features testing --test sanitizer_selftest
selftest overrun "Invalid read" cargo test --features testing --test sanitizer_selftest
selftest uninitialised "uninitialised value" cargo test --features testing --test sanitizer_selftest
selftest leak "definitely lost" cargo test --features testing --test sanitizer_selftest

filters=(memory:: pool:: buf::)
short && filters=(memory:: pool:: buf::byte_)
logged timeout 600 cargo test --features testing --lib -- "${filters[@]}"
ran "$(passed)" "tests, 4 deliberate faults caught"
