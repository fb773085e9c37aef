//! The page of a directory: names to click on, with sizes and dates.

use std::io;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use bytebuf::ByteBuf;
use bytes::BufMut;
use rustix::fs::{AtFlags, Dir, FileType, statat};

use crate::http::http_time;

/// A page stops here, so that nobody waits long for one huge directory.
const ENTRIES_MAX: usize = 10_000;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) modified: Option<SystemTime>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Directory,
    File {
        length: u64,
    },
    /// A symbolic link, or something that can't be served.
    Other,
}

/// Reads a directory: its directories first, then the rest, each by name. The flag says that
/// there was more than a page takes.
pub(crate) fn entries(directory: OwnedFd) -> io::Result<(Vec<Entry>, bool)> {
    let mut entries = Vec::new();
    let mut cut = false;
    let mut names = Dir::new(directory)?;
    while let Some(name) = names.read() {
        let name = name?;
        if matches!(name.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() == ENTRIES_MAX {
            cut = true;
            break;
        }
        let at = names.fd()?;
        let stat = statat(at, name.file_name(), AtFlags::SYMLINK_NOFOLLOW);
        // A file that was removed since is left out.
        let Ok(stat) = stat else { continue };
        entries.push(Entry {
            name: name.file_name().to_bytes().to_vec(),
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Kind::Directory,
                FileType::RegularFile => {
                    Kind::File { length: u64::try_from(stat.st_size).unwrap_or(0) }
                }
                _ => Kind::Other,
            },
            modified: http_time(stat.st_mtime),
        });
    }
    entries.sort_by(|a, b| {
        let rank = |entry: &Entry| entry.kind != Kind::Directory;
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok((entries, cut))
}

const STYLE: &str = "<style>:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
table{border-collapse:collapse;width:100%}td{padding:.15em 1em .15em 0}\
td+td{text-align:right;white-space:nowrap;opacity:.7;font-variant-numeric:tabular-nums}\
a{text-decoration:none}a:hover{text-decoration:underline}</style>";

/// Writes the page of the directory `path`, relative to the served one.
pub(crate) fn render(path: &[u8], entries: &[Entry], cut: bool) -> ByteBuf {
    let mut page = ByteBuf::with_capacity(2048 + 256 * entries.len());
    page.put_slice(b"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>/");
    escape(&mut page, path);
    page.put_slice(b"</title>");
    page.put_slice(STYLE.as_bytes());
    page.put_slice(b"</head><body><h1><a href=\"/\">/</a>");
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    let mut href = ByteBuf::new();
    href.put_slice(b"/");
    for name in names {
        encode(&mut href, name);
        href.put_slice(b"/");
        link(&mut page, &href, name, "/");
    }
    page.put_slice(b"</h1><table>");
    if !path.is_empty() {
        page.put_slice(b"<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>");
    }
    for entry in entries {
        let slash = if entry.kind == Kind::Directory { "/" } else { "" };
        href.clear();
        encode(&mut href, &entry.name);
        href.put_slice(slash.as_bytes());
        page.put_slice(b"<tr><td>");
        link(&mut page, &href, &entry.name, slash);
        page.put_slice(b"</td><td>");
        if let Kind::File { length } = entry.kind {
            page.put_slice(human(length).as_bytes());
        }
        page.put_slice(b"</td><td>");
        if let Some(modified) = entry.modified {
            page.put_slice(httpdate::fmt_http_date(modified).as_bytes());
        }
        page.put_slice(b"</td></tr>");
    }
    page.put_slice(b"</table>");
    if cut {
        page.put_slice(b"<p>There is more; a page ends at 10000 names.</p>");
    }
    page.put_slice(b"</body></html>\n");
    page
}

fn link(page: &mut ByteBuf, href: &[u8], name: &[u8], tail: &str) {
    page.put_slice(b"<a href=\"");
    page.put_slice(href);
    page.put_slice(b"\">");
    escape(page, name);
    page.put_slice(tail.as_bytes());
    page.put_slice(b"</a>");
}

/// Writes a name as text of a page. What is not UTF-8 shows as a replacement character.
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

/// Writes a name as part of a URL: any byte that could mean something there is percent-encoded.
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

/// A number of bytes for people: `999 B`, `1.5 KiB`, `3.0 GiB`.
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

    fn text(path: &[u8], entries: &[Entry]) -> String {
        String::from_utf8(render(path, entries, false).to_vec()).unwrap()
    }

    #[test]
    fn hostile_names_stay_names() {
        let name = b"<script>\"&'\xff:%2e.html".to_vec();
        let entry = Entry { name, kind: Kind::File { length: 1 }, modified: None };
        let page = text(b"a<b", &[entry]);
        let expected = "<a href=\"%3Cscript%3E%22%26%27%FF%3A%252e.html\">\
                        &lt;script&gt;&quot;&amp;'\u{fffd}:%2e.html</a>";
        assert!(page.contains(expected), "{page}");
        assert!(page.contains("<a href=\"/a%3Cb/\">a&lt;b/</a>"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_top_has_no_way_up_and_the_rest_has() {
        assert!(!text(b"", &[]).contains("../"));
        assert!(text(b"sub", &[]).contains("<a href=\"../\">"));
    }

    #[test]
    fn entries_are_sorted_and_complete() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("b"), "xyz").unwrap();
        std::fs::write(home.path().join("a"), "").unwrap();
        std::fs::create_dir(home.path().join("z")).unwrap();
        std::os::unix::fs::symlink("a", home.path().join("c")).unwrap();
        let directory = OwnedFd::from(std::fs::File::open(home.path()).unwrap());
        let (entries, cut) = entries(directory).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_slice()).collect();
        assert_eq!(names, [b"z", b"a", b"b", b"c"]);
        assert_eq!(entries[2].kind, Kind::File { length: 3 });
        assert_eq!(entries[3].kind, Kind::Other);
        assert!(!cut);
    }

    #[test]
    fn sizes_for_people() {
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
