//! Chapters 2 and 3: slices that share one block, and a composite.

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};

use crate::output::print_line;

pub(crate) fn slices() {
    print_line("2. Slices share one block");
    let mut received = ByteBuf::with_capacity(4096);
    received.extend_from_slice(b"GET /film HTTP/1.1\r\nHost: example.org\r\n\r\n");
    print_line(format_args!(
        "   received {} bytes into a block of {} bytes",
        received.len(),
        received.capacity()
    ));
    let end = received.find(b"\r\n").expect("the request line is complete");
    let line = received.split_to(end).freeze();
    let path = line.slice(4..9);
    print_line(format_args!("   split_to: {line:?}, slice: {path:?}; no byte was copied"));
    print_line(format_args!(
        "   the slice of {} bytes pins {} bytes; its `compact` copy pins {}",
        path.len(),
        path.pinned(),
        path.clone().compact().pinned()
    ));
    print_line(format_args!(
        "   `try_into_mut` while three handles exist: {}\n",
        if path.try_into_mut().is_ok() { "granted" } else { "refused" }
    ));
}

pub(crate) fn composite() {
    print_line("3. A composite joins pieces into one message");
    let mut message = CompositeByteBuf::new();
    for piece in ["\u{0}\u{0}", "\u{1}", "\u{2c}hel", "lo, wor", "ld"] {
        message.push_back(ByteView::copy_from_slice(piece.as_bytes()));
    }
    print_line(format_args!(
        "   {} bytes in {} components",
        message.len(),
        message.components().len()
    ));
    print_line(format_args!("   peek_u32(0), across three components: {:?}", message.peek_u32(0)));
    print_line(format_args!(
        "   find(\"lo, world\"), across three components: {:?}",
        message.find(b"lo, world")
    ));
    for line in message.hex_dump().to_string().lines() {
        print_line(format_args!("   {line}"));
    }
    print_line("");
}
