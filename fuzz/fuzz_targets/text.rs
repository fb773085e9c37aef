//! Text and digits cut anywhere, against `std` on one piece.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::text::Text);
