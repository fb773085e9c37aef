//! Keeps recently requested files open for up to a second.
//!
//! To open a file, read its attributes, close it and format its header fields costs more than to answer from an open file. The
//! server keeps a few files open. In each turn of the loop that requests a file, it first compares the attributes of the file at
//! the path with those of the open file. If any attribute differs, it opens the path again.
//!
//! Clients see no difference: a connection receives once per turn, and only bytes that its event announced, so a request that is
//! answered in a turn began to arrive before the turn compared or opened any file. Only a client that sends a request before it
//! has the reply to the previous one may get the state of that earlier time.

use std::ops::Range;

use bytebuf::{ByteBuf, ByteView, FileRegion, Payload};

use crate::files::{LocalPath, Opened, Root};
use crate::http::{Refusal, refuse};
use crate::report::Tally;

/// The number of files that are kept open.
pub(crate) const FILES: usize = 8;
/// Files up to this length are read into memory and go out in one write with their head.
pub(crate) const SMALL: u64 = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// The oldest first.
    files: Vec<Shelved>,
    turn: u64,
}

/// A file that is kept open.
#[derive(Debug)]
pub(crate) struct Shelved {
    target: Box<str>,
    path: LocalPath,
    /// The turn in which the path was last seen to lead to this file.
    checked: u64,
    pub(crate) opened: Opened,
    /// The header fields of every answer about the file.
    pub(crate) fields: String,
    /// The header field that describes the body.
    pub(crate) content_type: String,
    /// The bytes of a small file, as they were read in this turn.
    content: Option<ByteView>,
}

impl Shelf {
    /// Returns the place of the file that `target` leads to now, if it is kept.
    pub(crate) fn find(&mut self, target: &str, root: &Root, tally: &mut Tally) -> Option<usize> {
        let at = self.files.iter().position(|file| *file.target == *target)?;
        let file = &mut self.files[at];
        if file.checked != self.turn {
            tally.system_calls += 1;
            if !root.leads_to(&file.path, &file.opened) {
                self.files.remove(at);
                return None;
            }
            file.checked = self.turn;
        }
        Some(at)
    }

    /// Keeps a file that was opened in this turn, and returns its place.
    pub(crate) fn keep(&mut self, target: &str, path: LocalPath, opened: Opened) -> usize {
        if self.files.len() == FILES {
            self.files.remove(0);
        }
        let mut fields = format!("\r\nAccept-Ranges: bytes\r\nETag: {}", opened.etag);
        if let Some(modified) = opened.modified {
            fields += &format!("\r\nLast-Modified: {}", httpdate::fmt_http_date(modified));
        }
        let content_type = format!("\r\nContent-Type: {}", content_type(&path.name));
        let (target, checked) = (target.into(), self.turn);
        let content = None;
        self.files.push(Shelved { target, path, checked, opened, fields, content_type, content });
        self.files.len() - 1
    }

    pub(crate) fn file(&mut self, place: usize) -> &mut Shelved {
        &mut self.files[place]
    }

    /// Ends a turn: the requests that arrive from now on see the files as they will be then.
    pub(crate) fn end_turn(&mut self) {
        self.turn += 1;
        for file in &mut self.files {
            file.content = None;
        }
    }

    /// Closes all files. Called once a second, so that a deleted file does not keep its space, and
    /// a path that leads out of the served directory by now is refused.
    pub(crate) fn clear(&mut self) {
        self.files.clear();
    }
}

impl Shelved {
    /// Returns a part of a small file, which is read when it is first needed in a turn.
    pub(crate) fn content(
        &mut self,
        range: Range<u64>,
        tally: &mut Tally,
    ) -> Result<Payload, Refusal> {
        if self.content.is_none() {
            let region = FileRegion::new(self.opened.file.clone(), 0..self.opened.length);
            let mut content = ByteBuf::with_capacity(SMALL as usize);
            while (content.len() as u64) < region.len() {
                tally.system_calls += 1;
                let failed = |_| refuse(500, "the file changed or failed while it was read");
                region.read_at(content.len() as u64, &mut content).map_err(failed)?;
            }
            self.content = Some(content.freeze());
        }
        let content = self.content.as_ref().expect("it has just been read");
        // Offsets in a small file fit a usize.
        Ok(content.slice(range.start as usize..range.end as usize).into())
    }
}

/// Returns the type of a file by the end of its name; text is taken to be UTF-8.
fn content_type(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let guess = mime_guess::from_path(&*name).first_raw();
    match guess.unwrap_or("application/octet-stream") {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.into(),
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
