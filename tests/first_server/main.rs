//! The program of `docs/first-server.md`, as it stands there, and a client.
#![cfg(unix)]

#[path = "../support/resource_baseline.rs"]
mod resource_baseline;

#[allow(dead_code, unreachable_pub, reason = "a program, whose `main` is not run")]
mod program;

use resource_baseline::ResourceBaseline;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Returns the answers to a client that sends `request` and then nothing more.
fn answers(request: &[u8]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(program::run(listener));
        client.write_all(request).await.unwrap();
        // A server that closes with bytes unread may reset the connection: both calls may fail.
        let _ = client.shutdown().await;
        let mut answers = String::new();
        let _ = client.read_to_string(&mut answers).await;
        answers
    })
}

#[test]
fn each_line_is_answered_in_order() {
    let _baseline = ResourceBaseline::take();
    let answers = answers(b"world\nfile Cargo.toml\nfile /no/such\nno line");
    let file = std::fs::read_to_string("Cargo.toml").unwrap();
    let expected = format!("hello, world\n{} bytes\n{file}error: ", file.len());
    let error = answers.strip_prefix(&expected).expect(&answers);
    let lines = error.lines().count();
    assert_eq!(lines, 1, "the bytes without an end of line are no request: {error}");
}

#[test]
fn a_line_that_is_too_long_closes_its_connection() {
    let _baseline = ResourceBaseline::take();
    assert!(answers(&[b'x'; 9000]).is_empty());
}
