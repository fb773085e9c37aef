//! Keeps recently requested files open for up to a second.
//!
//! An answer from an open file costs less than opening it, reading its attributes, closing it and formatting its header fields.
//! In the first request for a file in each turn of the loop, the server compares the attributes of the file at the path with
//! those of the open file. If any attribute differs, it opens the path again.
//!
//! Clients see no difference: a connection receives once per turn, and only bytes that its event announced, so a request that is
//! answered in a turn began to arrive before the turn compared or opened any file. Only a client that sends a request before it
//! has the reply to the previous one may get the file as it was at that earlier time.

use std::ops::Range;

use bytebuf::{ByteBuf, ByteView, FileRegion, Payload};

use crate::files::{LocalPath, Opened, Root};
use crate::http::{Refusal, refuse};
use crate::report::Counters;

/// Maximum number of files that are kept open.
pub(crate) const MAX_FILES: usize = 8;
/// Files up to this length are read into memory and sent in one write with their head.
pub(crate) const SMALL_FILE: u64 = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct FileCache {
    /// The oldest first.
    files: Vec<CachedFile>,
    turn: u64,
}

/// A file that is kept open.
#[derive(Debug)]
pub(crate) struct CachedFile {
    target: Box<str>,
    path: LocalPath,
    /// The last turn in which the path led to this file.
    checked: u64,
    pub(crate) opened: Opened,
    /// The header fields of every answer about the file.
    pub(crate) fields: String,
    /// The header field that describes the body.
    pub(crate) content_type: String,
    /// The bytes of a small file, as they were read in this turn.
    content: Option<ByteView>,
}

impl FileCache {
    /// Returns the index of the cached file that `target` leads to now, if there is one.
    pub(crate) fn find(
        &mut self,
        target: &str,
        root: &Root,
        counters: &mut Counters,
    ) -> Option<usize> {
        let at = self.files.iter().position(|file| *file.target == *target)?;
        let file = &mut self.files[at];
        if file.checked != self.turn {
            counters.system_calls += 1;
            if !root.leads_to(&file.path, &file.opened) {
                self.files.remove(at);
                return None;
            }
            file.checked = self.turn;
        }
        Some(at)
    }

    /// Adds a file that was opened in this turn, and returns its index.
    pub(crate) fn keep(&mut self, target: &str, path: LocalPath, opened: Opened) -> usize {
        if self.files.len() == MAX_FILES {
            self.files.remove(0);
        }
        let mut fields = format!("\r\nAccept-Ranges: bytes\r\nETag: {}", opened.etag);
        if let Some(modified) = opened.modified {
            fields += &format!("\r\nLast-Modified: {}", httpdate::fmt_http_date(modified));
        }
        let content_type = format!("\r\nContent-Type: {}", content_type(&path.name));
        let (target, checked) = (target.into(), self.turn);
        let content = None;
        self.files.push(CachedFile {
            target,
            path,
            checked,
            opened,
            fields,
            content_type,
            content,
        });
        self.files.len() - 1
    }

    pub(crate) fn file(&mut self, place: usize) -> &mut CachedFile {
        &mut self.files[place]
    }

    /// Ends a turn: later requests compare the files again.
    pub(crate) fn end_turn(&mut self) {
        self.turn += 1;
        for file in &mut self.files {
            file.content = None;
        }
    }

    /// Closes all files. Called once a second, so that a deleted file does not keep its disk space, and
    /// a path that has come to lead out of the served directory is refused.
    pub(crate) fn clear(&mut self) {
        self.files.clear();
    }
}

impl CachedFile {
    /// Returns a part of a small file, which is read once per turn.
    pub(crate) fn content(
        &mut self,
        range: Range<u64>,
        counters: &mut Counters,
    ) -> Result<Payload, Refusal> {
        if self.content.is_none() {
            let region = FileRegion::new(self.opened.file.clone(), 0..self.opened.length);
            let mut content = ByteBuf::with_capacity(SMALL_FILE as usize);
            while (content.len() as u64) < region.len() {
                counters.system_calls += 1;
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

/// Returns the media type of a file by the extension of its name. Text is declared as UTF-8.
fn content_type(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let guess = mime_guess::from_path(&*name).first_raw();
    match guess.unwrap_or("application/octet-stream") {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.into(),
    }
}

#[cfg(test)]
#[path = "file_cache_tests.rs"]
mod tests;
