//! Errors of frames.

use std::{error, fmt, io};

/// A frame is longer than its limit.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytebuf::codec::{Decoder, FrameTooLong, LengthDelimitedCodec};
///
/// let mut codec = LengthDelimitedCodec::builder().max_frame_length(1000).new_codec();
/// let error = codec.decode(&mut ByteBuf::from(&5000_u32.to_be_bytes()[..])).unwrap_err();
/// let too_long: &FrameTooLong = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!((too_long.limit, too_long.length), (1000, Some(5000)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "TooLongFrameException")]
pub struct FrameTooLong {
    /// The limit in bytes.
    pub limit: usize,
    /// The length of the frame, if it is known.
    pub length: Option<u64>,
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(f, "a frame of {length} bytes is over {}", self.limit),
            None => write!(f, "a frame is longer than {} bytes", self.limit),
        }
    }
}

impl error::Error for FrameTooLong {}

/// [`FrameTooLong`], with the name of `tokio_util`.
pub type LengthDelimitedCodecError = FrameTooLong;

/// The length of a frame is impossible.
///
/// Of a received frame: the length field and the adjustment give a negative length, or a frame that ends within its
/// header. Of a frame to send: it needs a value that the length field can't hold.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytebuf::codec::{Decoder, InvalidFrameLength, LengthDelimitedCodec};
///
/// // The length counts its own 4 bytes, so less than 4 is not a frame.
/// let mut codec = LengthDelimitedCodec::builder().length_adjustment(-4).new_codec();
/// let error = codec.decode(&mut ByteBuf::from(&3_u32.to_be_bytes()[..])).unwrap_err();
/// let invalid: &InvalidFrameLength = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!((invalid.field, invalid.adjustment), (3, -4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "CorruptedFrameException")]
pub struct InvalidFrameLength {
    /// The value of the length field, or the length of a frame that was not encoded.
    pub field: u64,
    /// The number that is added to the length field.
    pub adjustment: isize,
}

impl fmt::Display for InvalidFrameLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "length {} adjusted by {} is not a frame", self.field, self.adjustment)
    }
}

impl error::Error for InvalidFrameLength {}

pub(super) fn invalid(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

pub(super) fn not_encoded(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Defines the error of a text codec: too long, or an error of the stream.
macro_rules! text_error {
    ($(#[$doc:meta])* $name:ident, $too_long:ident, $message:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {
            /// The text is over the limit of the codec. The rest of it is discarded.
            $too_long,
            /// The stream failed, or the text is not UTF-8.
            Io(io::Error),
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::$too_long => f.write_str($message),
                    Self::Io(error) => error.fmt(f),
                }
            }
        }

        impl error::Error for $name {
            fn source(&self) -> Option<&(dyn error::Error + 'static)> {
                match self {
                    Self::$too_long => None,
                    Self::Io(error) => Some(error),
                }
            }
        }

        impl From<io::Error> for $name {
            fn from(error: io::Error) -> Self {
                Self::Io(error)
            }
        }

        impl From<FrameTooLong> for $name {
            fn from(_: FrameTooLong) -> Self {
                Self::$too_long
            }
        }
    };
}

text_error! {
    /// An error of a line, or of its stream.
    LinesCodecError, MaxLineLengthExceeded, "max line length exceeded"
}

text_error! {
    /// An error of text between delimiters, or of its stream.
    AnyDelimiterCodecError, MaxChunkLengthExceeded, "max chunk length exceeded"
}
