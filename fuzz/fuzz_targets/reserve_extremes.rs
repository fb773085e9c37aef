//! Sizes, offsets and indexes near every limit, against plain arithmetic.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::extremes::Extremes);
