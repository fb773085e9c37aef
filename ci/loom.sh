#!/usr/bin/env bash
# Runs the models of reference counts, budgets, wake-ups and closes under loom: every interleaving, in short within a
# bound.
source "$(dirname "$0")/lib.sh"
models_package

short && export LOOM_MAX_PREEMPTIONS=3
cd "$copy"
logged cargo test --release --test loom
ran "$(passed)" models
