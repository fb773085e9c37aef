//! A user's own parser, with tests and a fuzz target from the feature `testing`.
//!
//! ```text
//! cargo run --features testing --example parser -- [MESSAGE]...   # cut at every place, and read
//! cargo test --features testing --example parser                 # its tests
//! cargo +nightly fuzz run parser                                 # the same under a fuzzer
//! ```
//!
//! `message.rs` is the parser, `tests.rs` its tests in about 30 lines, `fuzz/fuzz_targets/parser.rs` its fuzz target in about
//! 30 lines.

mod message;
#[cfg(test)]
mod tests;

use bytebuf::testing::borders;
use bytebuf::{BufMutExt, ByteBuf};
use bytes::BufMut;

fn main() -> Result<(), message::TooLong> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let messages =
        if given.is_empty() { vec!["hello".into(), "".into(), "ok".into()] } else { given };
    let mut stream = ByteBuf::new();
    for text in &messages {
        let len = u16::try_from(text.len()).map_err(|_| message::TooLong(text.len()))?;
        stream.put_u16(len);
        stream.put_str(text);
    }
    for mut input in borders(&stream) {
        let parts: Vec<_> = input.components().map(|part| part.to_hex()).collect();
        print!("{:<60}", parts.join(" "));
        while let Some(message) = message::next(&mut input)? {
            print!(" {:?}", String::from_utf8_lossy(&message.to_vec()));
        }
        println!();
    }
    Ok(())
}
