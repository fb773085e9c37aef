//! Parses requests and evaluates what they ask of a file: pure functions from bytes to values, without I/O.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Maximum length of a request head, and the size of the receive buffer.
pub(crate) const HEAD_MAX: usize = 16 * 1024;
/// Maximum length of a request target.
pub(crate) const TARGET_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;

/// A status code of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u16);

impl Status {
    pub(crate) fn phrase(self) -> &'static str {
        match self.0 {
            200 => "OK",
            206 => "Partial Content",
            301 => "Moved Permanently",
            304 => "Not Modified",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            412 => "Precondition Failed",
            414 => "URI Too Long",
            416 => "Range Not Satisfiable",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "Unknown",
        }
    }
}

/// An error reply, and the reason that its body states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) why: &'static str,
    /// A header field that this status requires.
    pub(crate) field: Option<(&'static str, String)>,
}

pub(crate) const fn refuse(code: u16, why: &'static str) -> Refusal {
    Refusal { status: Status(code), why, field: None }
}

impl Refusal {
    pub(crate) fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { field: Some((name, value.into())), ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    /// Any other method, which a file server does not support.
    Other,
}

/// The parts of a request head that this server acts on, borrowed from the receive buffer.
#[derive(Debug)]
pub(crate) struct Request<'b> {
    pub(crate) method: Method,
    pub(crate) target: &'b str,
    /// The connection stays open after the answer.
    pub(crate) keep_alive: bool,
    /// The client understands a body in chunks: it speaks HTTP/1.1.
    pub(crate) takes_chunks: bool,
    /// Bytes of body that follow the head, to be skipped.
    pub(crate) body: u64,
    range: Option<&'b [u8]>,
    if_range: Option<&'b [u8]>,
    if_match: Option<&'b [u8]>,
    if_none_match: Option<&'b [u8]>,
    if_modified_since: Option<&'b [u8]>,
    if_unmodified_since: Option<&'b [u8]>,
}

/// Parses one request head at the front of `received`. Returns the request and its length in bytes, or
/// `None` if it is incomplete.
///
/// After a refusal the start of the next request is unknown: answer and close.
pub(crate) fn parse(received: &[u8]) -> Result<Option<(Request<'_>, usize)>, Refusal> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut []);
    match head.parse_with_uninit_headers(received, &mut headers) {
        Ok(httparse::Status::Complete(length)) => Ok(Some((Request::read(&head)?, length))),
        Ok(httparse::Status::Partial) => may_wait(received).map(|()| None),
        Err(error) => Err(match error {
            httparse::Error::TooManyHeaders => refuse(431, "more than 64 header fields"),
            httparse::Error::Version => refuse(505, "only HTTP/1.0 and HTTP/1.1 are supported"),
            httparse::Error::Token => refuse(400, "the request line is malformed"),
            _ => refuse(400, "a header field is malformed"),
        }),
    }
}

/// Returns an error if an incomplete head is already too long.
fn may_wait(received: &[u8]) -> Result<(), Refusal> {
    let lead = received.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if received.len() - lead > TARGET_MAX && !received[lead..].contains(&b'\n') {
        return Err(refuse(414, "the request target is longer than 8 KiB"));
    }
    if received.len() >= HEAD_MAX {
        return Err(refuse(431, "the request head is longer than 16 KiB"));
    }
    Ok(())
}

impl<'b> Request<'b> {
    fn read(head: &httparse::Request<'_, 'b>) -> Result<Self, Refusal> {
        let target = head.path.unwrap_or_default();
        if target.len() > TARGET_MAX {
            return Err(refuse(414, "the request target is longer than 8 KiB"));
        }
        let newest = head.version == Some(1);
        let mut request = Request {
            method: match head.method {
                Some("GET") => Method::Get,
                Some("HEAD") => Method::Head,
                _ => Method::Other,
            },
            target,
            keep_alive: newest,
            takes_chunks: newest,
            body: 0,
            range: None,
            if_range: None,
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
        };
        let mut hosts = 0;
        let mut length = None;
        let mut has_transfer_encoding = false;
        let mut expects_continue = false;
        for field in head.headers.iter() {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("host") {
                hosts += 1;
            } else if is("connection") {
                for option in tokens(field.value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        request.keep_alive = false;
                    } else if option.eq_ignore_ascii_case(b"keep-alive") && !newest {
                        request.keep_alive = true;
                    }
                }
            } else if is("content-length") {
                let text = str::from_utf8(field.value).ok().filter(|_| length.is_none());
                let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                let bytes = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
                    refuse(400, "Content-Length must occur once, as one number below 2^64")
                })?;
                length = Some(bytes);
            } else if is("transfer-encoding") {
                has_transfer_encoding = true;
            } else if is("expect") {
                expects_continue = true;
            } else if is("range") {
                request.range = Some(field.value);
            } else if is("if-range") {
                request.if_range = Some(field.value);
            } else if is("if-match") {
                request.if_match = Some(field.value);
            } else if is("if-none-match") {
                request.if_none_match = Some(field.value);
            } else if is("if-modified-since") {
                request.if_modified_since = Some(field.value);
            } else if is("if-unmodified-since") {
                request.if_unmodified_since = Some(field.value);
            }
        }
        if hosts > 1 || (hosts == 0 && newest) {
            return Err(refuse(400, "an HTTP/1.1 request must have one Host field"));
        }
        if has_transfer_encoding {
            return Err(match length {
                Some(_) => {
                    refuse(400, "Transfer-Encoding and Content-Length contradict each other")
                }
                None => refuse(411, "a request body must come with a Content-Length"),
            });
        }
        request.body = length.unwrap_or(0);
        if expects_continue && request.body > 0 {
            // After a final answer the client may send the announced body or not.
            request.body = 0;
            request.keep_alive = false;
        }
        Ok(request)
    }
}

/// The attributes that a request is compared with: the file's length, its tag, and its time to the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'f> {
    pub(crate) length: u64,
    pub(crate) etag: &'f str,
    pub(crate) modified: Option<SystemTime>,
}

/// The answer to a request for a file that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Whole,
    Part(Range<u64>),
    NotModified,
    PreconditionFailed,
    Unsatisfiable,
}

/// Evaluates the conditions of a request in the order of RFC 9110, section 13.2.2.
pub(crate) fn answer(request: &Request<'_>, file: &Attributes<'_>) -> Answer {
    let etag = file.etag.as_bytes();
    if let Some(tags) = request.if_match {
        if !tokens(tags).any(|tag| tag == b"*" || tag == etag) {
            return Answer::PreconditionFailed;
        }
    } else if let (Some(limit), Some(modified)) =
        (request.if_unmodified_since.and_then(date), file.modified)
        && modified > limit
    {
        return Answer::PreconditionFailed;
    }
    if let Some(tags) = request.if_none_match {
        let same = |tag: &[u8]| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag;
        if tokens(tags).any(same) {
            return Answer::NotModified;
        }
    } else if let (Some(since), Some(modified)) =
        (request.if_modified_since.and_then(date), file.modified)
        && modified <= since
    {
        return Answer::NotModified;
    }
    match request.range {
        Some(range) if request.method == Method::Get && range_applies(request, file) => {
            part(range, file.length)
        }
        _ => Answer::Whole,
    }
}

/// Returns whether `If-Range` holds: the client's parts are parts of this version of the file.
fn range_applies(request: &Request<'_>, file: &Attributes<'_>) -> bool {
    match request.if_range {
        None => true,
        Some(tag) if tag.starts_with(b"\"") => tag == file.etag.as_bytes(),
        Some(text) => file.modified.is_some() && date(text) == file.modified,
    }
}

/// Parses one range of bytes. A header that is malformed, has another unit, or asks for several ranges is ignored, as RFC 9110,
/// section 14.2 allows: the whole file is a valid answer.
fn part(header: &[u8], length: u64) -> Answer {
    let Some((unit, range)) = split_once(header, b'=') else { return Answer::Whole };
    let Some((first, last)) = split_once(range, b'-') else { return Answer::Whole };
    if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") {
        return Answer::Whole;
    }
    let (first, last) = (first.trim_ascii(), last.trim_ascii());
    let range = match (decimal(first), decimal(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Answer::Whole,
    };
    if range.is_empty() { Answer::Unsatisfiable } else { Answer::Part(range) }
}

/// The time of a file as HTTP can express it: whole seconds, from 1970 to the end of 9999.
pub(crate) fn http_time(seconds: i64) -> Option<SystemTime> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds < YEAR_10000)?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn date(text: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(text).ok()?.trim()).ok()
}

/// Returns the members of a comma-separated list. An entity tag that contains a comma is split, and then equals no tag of this
/// server.
fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Parses a number that consists only of digits; a number too large for 64 bits becomes the maximum.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let push =
        |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, push))
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let middle = bytes.iter().position(|&byte| byte == at)?;
    Some((&bytes[..middle], &bytes[middle + 1..]))
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
