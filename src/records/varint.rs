//! Zig-zag varints as records carry them: 7 bits a byte, lowest first, the high bit says "more".
//!
//! They have at most 5 bytes for 32 bits and 10 for 64. Encodings that are longer than need be are
//! accepted, as in Kafka; those that do not end within these bytes are not.

use bytes::BufMut;

use super::error::RecordFault;

/// Reads bytes from the front of a slice, without knowing what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> Result<u8, RecordFault> {
        let (&byte, rest) = self.rest.split_first().ok_or(RecordFault::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline(always)]
    pub(super) fn slice(&mut self, size: usize) -> Result<&'a [u8], RecordFault> {
        let (taken, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(RecordFault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A length and as many bytes. Any negative length stands for null, as Kafka reads it.
    #[inline(always)]
    pub(super) fn nullable_slice(&mut self) -> Result<Option<&'a [u8]>, RecordFault> {
        match usize::try_from(self.varint()?) {
            Ok(size) => Ok(Some(self.slice(size)?)),
            Err(_) => Ok(None),
        }
    }

    /// Nearly all lengths and deltas have one or two bytes, which are read without a loop.
    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<i32, RecordFault> {
        let raw = match *self.rest {
            [first, ref rest @ ..] if first < 0x80 => {
                self.rest = rest;
                u32::from(first)
            }
            [first, second, ref rest @ ..] if second < 0x80 => {
                self.rest = rest;
                u32::from(first & 0x7f) | u32::from(second) << 7
            }
            // Up to 35 bits were read; those beyond 32 are dropped, as in Kafka.
            _ => self.long_varint(5)? as u32,
        };
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    #[inline(always)]
    pub(super) fn varlong(&mut self) -> Result<i64, RecordFault> {
        let raw = match *self.rest {
            [first, ref rest @ ..] if first < 0x80 => {
                self.rest = rest;
                u64::from(first)
            }
            [first, second, ref rest @ ..] if second < 0x80 => {
                self.rest = rest;
                u64::from(first & 0x7f) | u64::from(second) << 7
            }
            _ => self.long_varint(10)?,
        };
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    #[inline(never)]
    fn long_varint(&mut self, max_size: u32) -> Result<u64, RecordFault> {
        let mut raw = 0;
        for index in 0..max_size {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(raw);
            }
        }
        Err(RecordFault::VarintTooLong)
    }
}

/// How many bytes [`put_varlong`] writes: 1 to 10. A varint of 32 bits takes as many.
pub(super) fn varlong_size(value: i64) -> usize {
    let significant = 64 - (zig_zag(value) | 1).leading_zeros();
    significant.div_ceil(7) as usize
}

/// Writes `value` in as few bytes as possible; values of 32 bits have the same encoding.
pub(super) fn put_varlong(out: &mut impl BufMut, value: i64) {
    let mut raw = zig_zag(value);
    while raw >= 0x80 {
        out.put_u8(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.put_u8(raw as u8);
}

fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back_and_has_the_size_it_says() {
        let edges = (0..63).flat_map(|shift| {
            let power = 1_i64 << shift;
            [power - 1, power, -power, -power - 1]
        });

        for value in edges.chain([i64::MAX, i64::MIN]) {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);

            assert_eq!(bytes.len(), varlong_size(value), "{value}");
            assert_eq!(Reader::new(&bytes).varlong(), Ok(value));
            if let Ok(small) = i32::try_from(value) {
                assert_eq!(Reader::new(&bytes).varint(), Ok(small));
            }
        }
    }

    #[test]
    fn varint_that_never_ends_is_refused() {
        assert_eq!(
            Reader::new(&[0x80; 5]).varint(),
            Err(RecordFault::VarintTooLong)
        );
        assert_eq!(
            Reader::new(&[0x80; 10]).varlong(),
            Err(RecordFault::VarintTooLong)
        );
        assert_eq!(
            Reader::new(&[0x80; 4]).varint(),
            Err(RecordFault::Truncated)
        );
        assert_eq!(Reader::new(&[]).varlong(), Err(RecordFault::Truncated));
    }

    #[test]
    fn varint_longer_than_it_need_be_is_read() {
        assert_eq!(Reader::new(&[0x82, 0x80, 0x00]).varint(), Ok(1));
    }
}
