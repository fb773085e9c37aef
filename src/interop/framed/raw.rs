//! Bytes without frames.

use std::io;

use super::{Decoder, impl_encoder};
use crate::buf::ByteBuf;
use crate::io::{Payload, WriteQueue};

/// Decodes all received bytes as one frame, and sends bytes unchanged.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use bytebuf::codec::{BytesCodec, FramedRead};
///
/// let received: &[u8] = b"whatever arrives";
/// let mut chunks = FramedRead::new(received, BytesCodec::new());
/// assert_eq!(chunks.next_frame().await.unwrap().unwrap(), b"whatever arrives"[..]);
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesCodec(());

impl BytesCodec {
    /// Creates the codec.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }

    fn encode_slice(&mut self, frame: &[u8], dst: &mut WriteQueue) -> io::Result<()> {
        dst.try_push_copy(frame)?;
        Ok(())
    }

    fn encode_payload(&mut self, frame: Payload, dst: &mut WriteQueue) -> io::Result<()> {
        dst.push(frame);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = ByteBuf;
    type Error = io::Error;

    fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        Ok(if src.is_empty() { None } else { Some(src.split()) })
    }
}

impl_encoder!(BytesCodec);
