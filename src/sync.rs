//! The atomics, switched to the model checker by `--cfg loom`.
