//! Numbers of every width and form at any offset, against bytes assembled one by one.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::typed::Numbers);
