#!/usr/bin/env bash
# The models of the counting protocol, under loom: every interleaving within the bound.
source "$(dirname "$0")/lib.sh"
own_target

short && export LOOM_MAX_PREEMPTIONS=2
RUSTFLAGS="--cfg loom" logged cargo test --release --test loom
ran "$(passed)" models
