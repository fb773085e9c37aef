//! Conversions between all byte types, in any order: the bytes stay the same.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::conversions::Conversions);
