#!/usr/bin/env bash
# The unit tests with the portable system calls in place of Linux's own.
source "$(dirname "$0")/lib.sh"
own_target

RUSTFLAGS="--cfg bytebuf_portable" logged cargo test --lib
ran "$(passed)" tests
