//! Searches in slices, composites and streams, against a comparison at each offset.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::search::Haystack);
