//! Messages of prost.

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};
use bytes::Bytes;
use prost::Message;

use crate::resource_baseline::ResourceBaseline;

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "bytes", tag = "3")]
    payload: Bytes,
    #[prost(sint64, repeated, tag = "4")]
    offsets: Vec<i64>,
    #[prost(double, tag = "5")]
    weight: f64,
}

fn record() -> Record {
    Record {
        id: u64::MAX,
        name: "naïve".to_owned(),
        payload: Bytes::from_static(b"a payload of some length"),
        offsets: vec![0, -1, i64::MIN, i64::MAX],
        weight: -0.5,
    }
}

/// The bytes as a composite that is cut at `at`.
fn cut(bytes: &ByteView, at: usize) -> CompositeByteBuf {
    CompositeByteBuf::from_iter([bytes.slice(..at), bytes.slice(at..)])
}

#[test]
fn a_message_is_encoded_into_a_buffer_that_grows() {
    let _baseline = ResourceBaseline::take();
    let mut buf = ByteBuf::new();
    record().encode(&mut buf).unwrap();
    assert_eq!(buf, record().encode_to_vec());
    record().encode_length_delimited(&mut buf).unwrap();
    assert_eq!(buf.split_off(record().encoded_len()), record().encode_length_delimited_to_vec());
}

#[test]
fn a_maximum_is_an_error_of_the_encoder() {
    let _baseline = ResourceBaseline::take();
    let mut buf = ByteBuf::new();
    buf.set_max_capacity(record().encoded_len() - 1).unwrap();
    let error = record().encode(&mut buf).unwrap_err();
    assert_eq!(error.required_capacity(), record().encoded_len());
    assert!(buf.is_empty());
}

#[test]
fn a_message_is_decoded_wherever_it_is_cut() {
    let _baseline = ResourceBaseline::take();
    let bytes = ByteView::from(record().encode_length_delimited_to_vec());
    for at in 0..=bytes.len() {
        let mut parts = cut(&bytes, at);
        assert_eq!(Record::decode_length_delimited(&mut parts).unwrap(), record());
        assert!(parts.is_empty());
    }
    let mut single = CompositeByteBuf::new();
    for at in 0..bytes.len() {
        single.insert(at, bytes.slice(at..=at));
    }
    assert_eq!(single.components().len(), bytes.len());
    assert_eq!(Record::decode_length_delimited(single).unwrap(), record());
}

#[test]
fn what_is_cut_off_or_flipped_is_judged_as_in_a_slice() {
    let _baseline = ResourceBaseline::take();
    let bytes = record().encode_to_vec();
    for at in 0..bytes.len() {
        let end = ByteView::copy_from_slice(&bytes[..at]);
        assert_eq!(Record::decode(cut(&end, at / 2)), Record::decode(&bytes[..at]));
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x80;
        let answer = Record::decode(&flipped[..]);
        assert_eq!(Record::decode(cut(&flipped.into(), at)), answer);
    }
}

#[test]
fn a_payload_in_one_component_is_not_copied() {
    let _baseline = ResourceBaseline::take();
    let bytes = ByteView::from(record().encode_to_vec());
    let within = bytes.as_ptr_range();
    for source in [CompositeByteBuf::from(bytes.clone()), cut(&bytes, 5)] {
        let payload = Record::decode(source).unwrap().payload;
        assert!(within.contains(&payload.as_ptr()));
    }
    let payload = Record::decode(bytes.clone()).unwrap().payload;
    assert!(within.contains(&payload.as_ptr()));
    assert!(!bytes.is_unique());
    drop(payload);
    assert!(bytes.is_unique());
}
