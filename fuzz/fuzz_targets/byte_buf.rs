//! Several `ByteBuf`s and `ByteView`s that share memory, against vectors that share nothing.
#![no_main]

bytebuf_fuzz::fuzz_model!(bytebuf_fuzz::models::byte_buf::ByteBufs);
