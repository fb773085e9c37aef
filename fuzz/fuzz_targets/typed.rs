//! Numbers of every width and form at any offset, against bytes put together by hand.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::typed::Numbers);
