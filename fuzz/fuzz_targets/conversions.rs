//! Conversions between all the types that hold bytes: whatever the way, the same bytes.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::conversions::Conversions);
