//! Blocks on four threads under a limit: each has one owner, and the statistics add up.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::pool::Blocks);
