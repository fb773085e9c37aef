//! Cutting, and reading with a cursor.

use std::io::{self, BufRead, IoSlice, Read};
use std::thread;

use bytes::Buf;

use crate::subject::Subject;
use crate::{Case, beyond, cases, panics, places};

pub(crate) fn cases<S: Subject>() -> Vec<Case<S>> {
    let mut cases = cutting();
    cases.extend(moving());
    cases
}

/// All bytes, by the shortest way.
fn all(subject: &impl Subject) -> Vec<u8> {
    subject.clone().into()
}

fn cutting<S: Subject>() -> Vec<Case<S>> {
    fn length<S: Subject>(subject: S, bytes: &[u8]) {
        assert_eq!(subject.length(), bytes.len());
        assert_eq!(subject.remaining(), bytes.len());
        assert_eq!(subject.nothing_there(), bytes.is_empty());
        assert_eq!(subject.has_remaining(), !bytes.is_empty());
    }
    fn slice<S: Subject>(subject: S, bytes: &[u8]) {
        for start in places(bytes.len()) {
            for end in places(bytes.len()) {
                if start <= end {
                    assert_eq!(subject.part(start..end), bytes[start..end]);
                }
            }
        }
        assert_eq!(subject, *bytes);
    }
    fn slice_of_a_slice<S: Subject>(subject: S, bytes: &[u8]) {
        for start in places(bytes.len()) {
            let part = subject.part(start..bytes.len());
            let end = (bytes.len() - start) / 2;
            assert_eq!(part.part(end / 2..end), bytes[start..][end / 2..end]);
        }
    }
    fn slice_beyond<S: Subject>(subject: S, bytes: &[u8]) {
        for end in beyond(bytes.len()) {
            assert!(panics(|| _ = subject.part(0..end)));
            assert!(panics(|| _ = subject.part(end..end)));
            assert!(panics(|| _ = subject.part(end..bytes.len())));
        }
        assert_eq!(subject, *bytes);
    }
    fn split_to<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let mut back = subject.clone();
            let front = back.front(at);
            assert_eq!((all(&front), all(&back)), (bytes[..at].to_vec(), bytes[at..].to_vec()));
        }
    }
    fn split_off<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let mut front = subject.clone();
            let back = front.back(at);
            assert_eq!((all(&front), all(&back)), (bytes[..at].to_vec(), bytes[at..].to_vec()));
        }
    }
    fn split_in_place<S: Subject>(mut subject: S, bytes: &[u8]) {
        let at = bytes.len() / 2;
        let mut front = subject.front(at);
        assert_eq!(front, bytes[..at]);
        assert_eq!(subject, bytes[at..]);
        let second = front.back(at / 2);
        drop(front);
        assert_eq!(second, bytes[at / 2..at]);
        drop(subject);
        assert_eq!(second, bytes[at / 2..at]);
    }
    fn split_beyond<S: Subject>(mut subject: S, bytes: &[u8]) {
        for at in beyond(bytes.len()) {
            assert!(panics(|| _ = subject.front(at)));
            assert_eq!(subject, *bytes);
        }
        assert!(panics(|| _ = subject.back(usize::MAX)));
        assert_eq!(subject, *bytes);
    }
    fn byte_by_byte<S: Subject>(mut subject: S, bytes: &[u8]) {
        let taken = std::iter::from_fn(|| subject.has_remaining().then(|| all(&subject.front(1))));
        assert_eq!(taken.flatten().collect::<Vec<_>>(), bytes);
    }
    fn truncate<S: Subject>(subject: S, bytes: &[u8]) {
        for len in places(bytes.len()) {
            let mut short = subject.clone();
            short.shorten(len);
            assert_eq!(short, bytes[..len]);
        }
    }
    fn truncate_beyond<S: Subject>(mut subject: S, bytes: &[u8]) {
        for len in beyond(bytes.len()) {
            subject.shorten(len);
            assert_eq!(subject, *bytes);
        }
    }
    fn clear<S: Subject>(mut subject: S, bytes: &[u8]) {
        let clone = subject.clone();
        subject.empty();
        assert_eq!(subject, S::default());
        assert_eq!(clone, *bytes);
    }
    fn clones<S: Subject>(subject: S, bytes: &[u8]) {
        let mut clones = vec![subject.clone(); 20];
        drop(subject);
        while let Some(mut clone) = clones.pop() {
            assert_eq!(clone, *bytes);
            clone.advance(bytes.len() / 2);
        }
    }
    fn other_threads<S: Subject>(subject: S, bytes: &[u8]) {
        let clone = subject.clone();
        let there = bytes.to_vec();
        let thread = thread::spawn(move || assert_eq!(clone, there));
        drop(subject);
        thread.join().expect("equal there too");
    }
    cases![
        length,
        slice,
        slice_of_a_slice,
        slice_beyond,
        split_to,
        split_off,
        split_in_place,
        split_beyond,
        byte_by_byte,
        truncate,
        truncate_beyond,
        clear,
        clones,
        other_threads,
    ]
}

fn moving<S: Subject>() -> Vec<Case<S>> {
    fn advance<S: Subject>(subject: S, bytes: &[u8]) {
        for n in places(bytes.len()) {
            let mut rest = subject.clone();
            rest.advance(n);
            assert_eq!(rest, bytes[n..]);
        }
    }
    fn advance_beyond<S: Subject>(mut subject: S, bytes: &[u8]) {
        for n in beyond(bytes.len()) {
            assert!(panics(|| subject.advance(n)));
            assert_eq!(subject, *bytes);
        }
    }
    fn chunk<S: Subject>(mut subject: S, bytes: &[u8]) {
        let mut seen = Vec::new();
        while subject.has_remaining() {
            let chunk = subject.chunk();
            assert!(!chunk.is_empty());
            seen.extend_from_slice(chunk);
            subject.advance(chunk.len());
        }
        assert_eq!(seen, bytes);
        assert!(subject.chunk().is_empty());
    }
    fn chunks_vectored<S: Subject>(subject: S, bytes: &[u8]) {
        for most in [0, 1, 2, 3, 64] {
            let mut slices = vec![IoSlice::new(&[]); most];
            let filled = subject.chunks_vectored(&mut slices);
            let seen: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            assert!(bytes.starts_with(&seen));
            assert!(most == 0 || bytes.is_empty() || !seen.is_empty());
        }
    }
    fn copy_to_slice<S: Subject>(subject: S, bytes: &[u8]) {
        for n in places(bytes.len()) {
            let (mut rest, mut copy) = (subject.clone(), vec![0; n]);
            rest.copy_to_slice(&mut copy);
            assert_eq!((&copy[..], all(&rest)), (&bytes[..n], bytes[n..].to_vec()));
        }
    }
    fn copy_to_slice_beyond<S: Subject>(mut subject: S, bytes: &[u8]) {
        let mut space = vec![7; bytes.len() + 1];
        assert!(panics(|| subject.copy_to_slice(&mut space)));
        let error = subject.try_copy_to_slice(&mut space).unwrap_err();
        assert_eq!((error.requested, error.available), (bytes.len() + 1, bytes.len()));
        assert_eq!(subject, *bytes);
    }
    fn copy_to_bytes<S: Subject>(subject: S, bytes: &[u8]) {
        for n in places(bytes.len()) {
            let mut rest = subject.clone();
            assert_eq!(rest.copy_to_bytes(n), bytes[..n]);
            assert_eq!(rest, bytes[n..]);
        }
    }
    fn copy_to_bytes_beyond<S: Subject>(mut subject: S, bytes: &[u8]) {
        for n in beyond(bytes.len()) {
            assert!(panics(|| _ = subject.copy_to_bytes(n)));
            assert_eq!(subject, *bytes);
        }
    }
    fn take<S: Subject>(subject: S, bytes: &[u8]) {
        for n in places(bytes.len()) {
            let mut part = subject.clone().take(n);
            assert_eq!(part.copy_to_bytes(n), bytes[..n]);
            assert_eq!(part.into_inner(), bytes[n..]);
        }
    }
    fn chain<S: Subject>(subject: S, bytes: &[u8]) {
        let len = 2 * bytes.len();
        let mut both = subject.clone().chain(subject);
        assert_eq!(both.copy_to_bytes(len), bytes.repeat(2));
    }
    fn iterate<S: Subject>(subject: S, bytes: &[u8]) {
        let mut seen = Vec::new();
        let mut reader = Buf::reader(subject);
        reader.read_to_end(&mut seen).expect("never fails");
        assert_eq!(seen, bytes);
    }
    fn read_in_pieces<S: Subject>(subject: S, bytes: &[u8]) {
        let (mut reader, mut seen, mut size) = (Buf::reader(subject), Vec::new(), 1);
        loop {
            let mut space = vec![0; size];
            let n = reader.read(&mut space).expect("never fails");
            if n == 0 {
                break;
            }
            seen.extend_from_slice(&space[..n]);
            size = size % 60 + 1;
        }
        assert_eq!(seen, bytes);
    }
    fn read_into_nothing<S: Subject>(subject: S, bytes: &[u8]) {
        let mut reader = Buf::reader(subject);
        assert_eq!(reader.read(&mut []).expect("never fails"), 0);
        assert_eq!(reader.into_inner(), *bytes);
    }
    fn read_until<S: Subject>(subject: S, bytes: &[u8]) {
        let mut reader = Buf::reader(subject);
        for expected in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).expect("never fails");
            assert_eq!(line, expected);
        }
        assert!(reader.fill_buf().expect("never fails").is_empty());
    }
    fn io_copy<S: Subject>(subject: S, bytes: &[u8]) {
        let mut copy = Vec::new();
        let n = io::copy(&mut Buf::reader(subject), &mut copy).expect("never fails");
        assert_eq!((n, &copy[..]), (bytes.len() as u64, bytes));
    }
    cases![
        advance,
        advance_beyond,
        chunk,
        chunks_vectored,
        copy_to_slice,
        copy_to_slice_beyond,
        copy_to_bytes,
        copy_to_bytes_beyond,
        take,
        chain,
        iterate,
        read_in_pieces,
        read_into_nothing,
        read_until,
        io_copy,
    ]
}
