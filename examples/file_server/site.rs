//! The served site: answers one request into a connection's write queue.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

use bytebuf::{ByteBuf, FileRegion, WriteQueue};
use bytes::BufMut;
use clap::ValueEnum;

use crate::body::Rest;
use crate::file_cache::{FileCache, SMALL_FILE};
use crate::files::{Found, LocalPath, Root};
use crate::http::{self, Answer, Attributes, Method, Refusal, Request, Status, refuse};
use crate::page::{self, Page};
use crate::reply::{self, Body, CHUNK_LINE, Clock, Framing, Head};
use crate::report::Counters;

/// How large files are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transfer {
    /// From the file to the socket inside the kernel.
    Sendfile,
    /// Through a pooled pipe inside the kernel.
    Splice,
    /// From a mapping of a copy of the file.
    Mmap,
    /// Read into pooled buffers, written from there.
    Copy,
}

impl Transfer {
    /// Returns the maximum bytes that one connection sends in its turn.
    ///
    /// With `sendfile` this is a file of 64 KiB with its head. A server that sends a megabyte at a time
    /// fills the send buffer faster than a reader on the same machine empties it; then each
    /// acknowledgement sends a small piece. Measured with 16 MiB and a reader that takes 8 KiB at a time:
    /// 1.3 times the throughput for 0.85 of the processor time of both ends.
    ///
    /// Copying is slower than the reader, and gains by long calls.
    pub(crate) fn turn(self) -> u64 {
        match self {
            Self::Sendfile => 80 * 1024,
            Self::Splice | Self::Mmap | Self::Copy => 1024 * 1024,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Site {
    root: Root,
    pub(crate) transfer: Transfer,
    clock: Clock,
    cache: FileCache,
    log: bool,
    pub(crate) counters: Counters,
}

impl Site {
    pub(crate) fn new(root: Root, transfer: Transfer, log: bool) -> Self {
        let (clock, cache, counters) = (Clock::new(), FileCache::default(), Counters::new());
        Self { root, transfer, clock, cache, log, counters }
    }

    /// Starts a turn of the loop.
    pub(crate) fn begin_turn(&mut self) {
        self.clock.refresh();
    }

    /// Ends a turn of the loop.
    pub(crate) fn end_turn(&mut self) {
        self.cache.end_turn();
    }

    /// Closes the files that are kept open.
    pub(crate) fn close_files(&mut self) {
        self.cache.clear();
    }

    /// Queues the reply to `request`, except the rest of its body, which it returns.
    pub(crate) fn reply(&mut self, request: &Request<'_>, out: &mut WriteQueue) -> Option<Rest> {
        self.serve(request, out).unwrap_or_else(|refusal| {
            let body = if request.method == Method::Head { Body::LeftOut } else { Body::Sent };
            self.record(request, refusal.status, 0);
            out.push(reply::refusal(&refusal, &self.clock, request.keep_alive, body).freeze());
            None
        })
    }

    /// Queues an error as the last reply of a connection.
    pub(crate) fn refuse(&mut self, refusal: &Refusal, out: &mut WriteQueue) {
        self.counters.requests += 1;
        if self.log {
            log(format_args!("- {} {}", refusal.status.0, refusal.why));
        }
        out.push(reply::refusal(refusal, &self.clock, false, Body::Sent).freeze());
    }

    fn serve(
        &mut self,
        request: &Request<'_>,
        out: &mut WriteQueue,
    ) -> Result<Option<Rest>, Refusal> {
        if request.method == Method::Other {
            let refusal = refuse(405, "only GET and HEAD are supported");
            return Err(refusal.with("Allow", "GET, HEAD"));
        }
        if let Some(at) = self.cache.find(request.target, &self.root, &mut self.counters) {
            return self.send_file(request, at, out);
        }
        let path = LocalPath::from_target(request.target)?;
        self.counters.system_calls += 3; // open, stat and, when it is no longer needed, close
        match self.root.find(&path)? {
            Found::File(opened) => {
                let at = self.cache.keep(request.target, path, opened);
                self.send_file(request, at, out)
            }
            Found::Directory(_) if !path.directory => {
                self.redirect(request, &path, out);
                Ok(None)
            }
            Found::Directory(directory) => {
                self.send_page(request, Page::new(path.name, directory), out)
            }
        }
    }

    fn send_file(
        &mut self,
        request: &Request<'_>,
        place: usize,
        out: &mut WriteQueue,
    ) -> Result<Option<Rest>, Refusal> {
        let file = self.cache.file(place);
        let opened = &file.opened;
        let length = opened.length;
        let attributes = Attributes { length, etag: &opened.etag, modified: opened.modified };
        let answer = http::answer(request, &attributes);
        let (status, range) = match &answer {
            Answer::Whole => (Status(200), 0..length),
            Answer::Part(range) => (Status(206), range.clone()),
            Answer::NotModified => (Status(304), 0..0),
            Answer::PreconditionFailed => {
                return Err(refuse(412, "the file does not meet the conditions of the request"));
            }
            Answer::Unsatisfiable => {
                return Err(refuse(416, "the range starts after the end of the file")
                    .with("Content-Range", format!("bytes */{length}")));
            }
        };
        let mut rest = None;
        let mut body = None;
        if request.method == Method::Get && !range.is_empty() {
            let region = FileRegion::new(opened.file.clone(), range.clone());
            match self.transfer {
                _ if length <= SMALL_FILE => {
                    body = Some(file.content(range.clone(), &mut self.counters)?);
                }
                Transfer::Sendfile => body = Some(region.into()),
                Transfer::Splice => {
                    rest = Some(Rest::spliced(&region, opened.file.clone()));
                }
                Transfer::Mmap => rest = Some(Rest::Mapped(region)),
                Transfer::Copy => rest = Some(Rest::Copied(region)),
            }
        }
        let mut head = Head::new(status, &self.clock, request.keep_alive).fields(&file.fields);
        if answer != Answer::NotModified {
            head = head.fields(&file.content_type).length(range.end - range.start);
        }
        if let Answer::Part(Range { start, end }) = answer {
            head = head.field("Content-Range", format!("bytes {start}-{}/{length}", end - 1));
        }
        out.push(head.end().freeze());
        if let Some(body) = body {
            out.push(body);
        }
        self.record(request, status, range.end - range.start);
        Ok(rest)
    }

    /// Redirects a request for a directory without a slash at its end: relative links of the page need it.
    fn redirect(&mut self, request: &Request<'_>, path: &LocalPath, out: &mut WriteQueue) {
        let mut location = ByteBuf::with_capacity(path.name.len() + 2);
        location.put_u8(b'/');
        page::encode(&mut location, &path.name);
        location.put_u8(b'/');
        let head = Head::new(Status(301), &self.clock, request.keep_alive);
        out.push(head.field("Location", &location).length(0).end().freeze());
        self.record(request, Status(301), 0);
    }

    /// Sends the page of a directory: a short one with its length, a long one piece by piece, because its
    /// length is not known before.
    fn send_page(
        &mut self,
        request: &Request<'_>,
        mut page: Page,
        out: &mut WriteQueue,
    ) -> Result<Option<Rest>, Refusal> {
        let unreadable = |_| refuse(500, "the directory could not be read");
        let first = page.piece(CHUNK_LINE).map_err(unreadable)?;
        self.counters.system_calls += page.take_system_calls();
        let framing = match (page.is_done(), request.takes_chunks) {
            (true, _) => None,
            (false, true) => Some(Framing::Chunked),
            (false, false) => Some(Framing::UntilClose),
        };
        let keep_alive = request.keep_alive && framing != Some(Framing::UntilClose);
        let length = first.len() as u64;
        let head = Head::new(Status(200), &self.clock, keep_alive)
            .field("Content-Type", "text/html; charset=utf-8")
            .field("Cache-Control", "no-cache");
        let head = match framing {
            None => head.length(length),
            Some(Framing::Chunked) => head.field("Transfer-Encoding", "chunked"),
            Some(Framing::UntilClose) => head,
        };
        out.push(head.end().freeze());
        self.record(request, Status(200), length);
        if request.method != Method::Get {
            return Ok(None);
        }
        let Some(framing) = framing else {
            out.push(first.freeze());
            return Ok(None);
        };
        out.push(framing.frame(first, false).freeze());
        Ok(Some(Rest::Listed { page: Box::new(page), framing }))
    }

    fn record(&mut self, request: &Request<'_>, status: Status, bytes: u64) {
        self.counters.requests += 1;
        if self.log {
            let Request { method, target, .. } = request;
            log(format_args!("{method:?} {target} {} {bytes}", status.0));
        }
    }
}

/// Prints a line of the log. A closed output does not stop the server.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
