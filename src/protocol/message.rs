//! The traits of messages, and the ways from bytes to whole messages and back.
//!
//! Strings and bytes are slices of the input. Arrays take heap, bounded by the input's length; see
//! [`reader`](super::reader). `notation.rs` has the notation in which messages are defined.

use bytes::Bytes;

use super::schema::Schema;
use super::{ApiKey, DecodeError, Reader, Size, Writer};

/// A type that can be read from bytes.
pub trait Decode: Sized {
    /// Reads a value in the form of `version`. The caller has checked that there is such a version.
    ///
    /// # Errors
    /// The bytes are not what the definition demands.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;
}

/// A type that can be written as bytes.
pub trait Encode {
    /// Adds the size of what [`Encode::encode`] writes.
    fn add_size(&self, size: &mut Size, version: i16);

    /// Writes the value in the form of `version`. The caller has checked that there is such a version.
    fn encode(&self, writer: &mut Writer, version: i16);

    /// The bytes that [`Encode::encode`] writes, or passes on as they are.
    fn size(&self, version: i16) -> usize {
        let mut size = Size::default();
        self.add_size(&mut size, version);
        size.total()
    }
}

/// A message, or a part of one, with fields.
pub trait Struct: Decode + Encode + Default {
    /// The definition.
    const SCHEMA: &'static Schema;

    /// The fewest bytes that a value takes: this bounds how many values an input can hold.
    fn min_size(version: i16) -> usize;

    /// Raises the field `throttle_time_ms` to at least `milliseconds`, if there is such a field. Returns what
    /// it says then; 0 without it.
    fn raise_throttle_time(&mut self, milliseconds: i32) -> i32;
}

/// A whole message: a request, a response, or a record.
pub trait Message: Struct {
    /// The oldest version.
    const MIN_VERSION: i16;
    /// The newest version.
    const MAX_VERSION: i16;
    /// The first version with compact lengths and tagged fields; `i16::MAX` if none has them.
    const FIRST_FLEXIBLE: i16;

    /// Checks that the message has this version.
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedVersion`].
    fn check_version(version: i16) -> Result<(), DecodeError> {
        if (Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {
            return Ok(());
        }
        let name = Self::SCHEMA.name;
        Err(DecodeError::UnsupportedVersion { name, version })
    }
}

/// A message that asks for something.
pub trait Request: Message {
    /// The API that the request belongs to.
    const KEY: ApiKey;
    /// The response to it, which has the same version.
    type Response: Message;
}

/// Reads a message that takes all of `bytes`.
///
/// # Errors
/// The message has no such version, or the bytes are not exactly one such message.
pub fn decode_whole<T: Message>(bytes: Bytes, version: i16) -> Result<T, DecodeError> {
    T::check_version(version)?;
    let mut reader = Reader::new(bytes);
    let message = T::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}

/// Reads a request from the front of `bytes`. What lies behind it is ignored, as in Kafka: a client that
/// sends more than its version has goes on working. The request's arrays may take `most_heap` bytes.
///
/// # Errors
/// The request has no such version, or the bytes do not begin with it, or it takes too much heap.
/// There is no such version, or the bytes do not begin with such a message, or it is too large.
pub fn decode_request<R: Request>(
    bytes: Bytes,
    version: i16,
    most_heap: usize,
) -> Result<R, DecodeError> {
    R::check_version(version)?;
    R::decode(&mut Reader::within(bytes, most_heap), version)
}

/// Reads a message from the front of `bytes`; what lies behind it is ignored.
///
/// # Errors
/// The message has no such version, or the bytes do not begin with it.
pub(super) fn decode_front<T: Message>(bytes: Bytes, version: i16) -> Result<T, DecodeError> {
    T::check_version(version)?;
    T::decode(&mut Reader::new(bytes), version)
}

/// The bytes of a message in one piece, without a frame: for records and embedded messages.
///
/// # Panics
/// A payload of the message is in a file: such a message needs a [frame](super::frame).
pub fn encode_whole(message: &impl Encode, version: i16) -> Bytes {
    let mut size = Size::default();
    message.add_size(&mut size, version);
    let mut writer = Writer::with_capacity(size.head);
    message.encode(&mut writer, version);
    writer.into_bytes().expect("no payload in a file")
}

/// The bytes of a message after `number` as an int16: its version mostly, or its type.
///
/// # Panics
/// As [`encode_whole`].
pub fn encode_versioned(number: i16, message: &impl Encode, version: i16) -> Bytes {
    let mut size = Size::default();
    size.add(2);
    message.add_size(&mut size, version);
    let mut writer = Writer::with_capacity(size.head);
    writer.i16(number);
    message.encode(&mut writer, version);
    writer.into_bytes().expect("no payload in a file")
}
