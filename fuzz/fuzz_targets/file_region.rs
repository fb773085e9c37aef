//! Ranges of a file that changes, cut, read and sent, against the content of the file.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::region::Regions);
