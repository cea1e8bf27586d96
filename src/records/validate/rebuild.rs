//! Compresses a batch anew, where `compression.type` asks for another codec than the producer's.

use bytes::Bytes;

use crate::protocol::error_code::ErrorCode;
use crate::records::compression::{self, CompressionSetting};
use crate::records::header::{BatchHeader, HEADER_SIZE};

use super::rejection::Rejection;

/// Compresses the checked `plain` records with `setting`. The records keep their bytes, because deltas
/// count from the same base. The checksum is that of the new bytes.
pub(super) fn recompress(
    header: &mut BatchHeader,
    plain: &[u8],
    setting: CompressionSetting,
) -> Result<Bytes, Rejection> {
    let mut records = Vec::with_capacity(plain.len() / 2);
    compression::compress(setting, plain, &mut records);
    let size = HEADER_SIZE + records.len();
    header.size = u32::try_from(size)
        .ok()
        .filter(|&size| size <= i32::MAX as u32)
        .ok_or_else(|| {
            let message = format!(
                "record batch would have {size} bytes with {}",
                setting.codec
            );
            Rejection::new(ErrorCode::MESSAGE_TOO_LARGE, message)
        })?;
    header.attributes.set_compression(setting.codec);
    header.seal(&records);
    Ok(Bytes::from(records))
}
