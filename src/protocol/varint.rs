//! Integers of variable length: seven bits a byte, least significant first; signed ones zigzag.
//!
//! At most 5 bytes for 32 bits and 10 for 64; what has more bits is refused. Longer forms than
//! needed are accepted within that, as Kafka does.

use super::DecodeError;

/// The bytes that `value` takes: 1 to 5.
pub const fn size_u32(value: u32) -> usize {
    size_u64(value as u64)
}

/// The bytes that `value` takes: 1 to 10.
pub const fn size_u64(value: u64) -> usize {
    let bits = 64_u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// The bytes that `value` takes in zigzag form: 1 to 5.
pub const fn size_i32(value: i32) -> usize {
    size_u32(zigzag_i32(value))
}

/// The bytes that `value` takes in zigzag form: 1 to 10.
pub const fn size_i64(value: i64) -> usize {
    size_u64(zigzag_i64(value))
}

/// Small magnitudes become small numbers: 0, -1, 1, -2 become 0, 1, 2, 3.
pub const fn zigzag_i32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// Small magnitudes become small numbers: 0, -1, 1, -2 become 0, 1, 2, 3.
pub const fn zigzag_i64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag_i32`].
pub const fn unzigzag_i32(value: u32) -> i32 {
    (value >> 1) as i32 ^ ((value & 1) as i32).wrapping_neg()
}

/// The inverse of [`zigzag_i64`].
pub const fn unzigzag_i64(value: u64) -> i64 {
    (value >> 1) as i64 ^ ((value & 1) as i64).wrapping_neg()
}

/// Hands the bytes of `value` to `put`, first to last.
pub fn write_u64(mut value: u64, mut put: impl FnMut(u8)) {
    while value >= 0x80 {
        put(value as u8 | 0x80);
        value >>= 7;
    }
    put(value as u8);
}

/// The number at the start of `bytes`, and the bytes that it takes.
///
/// # Errors
/// `bytes` end inside the number, or it has more than 32 bits.
pub fn read_u32(bytes: &[u8]) -> Result<(u32, usize), DecodeError> {
    // Most lengths fit in one byte.
    if let Some(&byte) = bytes.first()
        && byte < 0x80
    {
        return Ok((u32::from(byte), 1));
    }
    let (value, length) = read(bytes, 5)?;
    let value = u32::try_from(value).map_err(|_| DecodeError::VarintTooLong)?;
    Ok((value, length))
}

/// The number at the start of `bytes`, and the bytes that it takes.
///
/// # Errors
/// `bytes` end inside the number, or it has more than 64 bits.
pub fn read_u64(bytes: &[u8]) -> Result<(u64, usize), DecodeError> {
    read(bytes, 10)
}

/// The zigzag number at the start of `bytes`, and the bytes that it takes.
///
/// # Errors
/// `bytes` end inside the number, or it has more than 32 bits.
pub fn read_i32(bytes: &[u8]) -> Result<(i32, usize), DecodeError> {
    read_u32(bytes).map(|(value, length)| (unzigzag_i32(value), length))
}

/// The zigzag number at the start of `bytes`, and the bytes that it takes.
///
/// # Errors
/// `bytes` end inside the number, or it has more than 64 bits.
pub fn read_i64(bytes: &[u8]) -> Result<(i64, usize), DecodeError> {
    read_u64(bytes).map(|(value, length)| (unzigzag_i64(value), length))
}

fn read(bytes: &[u8], max_length: usize) -> Result<(u64, usize), DecodeError> {
    let mut value = 0_u64;
    let mut shift = 0_u32;
    for (index, &byte) in bytes.iter().take(max_length).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit only.
        if shift == 63 && bits > 1 {
            return Err(DecodeError::VarintTooLong);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok((value, index.saturating_add(1)));
        }
        shift = shift.saturating_add(7);
    }
    if bytes.len() >= max_length {
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

    fn written(value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_u64(value, |byte| bytes.push(byte));
        bytes
    }

    #[test]
    fn every_length_survives_a_round_trip() {
        for bits in 0..64 {
            for value in [
                1_u64 << bits,
                (1_u64 << bits).wrapping_sub(1),
                u64::MAX >> bits,
            ] {
                let bytes = written(value);
                assert_eq!(bytes.len(), size_u64(value));
                assert_eq!(read_u64(&bytes), Ok((value, bytes.len())));
            }
        }
    }

    #[test]
    fn zigzag_keeps_small_magnitudes_small() {
        assert_eq!([0, -1, 1, -2].map(zigzag_i32), [0, 1, 2, 3]);
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert_eq!(unzigzag_i64(zigzag_i64(value)), value);
        }
        for value in [i32::MIN, -1, 0, 1, i32::MAX] {
            assert_eq!(unzigzag_i32(zigzag_i32(value)), value);
        }
    }

    #[test]
    fn too_many_bits_are_refused() {
        let too_long = Err(DecodeError::VarintTooLong);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), too_long);
        assert_eq!(read_u32(&[0xff; 20]), too_long);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok((u32::MAX, 5)));
        let ten = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(read_u64(&[ten.as_slice(), &[0x02]].concat()).is_err());
        assert_eq!(
            read_u64(&[ten.as_slice(), &[0x01]].concat()),
            Ok((u64::MAX, 10))
        );
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
