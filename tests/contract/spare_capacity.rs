//! Spare capacity: reserved, refused, reclaimed, limited; and where bytes are when it changes.

use std::borrow::BorrowMut;

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};
use bytes::{Buf, BufMut, Bytes};

use crate::writing::grows;
use crate::{Case, cases, places};

pub(crate) fn cases() -> Vec<Case<ByteBuf>> {
    fn reserved_space_is_used_in_place(mut buf: ByteBuf, bytes: &[u8]) {
        buf.reserve(700);
        let at = buf.as_ptr();
        buf.extend_from_slice(&[7; 700]);
        assert_eq!(buf.as_ptr(), at);
        assert_eq!(buf, [bytes, &[7; 700]].concat());
    }
    fn reclaimed(mut buf: ByteBuf, bytes: &[u8]) {
        for n in [0, 1, 100, 1 << 20] {
            if buf.try_reclaim(n) {
                assert!(buf.capacity() - buf.len() >= n);
            }
            assert_eq!(buf, bytes);
        }
        assert!(!buf.try_reclaim(usize::MAX));
    }
    fn headroom_takes_what_is_prepended(buf: ByteBuf, bytes: &[u8]) {
        let mut buf = buf;
        let space = buf.headroom();
        let end = buf.as_ptr_range().end;
        buf.prepend(&vec![b'h'; space]);
        assert_eq!(buf.as_ptr_range().end, end, "moved, though there was headroom");
        assert_eq!(buf, [&vec![b'h'; space], bytes].concat());
    }
    fn full_at_its_maximum(mut buf: ByteBuf, bytes: &[u8]) {
        // Otherwise the space of consumed bytes would count too.
        buf.discard_read();
        buf.set_max_capacity(buf.writer_index() + 3).expect("above what is there");
        assert!(buf.try_reserve(4).is_err());
        assert!(buf.remaining_mut() <= 3);
        buf.extend_from_slice(b"abc");
        assert!(buf.try_reserve(1).is_err());
        assert_eq!(buf, [bytes, b"abc"].concat());
    }
    fn written_through_a_limit(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, b"abcde", |buf| {
            let mut five = buf.limit(5);
            five.put_slice(b"abc");
            assert_eq!(five.remaining_mut(), 2);
            five.put_slice(b"de");
        });
    }
    fn part_of_a_source(buf: ByteBuf, bytes: &[u8]) {
        let mut source = CompositeByteBuf::from_iter(["abc", "def"]);
        grows(buf, bytes, b"abcd", |buf| buf.put((&mut source).take(4)));
        assert_eq!(source, "ef");
    }
    fn collected(buf: ByteBuf, bytes: &[u8]) {
        assert_eq!(buf.iter().collect::<ByteBuf>(), bytes);
        assert_eq!(buf.into_iter().collect::<ByteBuf>(), bytes);
    }
    fn extended_by_shared_bytes(buf: ByteBuf, bytes: &[u8]) {
        grows(buf, bytes, b"abcabc", |buf| {
            buf.extend([Bytes::from_static(b"ab"), Bytes::from_static(b"c")]);
            buf.extend([ByteView::from_static(b"abc")]);
        });
    }
    fn borrowed_to_write(mut buf: ByteBuf, bytes: &[u8]) {
        let there: &mut [u8] = buf.borrow_mut();
        there.reverse();
        buf.as_mut().reverse();
        assert_eq!(buf, bytes);
        buf.reverse();
        assert_eq!(buf, bytes.iter().rev().copied().collect::<Vec<u8>>());
    }
    fn copied_within(mut buf: ByteBuf, bytes: &[u8]) {
        let (copy, mut expected) = (buf.clone().freeze(), bytes.to_vec());
        for at in places(bytes.len()) {
            let len = (bytes.len() - at) / 2;
            buf.copy_within(at..at + len, at / 2);
            expected.copy_within(at..at + len, at / 2);
            assert_eq!(buf, expected);
        }
        assert_eq!(copy, bytes);
    }
    fn frozen_in_place(buf: ByteBuf, bytes: &[u8]) {
        let at = buf.as_ptr();
        let view = buf.freeze();
        let (front, back) = (view.slice(..bytes.len() / 2), view.slice(bytes.len() / 2..));
        if !bytes.is_empty() {
            assert_eq!(view.as_ptr(), at);
            assert_eq!(back.as_ptr_range().end, view.as_ptr_range().end);
        }
        assert_eq!([front, back].concat(), bytes);
    }
    fn rewound_after_growing(mut buf: ByteBuf, bytes: &[u8]) {
        let (start, n) = (buf.reader_index(), bytes.len() / 2);
        buf.reserve(100);
        let start = start.min(buf.reader_index());
        buf.advance(n);
        buf.extend_from_slice(&[3; 100]);
        assert_eq!(buf, [&bytes[n..], &[3; 100]].concat());
        buf.set_reader_index(start).expect("nothing was given up, as there was space");
        assert!(buf.ends_with(&[bytes, &[3; 100]].concat()));
    }
    fn other_blocks_are_not_joined(mut buf: ByteBuf, bytes: &[u8]) {
        let other = ByteBuf::from(&b"of another block"[..]);
        match buf.try_unsplit(other) {
            Ok(()) => assert_eq!(buf, [bytes, b"of another block"].concat()),
            Err(back) => {
                assert_eq!(back, "of another block");
                assert_eq!(buf, bytes);
            }
        }
    }
    fn halves_are_joined_where_they_lay(buf: ByteBuf, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let mut front = buf.clone();
            let from = front.as_ptr();
            let back = front.split_off(at);
            front.try_unsplit(back).expect("they lie side by side");
            assert_eq!(front, bytes);
            assert!(bytes.is_empty() || front.as_ptr() == from);
        }
    }
    fn shrunk_and_grown(mut buf: ByteBuf, bytes: &[u8]) {
        for len in places(bytes.len()) {
            buf.resize(len, 1);
            buf.resize(bytes.len(), 2);
            let expected = [&bytes[..len], &vec![2; bytes.len() - len]].concat();
            assert_eq!(buf, expected);
            buf.copy_from_slice(bytes);
        }
    }
    cases![
        reserved_space_is_used_in_place,
        reclaimed,
        headroom_takes_what_is_prepended,
        full_at_its_maximum,
        written_through_a_limit,
        part_of_a_source,
        collected,
        extended_by_shared_bytes,
        borrowed_to_write,
        copied_within,
        frozen_in_place,
        rewound_after_growing,
        other_blocks_are_not_joined,
        halves_are_joined_where_they_lay,
        shrunk_and_grown,
    ]
}
