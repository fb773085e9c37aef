//! Chapters 2 and 3: slices that share one block, and a composite.

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};

pub(crate) fn slices() {
    println!("2. Slices share one block");
    let mut received = ByteBuf::with_capacity(4096);
    received.extend_from_slice(b"GET /film HTTP/1.1\r\nHost: example.org\r\n\r\n");
    println!("   received {} bytes into a block of {} bytes", received.len(), received.capacity());
    let end = received.find(b"\r\n").expect("the request line is complete");
    let line = received.split_to(end).freeze();
    let path = line.slice(4..9);
    println!("   split_to: {line:?}, slice: {path:?}; no byte was copied");
    println!(
        "   the slice of {} bytes pins {} bytes; its `compact` copy pins {}",
        path.len(),
        path.pinned(),
        path.clone().compact().pinned()
    );
    println!(
        "   `try_into_mut` while three handles exist: {}\n",
        if path.try_into_mut().is_ok() { "granted" } else { "refused" }
    );
}

pub(crate) fn composite() {
    println!("3. A composite joins pieces into one message");
    let mut message = CompositeByteBuf::new();
    for piece in ["\u{0}\u{0}", "\u{1}", "\u{2c}hel", "lo, wor", "ld"] {
        message.push_back(ByteView::copy_from_slice(piece.as_bytes()));
    }
    println!("   {} bytes in {} components", message.len(), message.components().len());
    println!("   peek_u32(0), across three components: {:?}", message.peek_u32(0));
    println!("   find(\"lo, world\"), across three components: {:?}", message.find(b"lo, world"));
    for line in message.hex_dump().to_string().lines() {
        println!("   {line}");
    }
    println!();
}
