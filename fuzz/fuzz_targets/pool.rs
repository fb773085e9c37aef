//! Blocks on four threads under a hard limit: each has one owner, and the figures add up.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::pool::Blocks);
