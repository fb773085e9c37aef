//! Writing, on the kinds that can be written to; what others share must not show it.

use std::fmt::Write as _;
use std::io::Write as _;

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};
use bytes::{Buf, BufMut, Bytes};

use crate::{Case, beyond, cases, panics, places, spare_capacity};

pub(crate) fn buf_cases() -> Vec<Case<ByteBuf>> {
    let mut cases = appending();
    cases.extend(placing());
    cases.extend(spare_capacity::cases());
    cases
}

pub(crate) fn composite_cases() -> Vec<Case<CompositeByteBuf>> {
    fn overwritten(mut composite: CompositeByteBuf, bytes: &[u8]) {
        let before = composite.clone();
        for at in places(bytes.len()) {
            let len = (bytes.len() - at) / 2;
            composite.set_slice(at, &bytes[..len]).expect("within");
            let mut expected = bytes.to_vec();
            expected[at..at + len].copy_from_slice(&bytes[..len]);
            assert_eq!(composite, expected);
            composite.set_slice(0, bytes).expect("within");
        }
        assert_eq!(before, *bytes);
    }
    fn pushed(composite: CompositeByteBuf, bytes: &[u8]) {
        let (mut composite, mut expected) = (composite, bytes.to_vec());
        for len in 0..70 {
            let part = vec![len; usize::from(len)];
            expected.extend_from_slice(&part);
            composite.push_back(part);
        }
        assert_eq!(composite, expected);
    }
    cases![overwritten, pushed]
}

/// How a buffer grows at its end: what was there stays, what is put follows.
pub(crate) fn grows(mut buf: ByteBuf, bytes: &[u8], more: &[u8], put: impl FnOnce(&mut ByteBuf)) {
    put(&mut buf);
    assert_eq!(buf, [bytes, more].concat());
    assert_eq!(buf.freeze(), [bytes, more].concat());
}

fn appending() -> Vec<Case<ByteBuf>> {
    const SIZES: [usize; 6] = [0, 1, 63, 64, 300, 5000];

    fn extend_from_slice(buf: ByteBuf, bytes: &[u8]) {
        for len in SIZES {
            grows(buf.clone(), bytes, &vec![7; len], |buf| buf.extend_from_slice(&vec![7; len]));
        }
        grows(buf, bytes, b"in place", |buf| buf.extend_from_slice(b"in place"));
    }
    fn byte_by_byte(buf: ByteBuf, bytes: &[u8]) {
        let more: Vec<u8> = (0..=255).collect();
        grows(buf, bytes, &more, |buf| more.iter().for_each(|&byte| buf.put_u8(byte)));
    }
    fn put_bytes(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, &[9; 300], |buf| buf.put_bytes(9, 300));
    }
    fn put_buf(buf: ByteBuf, bytes: &[u8]) {
        let parts: CompositeByteBuf = (0..50).map(|i| vec![i; 3]).collect();
        grows(buf, bytes, &parts.to_vec(), |buf| buf.put(parts.clone()));
    }
    fn put_itself(buf: ByteBuf, bytes: &[u8]) {
        let same = buf.clone();
        grows(buf, bytes, bytes, |buf| buf.put(same));
    }
    fn extend_by_bytes(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, b"abcab", |buf| {
            buf.extend(b"abc");
            buf.extend(b"ab".to_vec());
        });
    }
    fn extend_by_views(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, b"abcd", |buf| {
            buf.extend([ByteView::from("a"), ByteView::new(), ByteView::from("bc")]);
            buf.extend([Bytes::from_static(b"d")]);
        });
    }
    fn extend_from_within(buf: ByteBuf, bytes: &[u8]) {
        for at in places(bytes.len()) {
            grows(buf.clone(), bytes, &bytes[at..], |buf| buf.extend_from_within(at..));
        }
    }
    fn extend_from_within_beyond(mut buf: ByteBuf, bytes: &[u8]) {
        for end in beyond(bytes.len()) {
            assert!(panics(|| buf.extend_from_within(..end)));
            assert!(panics(|| buf.extend_from_within(end..)));
        }
        assert_eq!(buf, bytes);
    }
    fn write_str(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, format!("{}-seven", bytes.len()).as_bytes(), |buf| {
            write!(buf, "{}-seven", bytes.len()).expect("space");
        });
    }
    fn writer(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, b"written", |buf| buf.writer().write_all(b"written").expect("space"));
    }
    fn resize(buf: ByteBuf, bytes: &[u8]) {
        for len in places(bytes.len()) {
            let mut buf = buf.clone();
            buf.resize(len, 3);
            assert_eq!(buf, bytes[..len]);
            buf.resize(len + 500, 3);
            assert_eq!(buf, [&bytes[..len], &[3; 500]].concat());
        }
    }
    fn writable(mut buf: ByteBuf, bytes: &[u8]) {
        buf.reserve(20);
        let space = buf.writable();
        assert!(space.len() >= 20);
        space[..20].fill(b'x');
        buf.commit(15);
        assert_eq!(buf, [bytes, &[b'x'; 15]].concat());
        buf.commit(5);
        assert_eq!(buf, [bytes, &[b'x'; 20]].concat());
    }
    fn commit_exposes_no_old_bytes(mut buf: ByteBuf, bytes: &[u8]) {
        buf.reserve(500);
        buf.commit(500);
        assert!(buf.starts_with(bytes));
        assert!(!buf[bytes.len()..].contains(&0xEE), "what stands beside shows");
    }
    fn commit_beyond(mut buf: ByteBuf, bytes: &[u8]) {
        for n in beyond(buf.capacity() - buf.len()) {
            assert!(panics(|| buf.commit(n)));
        }
        assert_eq!(buf, bytes);
    }
    fn read_into_spare(mut buf: ByteBuf, bytes: &[u8]) {
        buf.reserve(9);
        let filled =
            buf.read_into_spare(|space| Ok::<_, ()>(space[..9].write_copy_of_slice(b"by kernel")));
        assert_eq!(filled, Ok(9));
        assert_eq!(buf.read_into_spare(|_| Err("no")), Err("no"));
        assert_eq!(buf, [bytes, b"by kernel"].concat());
    }
    fn read_into_spare_lies(mut buf: ByteBuf, bytes: &[u8]) {
        buf.reserve(9);
        let lie = || Box::leak(vec![1; 3].into_boxed_slice());
        assert!(panics(|| _ = buf.read_into_spare(|_| Ok::<_, ()>(lie()))));
        let inner = panics(|| {
            _ = buf.read_into_spare(|space| {
                Ok::<_, ()>(&mut space[..3].write_copy_of_slice(b"abc")[1..])
            });
        });
        assert!(inner);
        assert_eq!(buf, bytes);
    }
    fn read_from(mut buf: ByteBuf, bytes: &[u8]) {
        let mut source = &b"from a reader"[..];
        while buf.read_from(&mut source).expect("never fails") > 0 {}
        assert_eq!(buf, [bytes, b"from a reader"].concat());
    }
    fn reserve(mut buf: ByteBuf, bytes: &[u8]) {
        for n in SIZES {
            buf.reserve(n);
            assert!(buf.capacity() - buf.len() >= n);
            assert_eq!(buf, bytes);
        }
    }
    fn reserve_beyond(mut buf: ByteBuf, bytes: &[u8]) {
        for n in [usize::MAX, usize::MAX - 1, usize::MAX / 2, isize::MAX as usize] {
            let error = buf.try_reserve(n).unwrap_err();
            assert_eq!(error.additional(), n);
            assert!(panics(|| buf.reserve(n)));
            assert!(!buf.try_reclaim(n));
        }
        assert_eq!(buf, bytes);
    }
    fn maximum(mut buf: ByteBuf, bytes: &[u8]) {
        // Otherwise the space of consumed bytes would count too.
        buf.discard_read();
        buf.set_max_capacity(buf.writer_index() + 3).expect("above what is there");
        buf.put_slice(b"abc");
        assert!(buf.try_reserve(1).is_err());
        assert!(panics(|| buf.put_u8(b'd')));
        assert_eq!(buf.remaining_mut(), 0);
        assert_eq!(buf, [bytes, b"abc"].concat());
    }
    cases![
        extend_from_slice,
        byte_by_byte,
        put_bytes,
        put_buf,
        put_itself,
        extend_by_bytes,
        extend_by_views,
        extend_from_within,
        extend_from_within_beyond,
        write_str,
        writer,
        resize,
        writable,
        commit_exposes_no_old_bytes,
        commit_beyond,
        read_into_spare,
        read_into_spare_lies,
        read_from,
        reserve,
        reserve_beyond,
        maximum,
    ]
}

fn placing() -> Vec<Case<ByteBuf>> {
    fn prepend(buf: ByteBuf, bytes: &[u8]) {
        for len in [0, 1, 9, 100, 101, 5000] {
            let mut buf = buf.clone();
            buf.prepend(&vec![b'h'; len]);
            assert_eq!(buf, [&vec![b'h'; len], bytes].concat());
        }
        let mut buf = buf;
        buf.prepend(b"in place");
        assert_eq!(buf, [b"in place", bytes].concat());
    }
    fn overwrite(mut buf: ByteBuf, bytes: &[u8]) {
        let copy = buf.clone();
        buf.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        let expected: Vec<u8> = bytes.iter().map(|byte| byte.wrapping_add(1)).collect();
        assert_eq!((buf, copy), (expected.as_slice().into(), bytes.into()));
    }
    fn set_bytes(mut buf: ByteBuf, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let n = (bytes.len() - at) / 2;
            buf.set_bytes(at, b'-', n).expect("within");
            let mut expected = bytes.to_vec();
            expected[at..at + n].fill(b'-');
            assert_eq!(buf, expected);
            buf.copy_from_slice(bytes);
        }
        for at in beyond(bytes.len()) {
            assert!(buf.set_bytes(at, 1, 0).is_err());
            assert!(buf.set_bytes(0, 1, at).is_err());
            assert!(buf.set_bytes(at, 1, at).is_err());
        }
        assert_eq!(buf, bytes);
    }
    fn rewind(mut buf: ByteBuf, bytes: &[u8]) {
        let start = buf.reader_index();
        for n in places(bytes.len()) {
            buf.advance(n);
            assert_eq!(buf.reader_index(), start + n);
            buf.set_reader_index(start).expect("where it was");
            assert_eq!(buf, bytes);
        }
    }
    fn writer_index(mut buf: ByteBuf, bytes: &[u8]) {
        let start = buf.reader_index();
        assert_eq!(buf.writer_index(), start + bytes.len());
        for n in places(bytes.len()) {
            buf.set_writer_index(start + n).expect("within");
            assert_eq!(buf, bytes[..n]);
            buf.set_writer_index(start + bytes.len()).expect("within");
            assert_eq!(buf, bytes);
        }
    }
    fn indexes_beyond(mut buf: ByteBuf, bytes: &[u8]) {
        let (reader, writer) = (buf.reader_index(), buf.writer_index());
        for index in beyond(writer) {
            let error = buf.set_reader_index(index).unwrap_err();
            assert_eq!((error.index(), error.bounds()), (index, 0..=writer));
        }
        for index in beyond(reader + buf.capacity()) {
            assert!(buf.set_writer_index(index).is_err());
        }
        if let Some(below) = reader.checked_sub(1) {
            assert!(buf.set_writer_index(below).is_err());
        }
        assert_eq!(buf, bytes);
    }
    fn discard_read(mut buf: ByteBuf, bytes: &[u8]) {
        let n = bytes.len() / 2;
        buf.advance(n);
        let capacity = buf.capacity();
        buf.discard_read();
        assert_eq!((buf.reader_index(), &buf[..]), (0, &bytes[n..]));
        assert!(buf.capacity() >= capacity + n);
    }
    fn split_and_write_both(mut buf: ByteBuf, bytes: &[u8]) {
        let at = bytes.len() / 2;
        let mut front = buf.split_to(at);
        front.extend_from_slice(b"more");
        buf.prepend(b"head");
        buf.extend_from_slice(b"tail");
        assert_eq!(front, [&bytes[..at], b"more"].concat());
        assert_eq!(buf, [b"head", &bytes[at..], b"tail"].concat());
    }
    fn split_within_the_spare_capacity(mut buf: ByteBuf, bytes: &[u8]) {
        buf.reserve(100);
        let at = bytes.len() + 50;
        let mut space = buf.split_off(at);
        assert_eq!((buf.capacity(), space.len()), (at, 0));
        space.extend_from_slice(b"behind");
        buf.resize(at, b'.');
        assert_eq!(space, "behind");
        buf.unsplit(space);
        assert_eq!(buf, [bytes, &[b'.'; 50], b"behind"].concat());
    }
    fn unsplit(buf: ByteBuf, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let mut front = buf.clone();
            let back = front.split_off(at);
            front.unsplit(back);
            assert_eq!(front, bytes);
            front.unsplit(ByteBuf::from(&b"other"[..]));
            assert_eq!(front, [bytes, b"other"].concat());
        }
    }
    fn frozen_front(mut buf: ByteBuf, bytes: &[u8]) {
        let front = buf.split_to(bytes.len() / 2).freeze();
        buf.iter_mut().for_each(|byte| *byte = !*byte);
        buf.extend_from_slice(&[1; 300]);
        assert_eq!(front, bytes[..bytes.len() / 2]);
    }
    fn used_again(mut buf: ByteBuf, bytes: &[u8]) {
        for round in 0..20 {
            let all = buf.len();
            buf.advance(all);
            buf.extend_from_slice(&[round; 40]);
            assert_eq!(buf, [round; 40][..]);
        }
        buf.clear();
        buf.extend_from_slice(bytes);
        assert_eq!(buf, bytes);
    }
    fn taken_and_replaced(mut buf: ByteBuf, bytes: &[u8]) {
        let taken = std::mem::take(&mut buf);
        assert_eq!((taken, buf), (bytes.into(), ByteBuf::new()));
    }
    cases![
        prepend,
        overwrite,
        set_bytes,
        rewind,
        writer_index,
        indexes_beyond,
        discard_read,
        split_and_write_both,
        split_within_the_spare_capacity,
        unsplit,
        frozen_front,
        used_again,
        taken_and_replaced,
    ]
}
