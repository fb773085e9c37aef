//! A `Splice` whose ends are fed, read and closed in any order, against positions in the stream.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::splice::Relay);
