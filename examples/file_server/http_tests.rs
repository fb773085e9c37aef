use super::*;

const ETAG: &str = "\"2a-1\"";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn attributes(length: u64) -> Attributes<'static> {
    Attributes { length, etag: ETAG, modified: http_time(784_111_777) }
}

fn ask(method: &str, fields: &str) -> Answer {
    let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let (request, length) = parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!(length, text.len());
    answer(&request, &attributes(100))
}

fn refusal(text: impl AsRef<[u8]>) -> u16 {
    parse(text.as_ref()).unwrap_err().status.0
}

#[test]
fn a_head_is_parsed_when_it_is_complete() {
    let text = b"GET /a%20b?c HTTP/1.1\r\nHost: here\r\n\r\nGET /next";
    let head = text.len() - b"GET /next".len();
    for cut in 0..head {
        assert!(parse(&text[..cut]).unwrap().is_none(), "cut at {cut}");
    }
    let (request, length) = parse(text).unwrap().unwrap();
    assert_eq!((request.method, request.target, length), (Method::Get, "/a%20b?c", head));
    assert!(request.keep_alive);
}

#[test]
fn version_and_options_decide_whether_the_connection_stays_open() {
    let stays_open = |version: &str, option: &str| {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: {option}\r\n\r\n");
        parse(text.as_bytes()).unwrap().unwrap().0.keep_alive
    };
    assert!(stays_open("1.1", "x"));
    assert!(!stays_open("1.1", "x, Close"));
    assert!(!stays_open("1.0", "x"));
    assert!(stays_open("1.0", "Keep-Alive"));
}

#[test]
fn malformed_heads_are_refused() {
    assert_eq!(refusal("GET\0/ HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(refusal("GET / HTTP/1.1\r\nbroken\r\n\r\n"), 400);
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
    assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(refusal("GET / HTTP/2.0\r\n\r\n"), 505);
    let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
    assert_eq!(refusal(format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
}

#[test]
fn long_targets_and_long_heads_have_different_statuses() {
    let target = "/".repeat(TARGET_MAX + 1);
    assert_eq!(refusal(format!("\r\nGET {target}")), 414, "before the line ends");
    assert_eq!(refusal(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), 414);
    let field = "x".repeat(HEAD_MAX);
    assert_eq!(refusal(format!("GET / HTTP/1.1\r\nHost: {field}")), 431);
    let endless = "\r\n".repeat(HEAD_MAX / 2);
    assert_eq!(refusal(endless), 431);
}

#[test]
fn a_body_has_one_length_or_is_refused() {
    let body = |fields: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        parse(text.as_bytes()).map(|parsed| {
            let request = parsed.unwrap().0;
            (request.body, request.keep_alive)
        })
    };
    let code = |fields: &str| body(fields).unwrap_err().status.0;
    assert_eq!(body("Content-Length: 7\r\n"), Ok((7, true)));
    assert_eq!(body("Content-Length: 7\r\nExpect: 100-continue\r\n"), Ok((0, false)));
    assert_eq!(code("Content-Length: 7\r\nContent-Length: 7\r\n"), 400);
    assert_eq!(body("Content-Length: 18446744073709551615\r\n"), Ok((u64::MAX, true)));
    let too_large = ["18446744073709551616", "99999999999999999999999"];
    for wrong in ["-1", "+1", "7, 7", "", "0x7"].into_iter().chain(too_large) {
        assert_eq!(code(&format!("Content-Length: {wrong}\r\n")), 400, "{wrong:?}");
    }
    assert_eq!(code("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n"), 400);
    assert_eq!(code("transfer-encoding: identity\r\ncontent-length: 7\r\n"), 400);
    assert_eq!(code("Transfer-Encoding: chunked\r\n"), 411);
}

#[test]
fn a_range_selects_a_part_or_is_ignored_or_unsatisfiable() {
    let range = |text: &str| ask("GET", &format!("Range: {text}\r\n"));
    assert_eq!(range("bytes=0-0"), Answer::Part(0..1));
    assert_eq!(range("Bytes=10-19"), Answer::Part(10..20));
    assert_eq!(range("bytes=90-"), Answer::Part(90..100));
    assert_eq!(range("bytes=90-4000"), Answer::Part(90..100));
    assert_eq!(range("bytes=0-99999999999999999999999"), Answer::Part(0..100));
    assert_eq!(range("bytes=0-18446744073709551615"), Answer::Part(0..100));
    assert_eq!(range("bytes=-10"), Answer::Part(90..100));
    assert_eq!(range("bytes=-1000"), Answer::Part(0..100));
    assert_eq!(range("bytes=100-"), Answer::Unsatisfiable);
    assert_eq!(range("bytes=18446744073709551615-"), Answer::Unsatisfiable);
    assert_eq!(range("bytes=-0"), Answer::Unsatisfiable);
    for ignored in ["bytes=5-2", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes", ""]
    {
        assert_eq!(range(ignored), Answer::Whole, "{ignored:?}");
    }
    assert_eq!(ask("HEAD", "Range: bytes=0-0\r\n"), Answer::Whole);
    assert_eq!(part(b"bytes=0-", 0), Answer::Unsatisfiable, "an empty file has no part");
}

#[test]
fn if_range_applies_the_range_only_to_the_same_file() {
    let guarded = |guard: &str| ask("GET", &format!("Range: bytes=1-2\r\nIf-Range: {guard}\r\n"));
    assert_eq!(guarded(ETAG), Answer::Part(1..3));
    assert_eq!(guarded(DATE), Answer::Part(1..3));
    assert_eq!(guarded("\"other\""), Answer::Whole);
    assert_eq!(guarded(&format!("W/{ETAG}")), Answer::Whole, "a weak tag does not identify bytes");
    assert_eq!(guarded("Sun, 06 Nov 1994 08:49:38 GMT"), Answer::Whole);
    assert_eq!(guarded("nonsense"), Answer::Whole);
}

#[test]
fn conditions_select_the_answer() {
    let cases = [
        (format!("If-None-Match: {ETAG}"), Answer::NotModified),
        (format!("If-None-Match: \"x\", W/{ETAG}"), Answer::NotModified),
        ("If-None-Match: *".into(), Answer::NotModified),
        ("If-None-Match: \"x\"".into(), Answer::Whole),
        (format!("If-Modified-Since: {DATE}"), Answer::NotModified),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(), Answer::Whole),
        ("If-Modified-Since: nonsense".into(), Answer::Whole),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {DATE}"), Answer::Whole),
        (format!("If-Match: {ETAG}"), Answer::Whole),
        ("If-Match: *".into(), Answer::Whole),
        ("If-Match: \"x\"".into(), Answer::PreconditionFailed),
        (format!("If-Match: W/{ETAG}"), Answer::PreconditionFailed),
        (format!("If-Unmodified-Since: {DATE}"), Answer::Whole),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(), Answer::PreconditionFailed),
        (format!("Range: bytes=0-0\r\nIf-None-Match: {ETAG}"), Answer::NotModified),
    ];
    for (fields, expected) in cases {
        assert_eq!(ask("GET", &format!("{fields}\r\n")), expected, "{fields}");
    }
}

#[test]
fn times_that_http_cannot_express_have_no_date() {
    assert!(http_time(-1).is_none());
    assert!(http_time(i64::MAX).is_none());
    let last = http_time(253_402_300_799).unwrap();
    assert_eq!(httpdate::fmt_http_date(last), "Fri, 31 Dec 9999 23:59:59 GMT");
}
