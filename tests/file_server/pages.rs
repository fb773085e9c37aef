//! Pages of directories that are too large for one piece.

use super::resource_baseline::ResourceBaseline;

use crate::harness::{Client, Site, request};

/// The entries that a page links to, in the order of the page.
fn entries(page: &str) -> Vec<String> {
    let links = page.split("<tr><td><a href=\"").skip(1);
    links.map(|link| link.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_large_page_lists_every_entry_in_order_and_the_connection_goes_on() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    let names = site.with_empty_files("many", 2000);
    let server = site.start();
    let mut client = server.connect();
    client.send(request("GET", "/many/", "") + &request("GET", "/small", ""));
    assert_eq!(entries(client.reply().text()), [vec!["../".to_owned()], names].concat());
    assert_eq!(client.reply().text(), "x");
}

#[test]
fn an_old_client_finds_the_end_of_a_large_page_by_the_end_of_its_connection() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new();
    let names = site.with_empty_files("many", 500);
    let server = site.start();
    let mut client = server.connect();
    client.send("GET /many/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = client.reply_head();
    assert_eq!(head.field("Connection"), Some("close"));
    assert_eq!((head.field("Content-Length"), head.field("Transfer-Encoding")), (None, None));
    let page = String::from_utf8(client.rest()).unwrap();
    assert_eq!(entries(&page)[1..], names);
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn the_head_of_a_large_page_comes_without_the_page() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    site.with_empty_files("many", 500);
    let server = site.start();
    for version in ["1.0", "1.1"] {
        let mut client = server.connect();
        let fields = "Host: test\r\nConnection: keep-alive\r\n\r\n";
        client.send(format!("HEAD /many/ HTTP/{version}\r\n{fields}"));
        assert_eq!(client.reply_head().status, 200);
        assert_eq!(client.get("/small", "").text(), "x", "HTTP/{version}");
    }
}

#[test]
fn clients_that_do_not_read_a_large_page_hold_little_memory() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    site.with_empty_files("many", 4000);
    let server = site.start();
    let mut other = server.connect();
    assert_eq!(other.get("/small", "").status, 200);
    let before = server.resident();
    let mut stuck: Vec<Client> = (0..100).map(|_| server.connect_narrow()).collect();
    for client in &mut stuck {
        client.send(request("GET", "/many/", ""));
        assert_eq!(client.reply_head().status, 200);
    }
    // Each of these takes the server through its loop, where it goes on with the others.
    let resident = (0..50).map(|_| {
        assert_eq!(other.get("/small", "").status, 200);
        server.resident()
    });
    let grown = resident.max().unwrap().saturating_sub(before);
    assert!(grown < 100 * 256, "{grown} KiB for 100 clients");
    // The page is still whole for a client that reads after all.
    let page = String::from_utf8(stuck[0].chunks()).unwrap();
    assert_eq!(entries(&page).len(), 4001);
}

#[test]
fn a_directory_that_is_removed_while_it_is_listed_ends_its_page() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    site.with_empty_files("many", 4000);
    let server = site.start();
    let mut client = server.connect_narrow();
    client.send(request("GET", "/many/", ""));
    assert_eq!(client.reply_head().status, 200);
    std::fs::remove_dir_all(site.root().join("many")).unwrap();
    // What was read before is listed, and the page ends as usual.
    assert!(client.chunks().ends_with(b"</html>\n"));
    assert_eq!(client.get("/small", "").text(), "x");
}
