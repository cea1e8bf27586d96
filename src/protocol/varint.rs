//! Unsigned integers of variable length: seven bits a byte, least significant first.
//!
//! They have at most 5 bytes, and more than 32 bits are refused. Encodings that are longer than need be are
//! accepted within that, as in Kafka. Records have signed ones of their own (`records::varint`).

use super::DecodeError;

/// The most bytes that a number takes.
const MAX_LENGTH: usize = 5;

/// The count of bytes that `value` takes: 1 to 5.
pub const fn size_u32(value: u32) -> usize {
    let bits = 32_u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// Gives the bytes of `value` to `put`, first to last.
pub fn write_u32(mut value: u32, mut put: impl FnMut(u8)) {
    while value >= 0x80 {
        put(value as u8 | 0x80);
        value >>= 7;
    }
    put(value as u8);
}

/// The number at the start of `bytes`, and how many bytes it takes.
///
/// # Errors
/// `bytes` end inside the number, or it has more than 32 bits.
pub fn read_u32(bytes: &[u8]) -> Result<(u32, usize), DecodeError> {
    // Most lengths fit one byte.
    if let Some(&byte) = bytes.first()
        && byte < 0x80
    {
        return Ok((u32::from(byte), 1));
    }
    let (value, length) = read(bytes)?;
    let value = u32::try_from(value).map_err(|_| DecodeError::VarintTooLong)?;
    Ok((value, length))
}

fn read(bytes: &[u8]) -> Result<(u64, usize), DecodeError> {
    let mut value = 0_u64;
    let mut shift = 0_u32;
    for (index, &byte) in bytes.iter().take(MAX_LENGTH).enumerate() {
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((value, index.saturating_add(1)));
        }
        shift = shift.saturating_add(7);
    }
    if bytes.len() >= MAX_LENGTH {
        return Err(DecodeError::VarintTooLong);
    }
    Err(DecodeError::UnexpectedEnd {
        needed: bytes.len().saturating_add(1),
        remaining: bytes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_u32(value, |byte| bytes.push(byte));
        bytes
    }

    #[test]
    fn every_length_survives_a_round_trip() {
        for bits in 0..32 {
            let power = 1_u32 << bits;
            for value in [power, power.wrapping_sub(1), u32::MAX >> bits] {
                let bytes = written(value);
                assert_eq!(bytes.len(), size_u32(value));
                assert_eq!(read_u32(&bytes), Ok((value, bytes.len())));
            }
        }
    }

    #[test]
    fn a_longer_form_than_needed_is_accepted() {
        assert_eq!(read_u32(&[0x81, 0x80, 0x00]), Ok((1, 3)));
    }

    #[test]
    fn too_many_bits_are_refused() {
        let too_long = Err(DecodeError::VarintTooLong);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), too_long);
        assert_eq!(read_u32(&[0xff; 20]), too_long);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok((u32::MAX, 5)));
    }

    #[test]
    fn an_unfinished_number_is_refused() {
        assert!(matches!(
            read_u32(&[]),
            Err(DecodeError::UnexpectedEnd { .. })
        ));
        assert!(matches!(
            read_u32(&[0x80, 0x80]),
            Err(DecodeError::UnexpectedEnd { .. })
        ));
    }
}
