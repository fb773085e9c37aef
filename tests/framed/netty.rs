//! Codecs beside models of Netty's frame decoders.

use std::io;

use bytebuf::ByteBuf;
use bytebuf::codec::{
    Decoder, DelimiterCodec, FrameTooLong, FramedRead, LengthDelimitedCodec, TooLong,
};
use proptest::prelude::*;

use crate::resource_baseline::ResourceBaseline;
use crate::{Cut, run, source};

/// Frames, or that one was too long.
type Frames = Vec<Option<Vec<u8>>>;

/// Decodes bytes as they come, one at a time, and then the end.
fn one_by_one(
    bytes: &[u8],
    mut decoder: impl Decoder<Item = ByteBuf, Error = io::Error>,
) -> Frames {
    let (mut src, mut found) = (ByteBuf::new(), Frames::new());
    for end in 1..=bytes.len() + 1 {
        src.extend_from_slice(bytes.get(end - 1..end).unwrap_or_default());
        loop {
            let next = if end > bytes.len() {
                decoder.decode_eof(&mut src)
            } else {
                decoder.decode(&mut src)
            };
            match next {
                Ok(Some(frame)) => found.push(Some(frame.to_vec())),
                Ok(None) => break,
                Err(error) if error.to_string() == "bytes remaining on stream" => break,
                Err(error) => {
                    _ = source::<FrameTooLong>(&error);
                    found.push(None);
                }
            }
        }
    }
    found
}

/// The frames of Netty's `LengthFieldBasedFrameDecoder` with its five parameters, of one byte of length.
fn netty_lengths(mut bytes: &[u8], [max, offset, adjustment, strip]: [usize; 4]) -> Frames {
    let mut found = Frames::new();
    while bytes.len() > offset {
        let length = offset + 1 + usize::from(bytes[offset]) + adjustment;
        if length > max {
            found.push(None);
        } else if length <= bytes.len() {
            found.push(Some(bytes[strip..length].to_vec()));
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    found
}

/// The frames of Netty's `DelimiterBasedFrameDecoder`, when the bytes come one at a time.
fn netty_delimited(bytes: &[u8], delimiters: &[&[u8]], max: usize, keeps: bool) -> Frames {
    let (mut found, mut start) = (Frames::new(), 0);
    for end in 1..=bytes.len() {
        let frame = &bytes[start..end];
        let ends = delimiters.iter().filter(|delimiter| frame.ends_with(delimiter));
        if let Some(longest) = ends.map(|delimiter| delimiter.len()).max() {
            let length = frame.len() - longest;
            let shown = if keeps { frame.len() } else { length };
            found.push((length <= max).then(|| frame[..shown].to_vec()));
            start = end;
        }
    }
    let last = &bytes[start..];
    if !last.is_empty() {
        found.push((last.len() <= max).then(|| last.to_vec()));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn five_parameters_and_both_reports_give_the_frames_of_netty(
        bytes in prop::collection::vec(0_u8..12, 0..60),
        max in 4_usize..16,
        offset in 0_usize..3,
        adjustment in 0_usize..3,
        strip in 0_usize..4,
        cuts in prop::collection::vec(1_usize..20, 1..4),
    ) {
        let _baseline = ResourceBaseline::take();
        // Stripping more than there is of a frame is an error of its own in Netty.
        let strip = strip.min(offset + 1 + adjustment);
        let expected = netty_lengths(&bytes, [max, offset, adjustment, strip]);
        let mut builder = LengthDelimitedCodec::builder();
        builder.length_field_offset(offset).length_field_length(1).num_skip(strip);
        builder.length_adjustment((adjustment + offset + 1) as isize - strip as isize);
        builder.max_frame_length(max - strip.min(max));
        for report in [TooLong::ErrorThenSkip, TooLong::SkipThenError] {
            let codec = builder.skip_too_long(report).new_codec();
            prop_assert_eq!(&one_by_one(&bytes, codec.clone()), &expected, "{:?}", report);
            let mut stream = FramedRead::new(Cut { bytes: &bytes, cuts: cuts.clone(), reads: 0 }, codec);
            let frames = expected.iter().flatten();
            let mut found = Vec::new();
            for _ in 0..expected.len() * 2 + 2 {
                found.extend(run(stream.next_frame()).and_then(Result::ok).map(|f| f.to_vec()));
            }
            prop_assert!(found.iter().eq(frames), "{:?} {:?}", report, found);
        }
    }

    #[test]
    fn several_delimiters_give_the_frames_of_netty_for_any_cut(
        bytes in "[ab
]{0,40}",
        max in 0_usize..8,
        which in 1_usize..8,
        keeps in any::<bool>(),
    ) {
        let _baseline = ResourceBaseline::take();
        let all = [&b"
"[..], b"
", b"ab"];
        let delimiters: Vec<&[u8]> = (0..3).filter(|i| which >> i & 1 == 1).map(|i| all[i]).collect();
        let bytes = bytes.as_bytes();
        let expected = netty_delimited(bytes, &delimiters, max, keeps);
        for report in [TooLong::ErrorThenSkip, TooLong::SkipThenError] {
            let new = || {
                let codec = DelimiterCodec::any(delimiters.iter().copied(), max).report_too_long(report);
                if keeps { codec.keep_delimiter() } else { codec }
            };
            prop_assert_eq!(&one_by_one(bytes, new()), &expected);
            let (mut whole, mut codec, mut found) = (ByteBuf::from(bytes), new(), Frames::new());
            while let Some(frame) = codec.decode_eof(&mut whole).transpose() {
                found.push(frame.ok().map(|frame| frame.to_vec()));
            }
            prop_assert_eq!(&found, &expected);
            let mut stream = FramedRead::new(Cut { bytes, cuts: vec![which, 40], reads: 0 }, new());
            let mut streamed = Vec::new();
            for _ in 0..expected.len() * 2 + 2 {
                streamed.extend(run(stream.next_frame()).and_then(Result::ok).map(|f| f.to_vec()));
            }
            prop_assert!(streamed.iter().eq(expected.iter().flatten()), "{:?}", streamed);
            if let [one] = delimiters[..] {
                let codec = DelimiterCodec::new(one, max).report_too_long(report);
                let codec = if keeps { codec.keep_delimiter() } else { codec };
                prop_assert_eq!(&one_by_one(bytes, codec), &expected);
            }
        }
    }
}
