//! A log under appends, crashes and damage, against its format read byte by byte.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::segment::Log);
