//! Searches in slices, composites and streams, against windows looked at one by one.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::search::Haystack);
