//! The page of a directory: links with sizes and dates, written in pieces.

use std::io;
use std::os::fd::OwnedFd;

use bytebuf::ByteBuf;
use bytes::BufMut;
use rustix::fs::{FileType, Stat};

use crate::http::http_time;
use crate::listing::{ENTRIES_MAX, Listing};

/// A piece ends after this many bytes: with the rest of its last row it fits a block of 16 KiB.
const PIECE: usize = 12 * 1024;

/// Maximum number of parent directories that the heading links to.
const LINKS_MAX: usize = 8;

const STYLE: &str = "<style>:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
table{border-collapse:collapse;width:100%}td{padding:.15em 1em .15em 0}\
td+td{text-align:right;white-space:nowrap;opacity:.7;font-variant-numeric:tabular-nums}\
a{text-decoration:none}a:hover{text-decoration:underline}</style>";

/// The page of one directory. Each piece is written when the queue can take it.
#[derive(Debug)]
pub(crate) struct Page {
    /// Relative to the served directory.
    path: Vec<u8>,
    listing: Listing,
    next: Section,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Heading,
    Rows,
    /// Everything is written.
    End,
}

impl Page {
    /// Creates the page of an open directory, whose path is relative to the served one.
    pub(crate) fn new(path: Vec<u8>, directory: OwnedFd) -> Self {
        Self { path, listing: Listing::new(directory), next: Section::Heading }
    }

    /// Returns whether the last piece is written.
    pub(crate) fn is_done(&self) -> bool {
        self.next == Section::End
    }

    /// Returns the next piece, with `front` bytes of headroom.
    pub(crate) fn piece(&mut self, front: usize) -> io::Result<ByteBuf> {
        let mut piece = ByteBuf::with_headroom(front, 16 * 1024 - front);
        if self.next == Section::Heading {
            heading(&mut piece, &self.path);
            self.next = Section::Rows;
        }
        while self.next == Section::Rows && piece.len() < PIECE {
            match self.listing.next()? {
                Some((name, stat)) => row(&mut piece, &name, &stat),
                None => {
                    end(&mut piece, self.listing.is_truncated());
                    self.next = Section::End;
                }
            }
        }
        Ok(piece)
    }

    /// Returns the number of system calls since the last call of this function.
    pub(crate) fn take_system_calls(&mut self) -> u64 {
        self.listing.take_system_calls()
    }
}

fn heading(page: &mut ByteBuf, path: &[u8]) {
    page.put_slice(b"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>/");
    escape(page, path);
    page.put_slice(b"</title>");
    page.put_slice(STYLE.as_bytes());
    page.put_slice(b"</head><body><h1><a href=\"/\">/</a>");
    let names = || path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    let unlinked = names().count().saturating_sub(LINKS_MAX);
    let mut href = ByteBuf::new();
    href.put_slice(b"/");
    for (at, name) in names().enumerate() {
        encode(&mut href, name);
        href.put_slice(b"/");
        if at >= unlinked {
            link(page, &href, name, "/");
        } else {
            escape(page, name);
            page.put_slice(b"/");
        }
    }
    page.put_slice(b"</h1><table>");
    if !path.is_empty() {
        page.put_slice(b"<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>");
    }
}

fn row(page: &mut ByteBuf, name: &[u8], stat: &Stat) {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let slash = if kind == FileType::Directory { "/" } else { "" };
    let mut href = ByteBuf::with_capacity(3 * name.len() + 1);
    encode(&mut href, name);
    href.put_slice(slash.as_bytes());
    page.put_slice(b"<tr><td>");
    link(page, &href, name, slash);
    page.put_slice(b"</td><td>");
    if kind == FileType::RegularFile {
        page.put_slice(human(u64::try_from(stat.st_size).unwrap_or(0)).as_bytes());
    }
    page.put_slice(b"</td><td>");
    if let Some(modified) = http_time(stat.st_mtime) {
        page.put_slice(httpdate::fmt_http_date(modified).as_bytes());
    }
    page.put_slice(b"</td></tr>");
}

fn end(page: &mut ByteBuf, truncated: bool) {
    page.put_slice(b"</table>");
    if truncated {
        let note = format!("<p>The page ends here: it lists {ENTRIES_MAX} entries at most.</p>");
        page.put_slice(note.as_bytes());
    }
    page.put_slice(b"</body></html>\n");
}

fn link(page: &mut ByteBuf, href: &[u8], name: &[u8], tail: &str) {
    page.put_slice(b"<a href=\"");
    page.put_slice(href);
    page.put_slice(b"\">");
    escape(page, name);
    page.put_slice(tail.as_bytes());
    page.put_slice(b"</a>");
}

/// Writes a name as text of a page. Bytes that are not UTF-8 become replacement characters.
fn escape(page: &mut ByteBuf, name: &[u8]) {
    for character in String::from_utf8_lossy(name).chars() {
        match character {
            '<' => page.put_slice(b"&lt;"),
            '>' => page.put_slice(b"&gt;"),
            '&' => page.put_slice(b"&amp;"),
            '"' => page.put_slice(b"&quot;"),
            plain => page.put_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Writes a name as part of a URL; percent-encodes each byte that has a meaning there.
pub(crate) fn encode(url: &mut ByteBuf, name: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.put_u8(byte);
            }
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                url.put_slice(&[b'%', HEX[high], HEX[low]]);
            }
        }
    }
}

/// Formats a number of bytes with a unit: `999 B`, `1.5 KiB`, `3.0 GiB`.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let step = (bytes.ilog2() / 10) as usize;
    let tenths = (u128::from(bytes) * 10) >> (10 * step);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[step - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs::{File, create_dir, write};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    fn text(path: &[u8], directory: &Path) -> String {
        let mut page = Page::new(path.to_vec(), File::open(directory).unwrap().into());
        let mut text = String::new();
        while !page.is_done() {
            text += str::from_utf8(&page.piece(0).unwrap()).unwrap();
        }
        text
    }

    #[test]
    fn names_with_markup_are_escaped() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join(OsStr::from_bytes(b"<script>\"&'\xff:%2e.html")), "").unwrap();
        let page = text(b"a<b", home.path());
        let expected = "<a href=\"%3Cscript%3E%22%26%27%FF%3A%252e.html\">\
                        &lt;script&gt;&quot;&amp;'\u{fffd}:%2e.html</a>";
        assert!(page.contains(expected), "{page}");
        assert!(page.contains("<a href=\"/a%3Cb/\">a&lt;b/</a>"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn every_page_but_the_top_links_to_its_parent() {
        let home = tempfile::tempdir().unwrap();
        assert!(!text(b"", home.path()).contains("../"));
        assert!(text(b"sub", home.path()).contains("<a href=\"../\">"));
    }

    #[test]
    fn rows_show_sizes_of_files_only() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join("file"), "xyz").unwrap();
        create_dir(home.path().join("dir")).unwrap();
        let page = text(b"", home.path());
        assert!(page.contains("<a href=\"file\">file</a></td><td>3 B</td>"), "{page}");
        assert!(page.contains("<a href=\"dir/\">dir/</a></td><td></td>"), "{page}");
    }

    #[test]
    fn a_piece_of_the_longest_rows_fits_its_block() {
        let home = tempfile::tempdir().unwrap();
        for n in 0..60 {
            let name = [format!("{n:0>5}").as_bytes(), &[b'"'; 250]].concat();
            write(home.path().join(OsStr::from_bytes(&name)), "").unwrap();
        }
        let mut page = Page::new(Vec::new(), File::open(home.path()).unwrap().into());
        let mut pieces = 0;
        while !page.is_done() {
            assert!(page.piece(0).unwrap().len() <= 16 * 1024);
            pieces += 1;
        }
        assert!(pieces > 5);
    }

    #[test]
    fn a_deep_path_does_not_make_a_long_heading() {
        let home = tempfile::tempdir().unwrap();
        let page = text(&b"a/".repeat(2000), home.path());
        assert_eq!(page.matches("<a href=\"/a/").count(), LINKS_MAX);
    }

    #[test]
    fn sizes_are_formatted_with_units() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(human(bytes), expected);
        }
        assert_eq!(human(u64::MAX), "15.9 EiB");
    }
}
