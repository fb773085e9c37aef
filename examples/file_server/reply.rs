//! The bytes of replies, written into pooled buffers.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use bytebuf::ByteBuf;
use bytes::BufMut;

use crate::http::{Refusal, Status};

/// Capacity for a head. The buffer grows for a long `Location`.
const HEAD_CAPACITY: usize = 512;

/// The header fields of all replies in one second.
#[derive(Debug)]
pub(crate) struct Clock {
    second: u64,
    fields: String,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let mut clock = Self { second: u64::MAX, fields: String::new() };
        clock.refresh();
        clock
    }

    pub(crate) fn refresh(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second {
            self.second = second;
            let date = httpdate::fmt_http_date(now.max(UNIX_EPOCH));
            self.fields = format!("\r\nServer: bytebuf\r\nDate: {date}");
        }
    }
}

/// A response head that is being written.
#[derive(Debug)]
pub(crate) struct Head(ByteBuf);

impl Head {
    pub(crate) fn new(status: Status, clock: &Clock, keep_alive: bool) -> Self {
        let head = Self(ByteBuf::with_capacity(HEAD_CAPACITY));
        let head = match status.0 {
            200 => head.text("HTTP/1.1 200 OK"),
            code => head.text("HTTP/1.1 ").digits(code.into()).text(" ").text(status.phrase()),
        };
        head.fields(&clock.fields).fields(match keep_alive {
            true => "\r\nConnection: keep-alive",
            false => "\r\nConnection: close",
        })
    }

    /// Adds formatted header fields, each with a line end before it.
    pub(crate) fn fields(self, lines: &str) -> Self {
        self.text(lines)
    }

    pub(crate) fn field(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.text("\r\n").text(name).text(": ").text(value)
    }

    pub(crate) fn length(self, bytes: u64) -> Self {
        self.text("\r\nContent-Length: ").digits(bytes)
    }

    /// Ends the head and returns its buffer, to which a body may be appended.
    pub(crate) fn end(self) -> ByteBuf {
        self.text("\r\n\r\n").0
    }

    fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.put_slice(text.as_ref());
        self
    }

    fn digits(mut self, number: u64) -> Self {
        write!((&mut self.0).writer(), "{number}").expect("a buffer takes any number of bytes");
        self
    }
}

/// Returns a whole error reply, whose body states the reason.
pub(crate) fn refusal(refusal: &Refusal, clock: &Clock, keep_alive: bool, body: Body) -> ByteBuf {
    let Refusal { status, why, field } = refusal;
    let text = format!("{} {}: {why}\n", status.0, status.phrase());
    let mut head = Head::new(*status, clock, keep_alive)
        .field("Content-Type", "text/plain; charset=utf-8")
        .length(text.len() as u64);
    if let Some((name, value)) = field {
        head = head.field(name, value);
    }
    let mut reply = head.end();
    if body == Body::Sent {
        reply.put_slice(text.as_bytes());
    }
    reply
}

/// How the client finds the end of a body whose length is not known in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each piece has its length, and an empty one is the last.
    Chunked,
    /// The connection ends with the body: HTTP/1.0 has no chunks.
    UntilClose,
}

/// Headroom for the line before a chunk: up to 16 digits and a line end.
pub(crate) const CHUNK_LINE: usize = 18;

impl Framing {
    /// Frames a piece of a body, which has [`CHUNK_LINE`] bytes of headroom and is not empty.
    pub(crate) fn frame(self, mut piece: ByteBuf, is_last: bool) -> ByteBuf {
        if self == Self::Chunked {
            piece.prepend(format!("{:x}\r\n", piece.len()).as_bytes());
            piece.put_slice(if is_last { b"\r\n0\r\n\r\n" } else { b"\r\n" });
        }
        piece
    }
}

/// Whether the body goes out with its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Sent,
    /// The request was a HEAD.
    LeftOut,
}
