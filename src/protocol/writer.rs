//! Writes a frame: a head that is written, and bytes that are passed on as they are.
//!
//! Long byte strings and records become pieces of their own, and are never copied.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{FramePiece, Payload, varint};

/// Byte strings of this length or above are passed on, not copied; below it a piece costs more.
const MIN_SHARED_SIZE: usize = 1024;

/// The size of an encoded value, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// The bytes that are written.
    pub head: usize,
    /// The bytes that are passed on.
    pub shared: usize,
}

#[allow(
    clippy::arithmetic_side_effects,
    reason = "sums of sizes of values in memory"
)]
impl Size {
    /// The sum of both.
    pub fn total(self) -> usize {
        self.head + self.shared
    }

    /// Adds `length` bytes that are written.
    #[inline]
    pub fn add(&mut self, length: usize) {
        self.head += length;
    }

    /// Adds the size of a length, or count, as [`Writer::length`] writes it.
    #[inline]
    pub fn add_length(&mut self, length: Option<usize>, flexible: bool) {
        self.head += if flexible {
            varint::size_u32(compact(length))
        } else {
            4
        };
    }

    /// Adds the size of a part.
    pub fn add_inner(&mut self, inner: Self) {
        self.head += inner.head;
        self.shared += inner.shared;
    }

    /// Adds `length` bytes that are passed on.
    pub fn add_shared(&mut self, length: usize) {
        self.shared += length;
    }

    /// Adds the size of bytes that [`Writer::bytes`] writes.
    pub fn add_bytes(&mut self, length: usize) {
        if length < MIN_SHARED_SIZE {
            self.head += length;
        } else {
            self.shared += length;
        }
    }
}

/// Writes the values of a frame, and collects its pieces.
#[derive(Debug, Default)]
pub struct Writer {
    head: BytesMut,
    pieces: Vec<FramePiece>,
}

impl Writer {
    /// A writer with room for `head` written bytes.
    pub fn with_capacity(head: usize) -> Self {
        Self {
            head: BytesMut::with_capacity(head),
            pieces: Vec::new(),
        }
    }

    /// The frame's pieces in order.
    pub fn into_pieces(mut self) -> Vec<FramePiece> {
        self.end_head();
        self.pieces
    }

    /// The bytes in one piece; `None` if a part of them is in a file.
    pub fn into_bytes(self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            return Some(self.head.freeze());
        }
        let pieces = self.into_pieces();
        let mut whole = BytesMut::with_capacity(pieces.iter().map(FramePiece::len).sum());
        for piece in pieces {
            match piece {
                FramePiece::Bytes(bytes) => whole.put_slice(&bytes),
                FramePiece::File(_) => return None,
            }
        }
        Some(whole.freeze())
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.head.put_i8(value);
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.head.put_u8(value);
    }

    /// A big-endian integer.
    pub fn i16(&mut self, value: i16) {
        self.head.put_i16(value);
    }

    /// A big-endian integer.
    pub fn u16(&mut self, value: u16) {
        self.head.put_u16(value);
    }

    /// A big-endian integer.
    pub fn i32(&mut self, value: i32) {
        self.head.put_i32(value);
    }

    /// A big-endian integer.
    pub fn u32(&mut self, value: u32) {
        self.head.put_u32(value);
    }

    /// A big-endian integer.
    pub fn i64(&mut self, value: i64) {
        self.head.put_i64(value);
    }

    /// A big-endian IEEE 754 double.
    pub fn f64(&mut self, value: f64) {
        self.head.put_f64(value);
    }

    /// An unsigned integer of variable length.
    #[inline]
    pub fn uvarint(&mut self, value: u32) {
        varint::write_u32(value, |byte| self.head.put_u8(byte));
    }

    /// Bytes as they are, copied.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.head.put_slice(bytes);
    }

    /// Writes the length of bytes or records, or the count of an array's elements; `None` stands for null.
    #[inline]
    pub fn length(&mut self, length: Option<usize>, flexible: bool) {
        if flexible {
            self.uvarint(compact(length));
        } else {
            self.i32(length.map_or(-1, |length| {
                i32::try_from(length).expect("a frame has less than 2 GiB")
            }));
        }
    }

    /// Writes bytes without their length; long ones are passed on.
    pub fn bytes(&mut self, bytes: &Bytes) {
        if bytes.len() < MIN_SHARED_SIZE {
            self.head.put_slice(bytes);
        } else {
            self.end_head();
            self.pieces.push(FramePiece::Bytes(bytes.clone()));
        }
    }

    /// Writes a payload's bytes without their length.
    pub fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Null => {}
            Payload::Bytes(bytes) => self.bytes(bytes),
            Payload::File(region) if region.length == 0 => {}
            Payload::File(region) => {
                self.end_head();
                self.pieces.push(FramePiece::File(region.clone()));
            }
        }
    }

    fn end_head(&mut self) {
        if !self.head.is_empty() {
            self.pieces
                .push(FramePiece::Bytes(self.head.split().freeze()));
        }
    }
}

/// Compact lengths are stored plus one, as 0 stands for null.
#[inline]
fn compact(length: Option<usize>) -> u32 {
    length.map_or(0, |length| {
        let length = u32::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(1));
        length.expect("a frame has less than 2 GiB")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bytes_are_passed_on_and_short_ones_copied() {
        let long = Bytes::from(vec![7; MIN_SHARED_SIZE]);
        let mut writer = Writer::default();

        writer.i8(1);
        writer.bytes(&Bytes::from_static(b"short"));
        writer.bytes(&long);
        writer.i8(2);

        let pieces = writer.into_pieces();
        assert_eq!(pieces.len(), 3);
        assert_eq!(
            pieces.first(),
            Some(&FramePiece::Bytes(Bytes::from_static(b"\x01short")))
        );
        let Some(FramePiece::Bytes(passed_on)) = pieces.get(1) else {
            panic!("{pieces:?}");
        };
        assert_eq!(passed_on.as_ptr(), long.as_ptr());
    }
}
