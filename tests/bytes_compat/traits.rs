//! Every trait that the types of `bytes` have.

use std::borrow::{Borrow, BorrowMut};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, LowerHex, UpperHex, Write};
use std::hash::Hash;
use std::ops::DerefMut;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};

use bytes::buf::IntoIter;
use bytes::{Buf, BufMut};

use super::{Bytes, BytesMut};
use crate::resource_baseline::ResourceBaseline;

trait Both<Other: ?Sized>: PartialEq<Other> + PartialOrd<Other> {}
impl<T: PartialOrd<Other> + ?Sized, Other: ?Sized> Both<Other> for T {}

fn what_both_have<T>()
where
    T: Both<[u8]> + Both<str> + Both<Vec<u8>> + Both<String>,
    T: for<'a> Both<&'a [u8]> + for<'a> Both<&'a str> + for<'a> Both<&'a T>,
    T: AsRef<[u8]> + Borrow<[u8]> + Buf + Clone + Debug + Default + Eq + Hash + LowerHex + Ord,
    T: FromIterator<u8> + Into<Vec<u8>> + IntoIterator<Item = u8, IntoIter = IntoIter<T>>,
    T: RefUnwindSafe + Send + Sync + Unpin + UnwindSafe + UpperHex + 'static,
    [u8]: Both<T>,
    str: Both<T>,
    Vec<u8>: Both<T>,
    String: Both<T>,
    for<'a> &'a [u8]: Both<T>,
    for<'a> &'a str: Both<T>,
    for<'a> &'a T: IntoIterator<Item = &'a u8, IntoIter = std::slice::Iter<'a, u8>>,
{
}

fn what_shared_ones_have<T>()
where
    T: From<&'static [u8]> + From<&'static str> + From<Vec<u8>> + From<Box<[u8]>> + From<String>,
    T: From<BytesMut> + PartialEq<BytesMut>,
{
}

fn what_unique_ones_have<T>()
where
    T: for<'a> From<&'a [u8]> + for<'a> From<&'a str> + From<Bytes> + PartialEq<Bytes>,
    T: AsMut<[u8]> + BorrowMut<[u8]> + BufMut + DerefMut<Target = [u8]> + Write,
    T: Extend<u8> + for<'a> Extend<&'a u8> + Extend<Bytes> + for<'a> FromIterator<&'a u8>,
{
}

#[test]
fn every_trait_is_there() {
    let _baseline = ResourceBaseline::take();
    what_both_have::<Bytes>();
    what_both_have::<BytesMut>();
    what_shared_ones_have::<Bytes>();
    what_unique_ones_have::<BytesMut>();
}

const EMPTY: Bytes = Bytes::new();
static GREETING: Bytes = Bytes::from_static(b"hello");

const fn measure(bytes: &Bytes) -> (usize, bool) {
    (bytes.len(), bytes.is_empty())
}

#[test]
fn constants_are_made_at_compile_time() {
    let _baseline = ResourceBaseline::take();
    assert_eq!((measure(&GREETING), measure(&EMPTY)), ((5, false), (0, true)));
}

#[test]
fn keys_are_found_by_slices() {
    let _baseline = ResourceBaseline::take();
    let map = HashMap::from([(Bytes::from("key"), 1), (Bytes::from("other"), 2)]);
    assert_eq!(map.get(&b"key"[..]), Some(&1));
    let map = BTreeMap::from([(BytesMut::from("key"), 1), (BytesMut::from("other"), 2)]);
    assert_eq!(map.get(&b"other"[..]), Some(&2));
}

#[test]
fn comparing_goes_by_content() {
    let _baseline = ResourceBaseline::take();
    let (bytes, mut buf) = (Bytes::from("abc"), BytesMut::from("abc"));
    assert_eq!(bytes, buf);
    assert_eq!(buf, bytes);
    assert!(bytes == b"abc"[..] && buf == "abc" && "abc" == bytes && b"abc"[..] == buf);
    buf[2] = b'd';
    assert!(bytes < *"abd" && bytes[..] < buf && buf > b"abc"[..] && *"abc" < buf);
    let (text, vec) = (String::from("abd"), vec![b'b']);
    assert!(text == buf && vec != buf && buf >= text && buf < vec);
}

#[test]
fn formats_are_those_of_byte_strings() {
    let _baseline = ResourceBaseline::take();
    let bytes = Bytes::from(&b"a\"\\\n\r\t\0\x1F\x7F\xFF"[..]);
    let shown = format!("{bytes:?} {bytes:x} {:X}", BytesMut::from(&bytes[..]));
    let hex = "61225c0a0d09001f7fff";
    assert_eq!(shown, format!(r#"b"a\"\\\n\r\t\0\x1f\x7f\xff" {hex} {}"#, hex.to_uppercase()));
}

#[test]
fn the_types_are_unwind_safe() {
    let _baseline = ResourceBaseline::take();
    let (bytes, buf) = (Bytes::from("abc"), BytesMut::from("abc"));
    assert!(catch_unwind(|| assert_eq!(bytes, buf)).is_ok());
}

#[test]
fn collections_are_read_and_written() {
    let _baseline = ResourceBaseline::take();
    let mut buf: BytesMut = [1, 2].iter().collect();
    buf.extend([3_u8]);
    buf.extend(&[4, 5]);
    buf.extend([Bytes::from_static(&[6]), Bytes::from(vec![7])]);
    write!(buf, "{}", 8).unwrap();
    let bytes: Bytes = buf.iter().copied().collect();
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, b'8'][..]);
    assert!(bytes.into_iter().eq(buf));
}
