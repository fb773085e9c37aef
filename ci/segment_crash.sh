#!/usr/bin/env bash
# Kills a process that uses a segment before each of its system calls, by `strace -e inject`: create, open, append, publish,
# flush, repair, close, recycle. Each time all flushed records are there, and the file is usable. Without `short`, it also kills
# a writer at random moments, and fills the disk under each step, as `cargo test` does.
source "$(dirname "$0")/lib.sh"

[ "$(uname)" = Linux ] || skip "strace is Linux's"
have strace strace || skip "no strace, and it can't be installed"
strace -qq -f -o /dev/null -e trace=none true 2>/dev/null || skip "strace may not trace"

only=()
short && only=(kill::)
BYTEBUF_CRASH_STRACE=1 logged cargo test --all-features --test segment_crash -- --nocapture "${only[@]}"
kills=$(awk '/kills in all/ { print $1 }' "$log")
ran "$((kills))" "kills in front of a system call"
