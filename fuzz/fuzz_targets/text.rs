//! Text and digits split anywhere, against `std` on contiguous bytes.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::text::Text);
