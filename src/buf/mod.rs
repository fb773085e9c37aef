//! The handles that people hold.
/// Interim.
pub type ByteView = bytes::Bytes;
/// Interim.
pub type ByteBuf = bytes::BytesMut;
