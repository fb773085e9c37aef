//! What every client relies on: files whole and in part, many at once.

use super::resource_baseline::ResourceBaseline;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{PATHS, Site, hash, request};
use crate::test_data::noise;

const SIZES: [usize; 8] = [0, 1, 1024, 16 * 1024, 16 * 1024 + 1, 65536, 1 << 20, (5 << 20) + 7];

fn sizes() -> Site {
    SIZES.iter().fold(Site::new(), |site, &size| {
        site.with(&format!("{size}.bin"), noise(size as u64, size))
    })
}

#[test]
fn whole_files_arrive_intact_by_every_path() {
    let _baseline = ResourceBaseline::take();
    let site = sizes();
    for path in PATHS {
        let server = site.start_with(&["--path", path]);
        let mut client = server.connect();
        for size in SIZES {
            let reply = client.get(&format!("/{size}.bin"), "");
            assert_eq!((reply.status, reply.length()), (200, size as u64));
            assert_eq!(hash(&reply.body), hash(&noise(size as u64, size)), "{size} by {path}");
        }
    }
}

#[test]
fn curl_gets_what_is_on_the_disk() {
    let _baseline = ResourceBaseline::take();
    let Ok(version) = Command::new("curl").arg("--version").output() else {
        eprintln!("no curl here");
        return;
    };
    assert!(version.status.success());
    let site = sizes();
    let server = site.start();
    let curl = |arguments: &[&str], target: &str| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--path-as-is"])
            .args(arguments)
            .arg(server.url(target))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    for size in SIZES {
        let body = curl(&[], &format!("/{size}.bin"));
        assert_eq!(hash(&body), hash(&noise(size as u64, size)), "{size}");
    }
    let whole = noise(1 << 20, 1 << 20);
    assert_eq!(curl(&["--range", "1000-1999"], "/1048576.bin"), &whole[1000..2000]);
    assert_eq!(curl(&["--http1.0"], "/1024.bin"), noise(1024, 1024));
    let saved = site.root().join("resumed");
    fs::write(&saved, &whole[..300_000]).unwrap();
    curl(&["--continue-at", "-", "--output", saved.to_str().unwrap()], "/1048576.bin");
    assert_eq!(fs::read(saved).unwrap(), whole);
}

#[test]
fn heads_have_the_length_and_no_body() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("page.html", "<p>hello");
    let server = site.start();
    let mut client = server.connect();
    for target in ["/page.html", "/", "/missing"] {
        let head = client.head(target, "");
        let whole = client.get(target, "");
        assert_eq!((head.status, head.length()), (whole.status, whole.body.len() as u64));
    }
    let reply = client.get("/page.html", "");
    assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
}

#[test]
fn ranges_and_conditions() {
    let _baseline = ResourceBaseline::take();
    let bytes = noise(7, 100_000);
    let site = Site::new().with("large", &bytes).with("small", &bytes[..1000]).with("empty", "");
    for path in PATHS {
        let server = site.start_with(&["--path", path]);
        let mut client = server.connect();
        for (target, length) in [("/large", 100_000), ("/small", 1000)] {
            let mut range = |range: &str| client.get(target, &format!("Range: bytes={range}\r\n"));
            for (text, start, end) in [
                ("0-0", 0, 1),
                ("10-99", 10, 100),
                ("900-", 900, length),
                ("-7", length - 7, length),
            ] {
                let reply = range(text);
                assert_eq!(reply.status, 206, "{target} {text}");
                assert_eq!(reply.body, &bytes[start..end], "{target} {text}");
                let expected = format!("bytes {start}-{}/{length}", end - 1);
                assert_eq!(reply.field("Content-Range"), Some(&*expected));
            }
            let reply = range(&format!("{length}-"));
            assert_eq!(reply.status, 416);
            assert_eq!(reply.field("Content-Range"), Some(&*format!("bytes */{length}")));

            let whole = client.get(target, "");
            let (tag, date) = (whole.field("ETag").unwrap(), whole.field("Last-Modified").unwrap());
            let mut ask = |fields: &str| client.get(target, fields);
            assert_eq!(ask(&format!("If-None-Match: {tag}\r\n")).status, 304);
            assert_eq!(ask(&format!("If-Modified-Since: {date}\r\n")).status, 304);
            assert_eq!(ask("If-None-Match: \"other\"\r\n").body, whole.body);
            assert_eq!(ask("If-Match: \"other\"\r\n").status, 412);
            let part = ask(&format!("Range: bytes=1-2\r\nIf-Range: {tag}\r\n"));
            assert_eq!((part.status, &part.body[..]), (206, &bytes[1..3]));
            let all = ask("Range: bytes=1-2\r\nIf-Range: \"other\"\r\n");
            assert_eq!((all.status, all.body), (200, whole.body.clone()));
        }
        assert_eq!(client.get("/empty", "Range: bytes=0-\r\n").status, 416);
    }
}

#[test]
fn a_file_that_is_replaced_is_served_anew() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("news", "old");
    let server = site.start();
    let mut client = server.connect();
    let tag = |reply: &crate::harness::Reply| reply.field("ETag").unwrap().to_owned();
    let old = client.get("/news", "");
    for version in 0..200 {
        let text = format!("version {version}");
        let new = site.root().join("new");
        fs::write(&new, &text).unwrap();
        fs::rename(new, site.root().join("news")).unwrap();
        let reply = client.get("/news", &format!("If-None-Match: {}\r\n", tag(&old)));
        assert_eq!((reply.status, reply.text()), (200, &*text));
    }
}

#[test]
fn a_file_that_is_not_asked_for_is_closed() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", "content");
    let server = site.start();
    let before = server.open_files();
    let reaches = |count| (0..1_000_000).any(|_| server.open_files() == count);
    let mut client = server.connect();
    assert_eq!(client.get("/file", "").text(), "content");
    assert!(reaches(before + 1), "the connection is idle, {} files are open", server.open_files());
    assert_eq!(client.get("/file", "").text(), "content");
    drop(client);
    assert!(reaches(before), "the connection is gone, {} files are open", server.open_files());
}

/// On portable system calls a file is read and written instead.
#[test]
#[cfg(not(bytebuf_portable))]
fn a_large_file_costs_five_system_calls() {
    let _baseline = ResourceBaseline::take();
    const REQUESTS: u64 = 1000;
    let site = Site::new().with("large", noise(3, 65536));
    let server = site.start();
    let mut client = server.connect();
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/large", "").length(), 65536);
    }
    drop(client);
    server.signal(Signal::TERM);
    let words = server.last_words();
    let (_, calls) = words.split_once("system calls  ").expect(&words);
    let calls: u64 = calls.split(',').next().unwrap().parse().unwrap();
    // They wait, receive, compare the file, send the head and send the file. Once a second the file
    // is closed and opened again.
    assert!(calls < 5 * REQUESTS + 200, "{calls}");
}

#[test]
fn five_gibibytes_by_ranges() {
    let _baseline = ResourceBaseline::take();
    const LENGTH: u64 = 5 << 30;
    let site = Site::new();
    let path = site.root().join("sparse");
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    file.set_len(LENGTH).unwrap();
    let marks = [0, (2 << 30) - 50, (4 << 30) - 50, LENGTH - 100];
    for (mark, seed) in marks.into_iter().zip(1..) {
        file.write_all_at(&noise(seed, 100), mark).unwrap();
    }
    for path in PATHS {
        let server = site.start_with(&["--path", path]);
        let mut client = server.connect();
        assert_eq!(client.head("/sparse", "").length(), LENGTH);
        for (mark, seed) in marks.into_iter().zip(1..) {
            let range = format!("Range: bytes={mark}-{}\r\n", mark + 99);
            assert_eq!(client.get("/sparse", &range).body, noise(seed, 100), "at {mark}");
        }
        assert_eq!(client.get("/sparse", "Range: bytes=-100\r\n").body, noise(4, 100));
        // A part long enough to be sent in many pieces, across the 32-bit limit.
        let (start, length) = ((4u64 << 30) - (2 << 20), 4 << 20);
        let range = format!("Range: bytes={start}-{}\r\n", start + length - 1);
        let mut expected = vec![0; length as usize];
        file.read_exact_at(&mut expected, start).unwrap();
        assert_eq!(hash(&client.get("/sparse", &range).body), hash(&expected));
    }
}

#[test]
fn two_hundred_connections_at_once() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", noise(1, 1000)).with("large", noise(2, 300_000));
    let server = site.start();
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for _ in 0..3 {
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(request("GET", if n % 2 == 0 { "/small" } else { "/large" }, ""));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let expected = if n % 2 == 0 { noise(1, 1000) } else { noise(2, 300_000) };
            assert_eq!(hash(&client.reply().body), hash(&expected), "connection {n}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let _baseline = ResourceBaseline::take();
    let site = sizes();
    for path in PATHS {
        let server = site.start_with(&["--path", path]);
        let mut client = server.connect();
        let mut sender = client.stream().try_clone().unwrap();
        let rounds = 20;
        let hashes = SIZES.map(|size| hash(&noise(size as u64, size)));
        std::thread::scope(|scope| {
            // From a thread of its own, since the server stops reading when the replies pile up.
            scope.spawn(move || {
                let one_round: String = SIZES
                    .iter()
                    .map(|size| {
                        let target = format!("/{size}.bin");
                        let body = "Content-Length: 26\r\n";
                        request("HEAD", &target, "")
                            + &request("GET", &target, body)
                            + "GET /smuggled HTTP/1.1\r\n\r\n"
                            + &request("PUT", &target, "Content-Length: 3\r\n")
                            + "abc"
                    })
                    .collect();
                std::io::Write::write_all(&mut sender, one_round.repeat(rounds).as_bytes())
                    .unwrap();
            });
            for round in 0..rounds {
                for (size, expected) in SIZES.into_iter().zip(hashes) {
                    assert_eq!(client.reply_head().length(), size as u64);
                    assert_eq!(hash(&client.reply().body), expected, "{size}, round {round}");
                    assert_eq!(client.reply().status, 405);
                }
            }
        });
    }
}

#[test]
fn old_clients_and_closing_ones_get_their_reply_and_the_end() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("large", noise(3, 2 << 20));
    let server = site.start();
    for text in [
        "GET /large HTTP/1.0\r\n\r\n".to_owned(),
        request("GET", "/large", "Connection: close\r\n"),
        // What follows the last request is not answered, and does not destroy the reply.
        request("GET", "/large", "Connection: close\r\n") + &request("GET", "/", "").repeat(100),
    ] {
        let mut client = server.connect();
        let reply = client.raw(text);
        assert_eq!(reply.field("Connection"), Some("close"));
        assert_eq!(hash(&reply.body), hash(&noise(3, 2 << 20)));
        assert!(client.rest().is_empty());
    }
    let mut client = server.connect();
    let kept = "GET /large HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(client.raw(kept).field("Connection"), Some("keep-alive"));
    assert_eq!(client.raw(kept).status, 200);
    // A client that has said all it will say still gets all that it asked for.
    client.send(kept.repeat(3));
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(hash(&client.reply().body), hash(&noise(3, 2 << 20)));
    }
    assert!(client.rest().is_empty());
}

#[test]
fn a_browser_finds_every_file_by_clicking() {
    let _baseline = ResourceBaseline::take();
    let names = [
        "plain.txt",
        "with space & <tag> \"quotes\" 'single'",
        "%41 percent%",
        "question?mark#hash",
        "ümläut/日本/deep;a=b.html",
        "dir/a:b",
        "dir/back\\slash",
        "...",
    ];
    let site = names.iter().fold(Site::new(), |site, name| site.with(name, name));
    let server = site.start();
    let mut client = server.connect();
    let (mut pages, mut seen, mut files) = (vec!["/".to_owned()], BTreeSet::new(), BTreeSet::new());
    while let Some(page) = pages.pop() {
        let reply = client.get(&page, "");
        assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"), "{page}");
        for link in reply.text().split("href=\"").skip(1) {
            let link = link.split('"').next().unwrap();
            let target = match link {
                "../" => page[..page.trim_end_matches('/').rfind('/').unwrap() + 1].to_owned(),
                absolute if absolute.starts_with('/') => absolute.to_owned(),
                relative => format!("{page}{relative}"),
            };
            if !seen.insert(target.clone()) {
                continue;
            }
            if target.ends_with('/') {
                pages.push(target);
            } else {
                files.insert(client.get(&target, "").text().to_owned());
            }
        }
    }
    assert_eq!(files, names.iter().map(|&name| name.to_owned()).collect());
    let moved = client.get("/dir", "");
    assert_eq!((moved.status, moved.field("Location")), (301, Some("/dir/")));
}
