//! A `CompositeByteBuf`, against a flat vector.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::composite::Composite);
