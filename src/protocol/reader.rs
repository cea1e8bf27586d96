//! Reads values from hostile bytes: every length is checked against what remains before it is used.

use bytes::Bytes;

use super::{DecodeError, Str, varint};

/// The longest string that Kafka allows, in bytes, even where the encoding could hold more.
pub const MAX_STRING_SIZE: usize = i16::MAX as usize;

/// The most elements of an array, as in Kafka since 4.4.
pub const MAX_ARRAY_LENGTH: usize = 1_000_000;

/// The most tagged fields of a struct, as in Kafka since 4.4.
pub const MAX_TAGGED_FIELDS: u32 = 10_000;

/// The heap that decoding may take for each byte of input, in bytes.
///
/// An empty string of one byte becomes a [`Str`] of 32. But real requests take 3 to 5 times their size, so
/// this leaves them room, and still keeps crafted ones from multiplying.
pub const MAX_HEAP_FACTOR: usize = 16;

/// The least that an element of an array counts against the heap of a request, in bytes: what is made of an
/// element, and answered to it, is larger than a number of four bytes.
const MIN_ELEMENT_SIZE: usize = 64;

/// The heap that decoding may take for the shortest input, in bytes.
pub const MIN_HEAP_BUDGET: usize = 64 * 1024;

/// A reading position in a frame. A [`Str`] or [`Bytes`] that is read shares the frame's memory.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    position: usize,
    /// The end of reading: the end of the bytes, or of the tagged field that is being read.
    end: usize,
    /// How much more heap arrays may take for the size of the input, in bytes.
    budget: usize,
    /// How much more heap arrays may take whatever the size of the input, in bytes.
    ceiling: usize,
}

macro_rules! read_number {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// The input ends.
            #[inline]
            pub fn $name(&mut self) -> Result<$type, DecodeError> {
                self.array().map(<$type>::from_be_bytes)
            }
        )*
    };
}

impl Reader {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        Self::within(bytes, usize::MAX)
    }

    /// A reader at the start of `bytes`; all arrays together may take `most_heap` bytes.
    pub fn within(bytes: Bytes, most_heap: usize) -> Self {
        let end = bytes.len();
        Self {
            bytes,
            position: 0,
            end,
            budget: end
                .saturating_mul(MAX_HEAP_FACTOR)
                .saturating_add(MIN_HEAP_BUDGET),
            ceiling: most_heap,
        }
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }

    read_number! {
        /// A signed byte.
        i8 -> i8;
        /// A byte.
        u8 -> u8;
        /// A big-endian integer.
        i16 -> i16;
        /// A big-endian integer.
        u16 -> u16;
        /// A big-endian integer.
        i32 -> i32;
        /// A big-endian integer.
        u32 -> u32;
        /// A big-endian integer.
        i64 -> i64;
        /// A big-endian IEEE 754 double.
        f64 -> f64;
    }

    /// `N` bytes as they are.
    ///
    /// # Errors
    /// The input ends.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (rest, remaining) = (self.rest(), self.remaining());
        let Some(array) = rest.first_chunk::<N>() else {
            return Err(DecodeError::UnexpectedEnd {
                needed: N,
                remaining,
            });
        };
        let array = *array;
        self.position = self.position.saturating_add(N);
        Ok(array)
    }

    /// An unsigned integer of variable length.
    ///
    /// # Errors
    /// The input ends, or the number has more than 32 bits.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let (value, length) = varint::read_u32(self.rest())?;
        self.position = self.position.saturating_add(length);
        Ok(value)
    }

    /// `length` bytes, shared with the frame.
    ///
    /// # Errors
    /// The input ends.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let end = self.end_of(length)?;
        let bytes = self.bytes.slice(self.position..end);
        self.position = end;
        Ok(bytes)
    }

    /// All bytes that are left, shared with the frame.
    pub fn take_rest(&mut self) -> Bytes {
        let bytes = self.bytes.slice(self.position..self.end);
        self.position = self.end;
        bytes
    }

    /// The length of bytes or records; `None` stands for null.
    ///
    /// # Errors
    /// The input ends, or the length is below -1.
    #[inline]
    pub fn length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        if flexible {
            return self
                .uvarint()
                .map(|length| (length as usize).checked_sub(1));
        }
        match self.i32()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(length)),
                Err(_) => Err(DecodeError::NegativeLength(length)),
            },
        }
    }

    /// The count of an array's elements, each of which takes at least `min_size` bytes; `None` stands for
    /// null.
    ///
    /// # Errors
    /// The input ends, the count is below -1 or above [`MAX_ARRAY_LENGTH`], or the rest of the input cannot
    /// hold so many elements.
    #[inline]
    pub fn count(&mut self, flexible: bool, min_size: usize) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.length(flexible)? else {
            return Ok(None);
        };
        if count > MAX_ARRAY_LENGTH {
            return Err(DecodeError::TooManyElements(count));
        }
        let remaining = self.remaining();
        match count.checked_mul(min_size.max(1)) {
            Some(size) if size <= remaining => Ok(Some(count)),
            _ => Err(DecodeError::ArrayTooLong { count, remaining }),
        }
    }

    /// An empty vector with room for `count` values.
    ///
    /// # Errors
    /// With the arrays before it, it would take more heap than the input allows, or than any request may.
    #[inline]
    pub fn reserve<T>(&mut self, count: usize) -> Result<Vec<T>, DecodeError> {
        let size = count.saturating_mul(size_of::<T>());
        let with_answer = count.saturating_mul(size_of::<T>().max(MIN_ELEMENT_SIZE));
        let budget = self.budget.checked_sub(size);
        let ceiling = self.ceiling.checked_sub(with_answer);
        let (Some(budget), Some(ceiling)) = (budget, ceiling) else {
            return Err(DecodeError::HeapBudgetExceeded);
        };
        (self.budget, self.ceiling) = (budget, ceiling);
        Ok(Vec::with_capacity(count))
    }

    /// A string; `None` stands for null.
    ///
    /// # Errors
    /// The input ends, the length is not one a string can have, or the bytes are not UTF-8.
    #[inline]
    pub fn string(&mut self, flexible: bool) -> Result<Option<Str>, DecodeError> {
        self.text(flexible)?.map(Str::from_utf8).transpose()
    }

    /// A string; `None` stands for null. Bytes that are not UTF-8 are replaced, as in Java: for text that is
    /// only shown.
    ///
    /// # Errors
    /// The input ends, or the length is not one a string can have.
    pub fn lossy_string(&mut self, flexible: bool) -> Result<Option<Str>, DecodeError> {
        Ok(self.text(flexible)?.as_ref().map(Str::from_utf8_lossy))
    }

    /// The bytes of a string.
    #[inline]
    fn text(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        let length = if flexible {
            self.length(true)?
        } else {
            match self.i16()? {
                -1 => None,
                length => match usize::try_from(length) {
                    Ok(length) => Some(length),
                    Err(_) => return Err(DecodeError::NegativeLength(length.into())),
                },
            }
        };
        match length {
            None => Ok(None),
            Some(length) if length > MAX_STRING_SIZE => Err(DecodeError::StringTooLong(length)),
            Some(length) => self.take(length).map(Some),
        }
    }

    /// Reads the tagged fields at the end of a struct. `known` reads the field of the given tag, or returns
    /// `false` to have it skipped.
    ///
    /// Kafka writes tags in ascending order (KIP-482), but its readers accept any order, and the last of
    /// fields with the same tag; so does this one.
    ///
    /// # Errors
    /// There are more than [`MAX_TAGGED_FIELDS`], a field is longer than the rest, `known` does not read
    /// all of its field, or `known` fails.
    pub fn tags(
        &mut self,
        known: &mut dyn FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        if count > MAX_TAGGED_FIELDS {
            return Err(DecodeError::TooManyTags(count));
        }
        for _ in 0..count {
            let tag = self.uvarint()?;
            let size = self.uvarint()?;
            let field_end = self.end_of(size as usize)?;
            let outer_end = std::mem::replace(&mut self.end, field_end);
            if known(self, tag)? {
                self.finish()?;
            } else {
                self.position = field_end;
            }
            self.end = outer_end;
        }
        Ok(())
    }

    /// Skips the tagged fields of a struct that knows none.
    ///
    /// # Errors
    /// As [`Reader::tags`].
    #[inline]
    pub fn skip_tags(&mut self) -> Result<(), DecodeError> {
        if self.rest().first() == Some(&0) {
            self.position = self.position.saturating_add(1);
            return Ok(());
        }
        self.tags(&mut |_, _| Ok(false))
    }

    #[inline]
    fn rest(&self) -> &[u8] {
        // `position` never passes `end`, which never passes the length.
        self.bytes.get(self.position..self.end).unwrap_or_default()
    }

    #[inline]
    fn end_of(&self, length: usize) -> Result<usize, DecodeError> {
        match self.position.checked_add(length) {
            Some(end) if end <= self.end => Ok(end),
            _ => Err(DecodeError::UnexpectedEnd {
                needed: length,
                remaining: self.remaining(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
    }

    #[test]
    fn only_minus_one_is_a_null_length() {
        assert_eq!(reader(&[0xff, 0xff]).string(false), Ok(None));
        let error = reader(&[0xff, 0xfb]).string(false).unwrap_err();
        assert_eq!(error, DecodeError::NegativeLength(-5));
        assert_eq!(reader(&[0xff; 4]).length(false), Ok(None));
        let error = reader(&[0x80, 0, 0, 0]).length(false).unwrap_err();
        assert_eq!(error, DecodeError::NegativeLength(i32::MIN));
    }

    #[test]
    fn an_array_longer_than_the_input_is_refused() {
        let error = reader(&[0, 0, 0, 9, 0]).count(false, 1).unwrap_err();
        assert_eq!(
            error,
            DecodeError::ArrayTooLong {
                count: 9,
                remaining: 1
            }
        );
        assert!(reader(&[3, 0, 0, 0]).count(true, 2).is_err());
        assert_eq!(reader(&[3, 0, 0, 0, 0]).count(true, 2), Ok(Some(2)));
    }

    #[test]
    fn heap_is_bounded_by_the_input() {
        let mut reader = reader(&[0; 10]);
        let all = MIN_HEAP_BUDGET + 10 * MAX_HEAP_FACTOR;

        assert_eq!(
            reader.reserve::<u8>(all - 8).map(|array| array.capacity()),
            Ok(all - 8)
        );
        assert_eq!(
            reader.reserve::<u16>(5),
            Err(DecodeError::HeapBudgetExceeded)
        );
        assert_eq!(
            reader.reserve::<u16>(usize::MAX),
            Err(DecodeError::HeapBudgetExceeded)
        );
        assert!(reader.reserve::<u16>(4).is_ok());
    }

    #[test]
    fn heap_is_bounded_however_large_the_input() {
        let mut reader = Reader::within(Bytes::from_static(&[0; 1000]), 10 * MIN_ELEMENT_SIZE);

        assert!(reader.reserve::<[u8; 128]>(3).is_ok());
        assert!(reader.reserve::<i32>(4).is_ok());
        assert_eq!(
            reader.reserve::<i32>(1),
            Err(DecodeError::HeapBudgetExceeded)
        );
    }

    #[test]
    fn tags_come_in_any_order_and_the_last_of_two_counts() {
        assert_eq!(reader(&[2, 0, 1, 9, 5, 0]).skip_tags(), Ok(()));
        assert_eq!(reader(&[2, 5, 0, 5, 0]).skip_tags(), Ok(()));

        let mut seen = Vec::new();
        let mut note = |reader: &mut Reader, tag: u32| {
            seen.push((tag, reader.i8()?));
            Ok(true)
        };
        let mut both = reader(&[3, 7, 1, 1, 3, 1, 2, 7, 1, 3]);
        assert_eq!(both.tags(&mut note), Ok(()));
        assert_eq!(seen, [(7, 1), (3, 2), (7, 3)]);
    }

    #[test]
    fn more_tagged_fields_than_kafka_reads_are_refused() {
        let fields = |count: u32| {
            // The number as a varint of two bytes, then tag 1 and size 0 of each.
            let mut bytes = vec![count as u8 | 0x80, (count >> 7) as u8];
            bytes.extend([1, 0].repeat(count as usize));
            Reader::new(bytes.into())
        };
        assert_eq!(fields(10_000).skip_tags(), Ok(()));
        assert_eq!(
            fields(10_001).skip_tags(),
            Err(DecodeError::TooManyTags(10_001))
        );
    }

    #[test]
    fn an_array_of_more_elements_than_kafka_reads_is_refused() {
        let array = |count: i32| {
            let mut bytes = count.to_be_bytes().to_vec();
            bytes.extend(vec![0; count as usize]);
            Reader::new(bytes.into()).count(false, 1)
        };
        assert_eq!(array(1_000_000), Ok(Some(1_000_000)));
        assert_eq!(
            array(1_000_001),
            Err(DecodeError::TooManyElements(1_000_001))
        );
    }

    #[test]
    fn a_tagged_field_ends_where_its_size_says() {
        let mut longer = reader(&[1, 0, 5, 0, 0]);
        assert!(matches!(
            longer.skip_tags(),
            Err(DecodeError::UnexpectedEnd { .. })
        ));

        let mut read_i32 = |reader: &mut Reader, _: u32| reader.i32().map(|_| true);
        let mut short = reader(&[1, 0, 2, 0, 0, 0, 0]);
        assert!(matches!(
            short.tags(&mut read_i32),
            Err(DecodeError::UnexpectedEnd { .. })
        ));
        let mut long = reader(&[1, 0, 5, 0, 0, 0, 0, 0]);
        assert_eq!(long.tags(&mut read_i32), Err(DecodeError::TrailingBytes(1)));
    }
}
