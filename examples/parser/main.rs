//! A parser with tests and a fuzz target from the feature `testing`.
//!
//! ```text
//! cargo run --features testing --example parser -- [MESSAGE]...   # parses messages that are cut at each place
//! cargo test --features testing --example parser                 # its tests
//! cargo +nightly fuzz run parser                                 # its fuzz target
//! ```
//!
//! `message.rs` is the parser, `tests.rs` its tests, `fuzz/fuzz_targets/parser.rs` its fuzz target.

mod message;
#[path = "../common/output.rs"]
mod output;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::io;
use std::process::ExitCode;

use bytebuf::testing::each_boundary;
use bytebuf::{BufMutExt, ByteBuf};
use bytes::BufMut;
use clap::Parser;
use message::{MAX_LEN, TooLong};
use output::print_line;

/// Cuts a stream of messages at each place and prints the pieces and what the parser returns.
#[derive(Parser)]
#[command(name = "parser")]
struct Options {
    /// The messages.
    #[arg(value_name = "MESSAGE", default_values = ["hello", "", "ok"])]
    messages: Vec<String>,
}

fn main() -> ExitCode {
    output::exit_code(cut(&Options::parse().messages).map_err(|TooLong(len)| {
        io::Error::other(format!("a message has {len} bytes; the maximum is {MAX_LEN}"))
    }))
}

fn cut(messages: &[String]) -> Result<(), TooLong> {
    let mut stream = ByteBuf::new();
    for text in messages {
        let len = u16::try_from(text.len()).ok().filter(|&len| usize::from(len) <= MAX_LEN);
        stream.put_u16(len.ok_or(TooLong(text.len()))?);
        stream.put_str(text);
    }
    for mut input in each_boundary(&stream) {
        let parts: Vec<_> = input.components().map(|part| part.to_hex()).collect();
        let mut line = format!("{:<60}", parts.join(" "));
        while let Some(message) = message::next(&mut input)? {
            let text = message.to_vec();
            write!(line, " {:?}", String::from_utf8_lossy(&text)).expect("a string takes it");
        }
        print_line(line);
    }
    Ok(())
}
