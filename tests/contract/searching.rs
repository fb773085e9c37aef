//! Searching, showing, and copying from an offset.

use bytebuf::{Dump, Peek, Search, decode_hex};

use crate::subject::Subject;
use crate::{Case, beyond, cases, places};

pub(crate) fn cases<S: Subject>() -> Vec<Case<S>> {
    let mut cases = searching();
    cases.extend(showing());
    cases
}

/// Where `needle` begins, by the definition.
fn starts<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl DoubleEndedIterator<Item = usize> + 'a {
    (0..=bytes.len()).filter(move |&at| bytes[at..].starts_with(needle))
}

/// Parts of the content, long and short, and what is not in it.
fn needles(bytes: &[u8]) -> Vec<Vec<u8>> {
    let len = bytes.len();
    let mut needles = vec![vec![], b"\r\n\r\n".to_vec(), vec![0; 3], b"not in there".to_vec()];
    for (start, end) in [(0, len), (0, len / 2), (len / 2, len), (len / 3, len / 3 + 2)] {
        needles.push(bytes[start..end.min(len)].to_vec());
    }
    needles.push([bytes, b"?"].concat());
    needles
}

/// Bytes of the content and others.
fn some_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut some: Vec<u8> =
        places(bytes.len()).iter().filter_map(|&at| bytes.get(at)).copied().collect();
    some.extend([0, b'\n', 0x80, 255]);
    some
}

fn searching<S: Subject>() -> Vec<Case<S>> {
    fn find<S: Subject>(subject: S, bytes: &[u8]) {
        for needle in needles(bytes) {
            assert_eq!(subject.plain().find(&needle), starts(bytes, &needle).next());
        }
    }
    fn rfind<S: Subject>(subject: S, bytes: &[u8]) {
        for needle in needles(bytes) {
            assert_eq!(subject.plain().rfind(&needle), starts(bytes, &needle).next_back());
        }
    }
    fn find_byte<S: Subject>(subject: S, bytes: &[u8]) {
        for byte in some_bytes(bytes) {
            assert_eq!(subject.plain().find_byte(byte), bytes.iter().position(|&b| b == byte));
        }
    }
    fn rfind_byte<S: Subject>(subject: S, bytes: &[u8]) {
        for byte in some_bytes(bytes) {
            assert_eq!(subject.plain().rfind_byte(byte), bytes.iter().rposition(|&b| b == byte));
        }
    }
    fn find_any<S: Subject>(subject: S, bytes: &[u8]) {
        let set = some_bytes(bytes);
        for n in 0..set.len() {
            let expected = bytes.iter().position(|byte| set[n..].contains(byte));
            assert_eq!(subject.plain().find_any(&set[n..]), expected);
        }
    }
    fn rfind_any<S: Subject>(subject: S, bytes: &[u8]) {
        let set = some_bytes(bytes);
        for n in 0..set.len() {
            let expected = bytes.iter().rposition(|byte| set[n..].contains(byte));
            assert_eq!(subject.plain().rfind_any(&set[n..]), expected);
        }
    }
    fn find_by<S: Subject>(subject: S, bytes: &[u8]) {
        for byte in some_bytes(bytes) {
            let expected = bytes.iter().position(|&b| b > byte);
            assert_eq!(subject.plain().find_by(|b| b > byte), expected);
        }
    }
    fn rfind_by<S: Subject>(subject: S, bytes: &[u8]) {
        for byte in some_bytes(bytes) {
            let expected = bytes.iter().rposition(|&b| b < byte);
            assert_eq!(subject.plain().rfind_by(|b| b < byte), expected);
        }
    }
    fn find_by_asks_no_more_than_needed<S: Subject>(subject: S, bytes: &[u8]) {
        let mut asked = Vec::new();
        let found = subject.plain().find_by(|byte| {
            asked.push(byte);
            asked.len() == bytes.len() / 2 + 1
        });
        assert_eq!(asked, bytes[..bytes.len().min(bytes.len() / 2 + 1)]);
        assert_eq!(found, asked.len().checked_sub(1));
    }
    cases![
        find,
        rfind,
        find_byte,
        rfind_byte,
        find_any,
        rfind_any,
        find_by,
        rfind_by,
        find_by_asks_no_more_than_needed,
    ]
}

fn showing<S: Subject>() -> Vec<Case<S>> {
    fn to_hex<S: Subject>(subject: S, bytes: &[u8]) {
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(subject.plain().to_hex(), expected);
        assert_eq!(format!("{subject:x}"), expected);
        assert_eq!(format!("{subject:X}"), expected.to_uppercase());
    }
    fn hex_and_back<S: Subject>(subject: S, bytes: &[u8]) {
        assert_eq!(decode_hex(subject.plain().to_hex()).expect("digits"), bytes);
    }
    fn hex_dump<S: Subject>(subject: S, bytes: &[u8]) {
        let dump = subject.plain().hex_dump().to_string();
        assert_eq!(dump, bytes.hex_dump().to_string());
        let rows = dump.lines().filter(|line| line.starts_with("|0")).count();
        assert_eq!(rows, bytes.len().div_ceil(16));
    }
    fn debug_is_bounded<S: Subject>(subject: S, bytes: &[u8]) {
        let text = format!("{subject:?}");
        assert!(text.contains("b\""), "{text}");
        assert!(text.len() < 4 * 512 + 200 && (bytes.len() > 500 || text.len() >= bytes.len()));
    }
    fn peek_beyond<S: Subject>(subject: S, bytes: &[u8]) {
        for offset in beyond(bytes.len()) {
            assert_eq!(subject.plain().peek_u8(offset), None);
            assert_eq!(subject.plain().peek_array::<0>(offset), None);
            assert_eq!(subject.plain().peek_u64(offset), None);
        }
    }
    fn peek_slice<S: Subject>(subject: S, bytes: &[u8]) {
        for start in places(bytes.len()) {
            for len in
                places(bytes.len()).into_iter().chain(beyond(bytes.len()).into_iter().take(2))
            {
                let mut copy = vec![7; len];
                let result = subject.plain().peek_slice(start, &mut copy);
                match bytes.get(start..start + len) {
                    Some(there) => assert_eq!((result, &copy[..]), (Ok(()), there)),
                    None => {
                        let error = result.unwrap_err();
                        assert_eq!(
                            (error.offset, error.width, error.len),
                            (start, len, bytes.len())
                        );
                        assert_eq!(copy, vec![7; len]);
                    }
                }
            }
        }
    }
    fn peek_array<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            assert_eq!(subject.plain().peek_array(at), bytes[at..].first_chunk::<5>().copied());
            assert_eq!(subject.plain().peek_array(at), bytes[at..].first_chunk::<0>().copied());
        }
    }
    cases![to_hex, hex_and_back, hex_dump, debug_is_bounded, peek_beyond, peek_slice, peek_array]
}
