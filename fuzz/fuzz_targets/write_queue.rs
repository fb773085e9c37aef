//! A `WriteQueue` into writers that accept any number of bytes, against the flat stream.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::write_queue::Queue);
