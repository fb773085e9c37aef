//! Request heads to the file server of `examples/`, well-formed and not, split anywhere. Compares the parsed
//! request and the selected range with the fields that the head was generated from.
#![no_main]

#[allow(dead_code, reason = "a server uses what a fuzz target does not")]
#[path = "../../examples/file_server/http.rs"]
mod http;

use arbitrary::Arbitrary;
use http::{Answer, Attributes, Method, parse};
use libfuzzer_sys::fuzz_target;

const ETAG: &str = "\"tag-7\"";

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// Any bytes.
    Raw(&'a [u8]),
    Head(Head<'a>),
}

#[derive(Arbitrary, Debug)]
struct Head<'a> {
    method: Verb,
    old: bool,
    length: u64,
    fields: Vec<Field<'a>>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Verb {
    Get,
    Head,
    Post,
}

#[derive(Arbitrary, Debug)]
enum Field<'a> {
    Host,
    Close,
    KeepAlive,
    Length(u64),
    Coded,
    Range(Bounds),
    /// A range of free text.
    RangeText(&'a str),
    IfRange(Tag),
    IfMatch(Tag),
    IfNoneMatch(Tag),
    Other(u16),
}

/// The value after `bytes=`.
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Bounds {
    FromTo(u64, u64),
    From(u64),
    Last(u64),
    Two(u64, u64),
    /// A number of more than 64 bits.
    Huge,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Tag {
    Same,
    Weak,
    Other,
    Any,
}

impl Tag {
    fn text(self) -> &'static str {
        match self {
            Self::Same => ETAG,
            Self::Weak => "W/\"tag-7\"",
            Self::Other => "\"tag-8\"",
            Self::Any => "*",
        }
    }
}

impl Bounds {
    fn text(self) -> String {
        match self {
            Self::FromTo(first, last) => format!("bytes={first}-{last}"),
            Self::From(first) => format!("BYTES = {first}-"),
            Self::Last(count) => format!("bytes=-{count}"),
            Self::Two(a, b) => format!("bytes={a}-,{b}-"),
            Self::Huge => "bytes=0-99999999999999999999999".to_owned(),
        }
    }

    /// Which bytes of so many these are, counted one by one in numbers that hold them.
    fn of(self, length: u64) -> Answer {
        let length = u128::from(length);
        let (first, end) = match self {
            Self::FromTo(first, last) if first > last => return Answer::Whole,
            Self::FromTo(first, last) => (first.into(), u128::from(last) + 1),
            Self::From(first) => (first.into(), length),
            Self::Last(count) => (length - length.min(count.into()), length),
            Self::Two(..) => return Answer::Whole,
            Self::Huge => (0, length),
        };
        let end = end.min(length);
        if first < end { Answer::Part(first as u64..end as u64) } else { Answer::Unsatisfiable }
    }
}

impl Head<'_> {
    fn text(&self) -> String {
        let verb = match self.method {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Post => "POST",
        };
        let version = if self.old { 0 } else { 1 };
        let mut text = format!("{verb} /file HTTP/1.{version}\r\n");
        for field in &self.fields {
            text += &match field {
                Field::Host => "hOST: here\r\n".to_owned(),
                Field::Close => "Connection: x, Close\r\n".to_owned(),
                Field::KeepAlive => "connection: keep-alive\r\n".to_owned(),
                Field::Length(bytes) => format!("Content-Length:{bytes}\r\n"),
                Field::Coded => "Transfer-Encoding: chunked\r\n".to_owned(),
                Field::Range(bounds) => format!("Range: {}\r\n", bounds.text()),
                Field::RangeText(text) => format!("range: {}\r\n", printable(text)),
                Field::IfRange(tag) => format!("If-Range: {}\r\n", tag.text()),
                Field::IfMatch(tag) => format!("If-Match: \"a\" ,{}\r\n", tag.text()),
                Field::IfNoneMatch(tag) => format!("If-None-Match: {}\r\n", tag.text()),
                Field::Other(number) => format!("X-{number}: range\r\n"),
            };
        }
        text + "\r\n"
    }

    fn count(&self, is: fn(&Field<'_>) -> bool) -> usize {
        self.fields.iter().filter(|field| is(field)).count()
    }

    /// The last field of a kind is the one that counts.
    fn last<T>(&self, pick: impl FnMut(&Field<'_>) -> Option<T>) -> Option<T> {
        self.fields.iter().rev().find_map(pick)
    }

    /// The status of a head that ends the connection.
    fn refusal(&self) -> Option<u16> {
        let hosts = self.count(|field| matches!(field, Field::Host));
        let lengths = self.count(|field| matches!(field, Field::Length(_)));
        let coded = self.count(|field| matches!(field, Field::Coded)) > 0;
        let ambiguous = lengths > 1 || hosts > 1 || hosts == 0 && !self.old || coded && lengths > 0;
        match () {
            () if self.fields.len() > 64 => Some(431),
            () if ambiguous => Some(400),
            () if coded => Some(411),
            () => None,
        }
    }

    fn keep_alive(&self) -> bool {
        let mut keep = !self.old;
        for field in &self.fields {
            match field {
                Field::Close => keep = false,
                Field::KeepAlive if self.old => keep = true,
                _ => {}
            }
        }
        keep
    }

    /// What is sent of a file of the length and the tag, or `None` where the range is free text.
    fn answer(&self) -> Option<Answer> {
        let if_match = self.last(|field| match field {
            Field::IfMatch(tag) => Some(*tag),
            _ => None,
        });
        if matches!(if_match, Some(Tag::Weak | Tag::Other)) {
            return Some(Answer::PreconditionFailed);
        }
        let if_none_match = self.last(|field| match field {
            Field::IfNoneMatch(tag) => Some(*tag),
            _ => None,
        });
        if matches!(if_none_match, Some(Tag::Same | Tag::Weak | Tag::Any)) {
            return Some(Answer::NotModified);
        }
        let if_range = self.last(|field| match field {
            Field::IfRange(tag) => Some(*tag),
            _ => None,
        });
        // None: no range. Some(None): one of free text.
        let range = self.last(|field| match field {
            Field::Range(bounds) => Some(Some(*bounds)),
            Field::RangeText(_) => Some(None),
            _ => None,
        });
        match range {
            Some(range) if matches!(self.method, Verb::Get) => match if_range {
                None | Some(Tag::Same) => range.map(|bounds| bounds.of(self.length)),
                _ => Some(Answer::Whole),
            },
            _ => Some(Answer::Whole),
        }
    }
}

/// Without what ends a field.
fn printable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~')).collect()
}

/// However much of it has arrived, the answer is the same, or "more".
fn check_prefixes(received: &[u8]) {
    let Ok(Some((request, length))) = parse(received) else { return };
    assert!(length <= received.len());
    for end in 0..length {
        assert!(matches!(parse(&received[..end]), Ok(None)), "judged after {end} of {length}");
    }
    let (again, _) = parse(&received[..length]).expect("judged already").expect("whole");
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
}

fn attributes(length: u64) -> Attributes<'static> {
    Attributes { length, etag: ETAG, modified: None }
}

fuzz_target!(|input: Input<'_>| {
    let head = match input {
        Input::Raw(bytes) => return check_prefixes(bytes),
        Input::Head(head) => head,
    };
    let text = head.text();
    check_prefixes(text.as_bytes());
    let request = match (parse(text.as_bytes()), head.refusal()) {
        (Err(refusal), Some(status)) => return assert_eq!(refusal.status.0, status),
        (Ok(Some((request, length))), None) => {
            assert_eq!(length, text.len());
            request
        }
        (found, expected) => panic!("{found:?}, and it should be {expected:?}"),
    };
    let method = match head.method {
        Verb::Get => Method::Get,
        Verb::Head => Method::Head,
        Verb::Post => Method::Other,
    };
    assert_eq!((request.method, request.target), (method, "/file"));
    assert_eq!(request.keep_alive, head.keep_alive());
    let body = head.last(|field| match field {
        Field::Length(bytes) => Some(*bytes),
        _ => None,
    });
    assert_eq!(request.body, body.unwrap_or(0));
    let found = http::answer(&request, &attributes(head.length));
    if let Answer::Part(range) = &found {
        assert!(range.start < range.end && range.end <= head.length);
    }
    if let Some(expected) = head.answer() {
        assert_eq!(found, expected);
    }
});
