//! The parser of `examples/parser` on input that is split anywhere, beside a simpler one on plain bytes.
#![no_main]

#[path = "../../examples/parser/message.rs"]
mod message;

use bytebuf::CompositeByteBuf;
use libfuzzer_sys::fuzz_target;
use message::{MAX_LEN, TooLong};

fn simple(mut bytes: &[u8]) -> (Vec<&[u8]>, Option<TooLong>) {
    let mut messages = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if len > MAX_LEN {
            return (messages, Some(TooLong(len)));
        }
        let Some((message, behind)) = rest.split_at_checked(len) else { break };
        messages.push(message);
        bytes = behind;
    }
    (messages, None)
}

fuzz_target!(|input: CompositeByteBuf| {
    let (bytes, mut input) = (input.to_vec(), input);
    let (messages, error) = simple(&bytes);
    for message in messages {
        assert_eq!(message::next(&mut input).unwrap().unwrap(), message);
    }
    assert_eq!(message::next(&mut input).err(), error);
});
