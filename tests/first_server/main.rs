//! The program of `docs/first-server.md`, as it stands there, and a client.
#![cfg(unix)]

#[path = "../support/resource_baseline.rs"]
mod resource_baseline;

#[allow(dead_code, unreachable_pub, reason = "a program, whose `main` is not run")]
mod program;

use resource_baseline::ResourceBaseline;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[test]
fn the_page_shows_this_program() {
    let page = include_str!("../../docs/first-server.md");
    assert!(page.contains(include_str!("program.rs")), "copy the program to the page");
}

#[test]
fn each_line_is_answered_in_order() {
    let _baseline = ResourceBaseline::take();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let answers = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(program::run(listener));
        client.write_all(b"world\nfile Cargo.toml\nfile /no/such\nno line").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        answers
    });
    let file = std::fs::read_to_string("Cargo.toml").unwrap();
    let expected = format!("hello, world\n{} bytes\n{file}error: ", file.len());
    let error = answers.strip_prefix(&expected).expect(&answers);
    assert_eq!(
        error.lines().count(),
        1,
        "the bytes without an end of line are no request: {error}"
    );
}

#[test]
fn a_line_that_is_too_long_closes_its_connection() {
    let _baseline = ResourceBaseline::take();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let answers = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(program::run(listener));
        client.write_all(&[b'x'; 9000]).await.unwrap();
        let mut answers = Vec::new();
        // The server closes with bytes unread, which may reset the connection.
        let _ = client.read_to_end(&mut answers).await;
        answers
    });
    assert!(answers.is_empty());
}
