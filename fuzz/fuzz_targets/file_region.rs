//! Ranges of a file that changes under them, cut, read and sent, against what it holds.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::region::Regions);
