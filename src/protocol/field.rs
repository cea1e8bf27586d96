//! How each type of field looks on the wire, in old and flexible versions.

use bytes::Bytes;

use super::message::Struct;
use super::reader::MAX_STRING_SIZE;
use super::schema::Kind;
use super::{DecodeError, ErrorCode, Payload, Reader, Size, Str, Writer, varint};
use crate::model::Uuid;

/// A type that fields of messages can have.
pub trait Field: Sized {
    /// The type, as data.
    const KIND: Kind;

    /// The fewest bytes that a value takes.
    fn min_size(version: i16, flexible: bool) -> usize;

    /// Reads a value.
    ///
    /// # Errors
    /// The bytes are not a value of the type; null is none.
    fn read(reader: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError>;

    /// Adds the size of what [`Field::write`] writes.
    fn add_size(&self, size: &mut Size, version: i16, flexible: bool);

    /// Writes the value.
    fn write(&self, writer: &mut Writer, version: i16, flexible: bool);

    /// Reads the value of a tagged field, which is always in a flexible version.
    ///
    /// # Errors
    /// As [`Field::read`].
    fn read_tagged(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        Self::read(reader, version, true)
    }

    /// Writes the value of a tagged field. It has the size that [`Field::add_size`] gives.
    fn write_tagged(&self, writer: &mut Writer, version: i16) {
        self.write(writer, version, true);
    }

    /// The fewest bytes that null or a value takes.
    fn min_size_nullable(_version: i16, _flexible: bool) -> usize {
        1
    }

    /// Reads a value or null.
    ///
    /// # Errors
    /// As [`Field::read`], but null is a value here.
    fn read_nullable(
        reader: &mut Reader,
        version: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        if reader.i8()? < 0 {
            return Ok(None);
        }
        Self::read(reader, version, flexible).map(Some)
    }

    /// Adds the size of what [`Field::write_nullable`] writes.
    fn add_size_nullable(value: Option<&Self>, size: &mut Size, version: i16, flexible: bool) {
        size.add(1);
        if let Some(value) = value {
            value.add_size(size, version, flexible);
        }
    }

    /// Writes the value or null.
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: i16, flexible: bool) {
        match value {
            None => writer.i8(-1),
            Some(value) => {
                writer.i8(1);
                value.write(writer, version, flexible);
            }
        }
    }
}

/// The methods for values of a type whose encoding has a null of its own: a value is what is not null.
macro_rules! value_by_nullable {
    () => {
        #[inline]
        fn read(reader: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
            Self::read_nullable(reader, version, flexible)?.ok_or(DecodeError::UnexpectedNull)
        }

        fn add_size(&self, size: &mut Size, version: i16, flexible: bool) {
            Self::add_size_nullable(Some(self), size, version, flexible);
        }

        fn write(&self, writer: &mut Writer, version: i16, flexible: bool) {
            Self::write_nullable(Some(self), writer, version, flexible);
        }

        fn min_size_nullable(version: i16, flexible: bool) -> usize {
            Self::min_size(version, flexible)
        }
    };
}

/// Types of fixed size, the same in all versions.
macro_rules! fixed {
    ($($type:ty, $kind:ident, $size:literal, $read:expr, $write:expr;)*) => {
        $(
            impl Field for $type {
                const KIND: Kind = Kind::$kind;

                #[inline]
                fn min_size(_: i16, _: bool) -> usize {
                    $size
                }

                #[inline]
                fn read(reader: &mut Reader, _: i16, _: bool) -> Result<Self, DecodeError> {
                    let read: fn(&mut Reader) -> Result<$type, DecodeError> = $read;
                    read(reader)
                }

                #[inline]
                fn add_size(&self, size: &mut Size, _: i16, _: bool) {
                    size.add($size);
                }

                #[inline]
                fn write(&self, writer: &mut Writer, _: i16, _: bool) {
                    let write: fn(&mut Writer, &$type) = $write;
                    write(writer, self);
                }
            }
        )*
    };
}

fixed! {
    bool, Bool, 1, |reader| Ok(reader.u8()? != 0), |writer, value| writer.u8(u8::from(*value));
    i8, Int8, 1, Reader::i8, |writer, value| writer.i8(*value);
    i16, Int16, 2, Reader::i16, |writer, value| writer.i16(*value);
    u16, Uint16, 2, Reader::u16, |writer, value| writer.u16(*value);
    i32, Int32, 4, Reader::i32, |writer, value| writer.i32(*value);
    u32, Uint32, 4, Reader::u32, |writer, value| writer.u32(*value);
    i64, Int64, 8, Reader::i64, |writer, value| writer.i64(*value);
    f64, Float64, 8, Reader::f64, |writer, value| writer.f64(*value);
    Uuid, Uuid, 16, |reader| Ok(Self::from_bytes(reader.array()?)), |writer, value| writer.raw(value.as_bytes());
    ErrorCode, Int16, 2, |reader| Ok(Self(reader.i16()?)), |writer, value| writer.i16(value.0);
}

/// The part of a string that is written: all of it, unless it is longer than Kafka allows.
#[inline]
fn sent(text: &Str) -> &[u8] {
    let end = match text.len() {
        length @ 0..=MAX_STRING_SIZE => length,
        _ => text.floor_char_boundary(MAX_STRING_SIZE),
    };
    text.as_bytes().get(..end).unwrap_or_default()
}

impl Field for Str {
    const KIND: Kind = Kind::String;

    #[inline]
    fn min_size(_: i16, flexible: bool) -> usize {
        if flexible { 1 } else { 2 }
    }

    value_by_nullable!();

    #[inline]
    fn read_nullable(
        reader: &mut Reader,
        _: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        reader.string(flexible)
    }

    #[inline]
    fn add_size_nullable(value: Option<&Self>, size: &mut Size, _: i16, flexible: bool) {
        let length = value.map(|text| sent(text).len());
        if flexible {
            size.add_length(length, true);
        } else {
            size.add(2);
        }
        size.add(length.unwrap_or_default());
    }

    #[inline]
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, _: i16, flexible: bool) {
        let bytes = value.map(sent);
        if flexible {
            writer.length(bytes.map(<[u8]>::len), true);
        } else {
            writer.i16(bytes.map_or(-1, |bytes| {
                i16::try_from(bytes.len()).expect("at most MAX_STRING_SIZE is sent")
            }));
        }
        writer.raw(bytes.unwrap_or_default());
    }
}

impl Field for Bytes {
    const KIND: Kind = Kind::Bytes;

    #[inline]
    fn min_size(_: i16, flexible: bool) -> usize {
        if flexible { 1 } else { 4 }
    }

    value_by_nullable!();

    #[inline]
    fn read_nullable(
        reader: &mut Reader,
        _: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        match reader.length(flexible)? {
            None => Ok(None),
            Some(length) => reader.take(length).map(Some),
        }
    }

    fn add_size_nullable(value: Option<&Self>, size: &mut Size, _: i16, flexible: bool) {
        let length = value.map(Self::len);
        size.add_length(length, flexible);
        size.add_bytes(length.unwrap_or_default());
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, _: i16, flexible: bool) {
        writer.length(value.map(Self::len), flexible);
        if let Some(bytes) = value {
            writer.bytes(bytes);
        }
    }
}

impl Field for Payload {
    const KIND: Kind = Kind::Nullable(&Kind::Bytes);

    fn min_size(_: i16, flexible: bool) -> usize {
        if flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
        let bytes = Bytes::read_nullable(reader, version, flexible)?;
        Ok(bytes.map_or(Self::Null, Self::Bytes))
    }

    fn add_size(&self, size: &mut Size, _: i16, flexible: bool) {
        let length = (*self != Self::Null).then(|| self.len());
        size.add_length(length, flexible);
        match self {
            Self::Null => {}
            Self::Bytes(bytes) => size.add_bytes(bytes.len()),
            Self::File(_) => size.add_shared(self.len()),
        }
    }

    fn write(&self, writer: &mut Writer, _: i16, flexible: bool) {
        let length = (*self != Self::Null).then(|| self.len());
        writer.length(length, flexible);
        writer.payload(self);
    }
}

impl<T: Field> Field for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);

    #[inline]
    fn min_size(_: i16, flexible: bool) -> usize {
        if flexible { 1 } else { 4 }
    }

    value_by_nullable!();

    fn read_nullable(
        reader: &mut Reader,
        version: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(count) = reader.count(flexible, T::min_size(version, flexible))? else {
            return Ok(None);
        };
        let mut elements = reader.reserve(count)?;
        for _ in 0..count {
            elements.push(T::read(reader, version, flexible)?);
        }
        Ok(Some(elements))
    }

    fn add_size_nullable(value: Option<&Self>, size: &mut Size, version: i16, flexible: bool) {
        size.add_length(value.map(Self::len), flexible);
        for element in value.into_iter().flatten() {
            element.add_size(size, version, flexible);
        }
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: i16, flexible: bool) {
        writer.length(value.map(Self::len), flexible);
        for element in value.into_iter().flatten() {
            element.write(writer, version, flexible);
        }
    }
}

/// A value that may be null. A nullable struct has a byte before it: 1, or -1 for null; as a tagged field it
/// has 0 for null.
impl<T: Field> Field for Option<T> {
    const KIND: Kind = Kind::Nullable(&T::KIND);

    #[inline]
    fn min_size(version: i16, flexible: bool) -> usize {
        T::min_size_nullable(version, flexible)
    }

    #[inline]
    fn read(reader: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
        T::read_nullable(reader, version, flexible)
    }

    #[inline]
    fn add_size(&self, size: &mut Size, version: i16, flexible: bool) {
        T::add_size_nullable(self.as_ref(), size, version, flexible);
    }

    #[inline]
    fn write(&self, writer: &mut Writer, version: i16, flexible: bool) {
        T::write_nullable(self.as_ref(), writer, version, flexible);
    }

    fn read_tagged(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        match T::KIND {
            Kind::Struct(_) if reader.u8()? == 0 => Ok(None),
            Kind::Struct(_) => T::read(reader, version, true).map(Some),
            _ => Self::read(reader, version, true),
        }
    }

    fn write_tagged(&self, writer: &mut Writer, version: i16) {
        match (T::KIND, self) {
            (Kind::Struct(_), None) => writer.u8(0),
            _ => self.write(writer, version, true),
        }
    }
}

impl<T: Struct> Field for T {
    const KIND: Kind = Kind::Struct(T::SCHEMA);

    #[inline]
    fn min_size(version: i16, _: bool) -> usize {
        T::min_size(version)
    }

    #[inline]
    fn read(reader: &mut Reader, version: i16, _: bool) -> Result<Self, DecodeError> {
        T::decode(reader, version)
    }

    #[inline]
    fn add_size(&self, size: &mut Size, version: i16, _: bool) {
        Self::add_size(self, size, version);
    }

    #[inline]
    fn write(&self, writer: &mut Writer, version: i16, _: bool) {
        self.encode(writer, version);
    }
}

/// Writes a tagged field: tag, size, value.
pub(crate) fn write_tagged<T: Field>(tag: u32, value: &T, writer: &mut Writer, version: i16) {
    let mut size = Size::default();
    value.add_size(&mut size, version, true);
    writer.uvarint(tag);
    writer.uvarint(tagged_length(size));
    value.write_tagged(writer, version);
}

/// Adds the size of what [`write_tagged`] writes.
pub(crate) fn add_tagged_size<T: Field>(tag: u32, value: &T, size: &mut Size, version: i16) {
    let mut inner = Size::default();
    value.add_size(&mut inner, version, true);
    size.add(varint::size_u32(tag));
    size.add(varint::size_u32(tagged_length(inner)));
    size.add_inner(inner);
}

fn tagged_length(size: Size) -> u32 {
    u32::try_from(size.total()).expect("a frame has less than 2 GiB")
}
