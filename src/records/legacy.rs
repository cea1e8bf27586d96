//! Reads messages of the old formats, magic 0 and 1. Kafka stopped writing them with 3.0, but they lie on disks
//! that were taken over from it: they are found by time, and shown by tools.
//!
//! ```text
//! offset i64 | size i32 | crc u32 | magic i8 | attributes i8 | timestamp i64, from magic 1 on |
//! key: size i32, bytes | value: size i32, bytes
//! ```
//! A compressed batch is one such message, the wrapper, whose value holds the others. The wrapper's offset
//! is that of the last of them. With magic 1 the offsets inside count from any number; with magic 0 they
//! are absolute.

use super::attributes::TimestampType;
use super::batch::Batch;
use super::compression::{Compression, Scratch};
use super::error::RecordsError;
use crate::model::{Offset, Timestamp};

/// The bytes before each message: offset and size.
const PREFIX: usize = 12;
/// The bytes of checksum, magic and attributes.
const FIXED: usize = 6;
const MAGIC_AT: usize = 4;
const TIMESTAMP: usize = 8;
/// The fewest bytes of a message: those that are fixed, and two sizes.
const LEAST: usize = FIXED + 8;

/// The messages of a batch of magic 0 or 1, in order.
///
/// # Errors
/// The wrapper has no value, or its value cannot be decompressed or holds no messages.
pub(super) fn messages<'s, 'a: 's>(
    batch: &Batch<'a>,
    scratch: &'s mut Scratch,
) -> Result<LegacyMessages<'s>, RecordsError> {
    let codec = batch.compression()?;
    if codec == Compression::None {
        return Ok(LegacyMessages {
            walk: Walk {
                rest: batch.bytes(),
            },
            first: 0,
            append_time: None,
        });
    }
    let walk = Walk {
        rest: scratch.decompress(codec, wrapped(batch)?)?,
    };
    let last = walk.clone().last().ok_or(malformed("it is empty"))?;
    let wrapper = batch.last_offset().0;
    let first = match batch.magic() {
        // Some versions of librdkafka left the wrapper's offset 0.
        1 if wrapper > 0 => wrapper
            .checked_sub(last.offset)
            .filter(|first| *first >= 0)
            .ok_or(malformed("its offset is below those inside"))?,
        _ => 0,
    };
    let is_append_time = batch.timestamp_type() == TimestampType::LogAppendTime;
    Ok(LegacyMessages {
        walk,
        first,
        append_time: is_append_time.then(|| batch.max_timestamp()),
    })
}

fn malformed(reason: &'static str) -> RecordsError {
    RecordsError::Wrapper { reason }
}

/// The messages inside a wrapper.
fn wrapped<'a>(batch: &Batch<'a>) -> Result<&'a [u8], RecordsError> {
    let fixed = PREFIX + FIXED + if batch.magic() == 1 { TIMESTAMP } else { 0 };
    let (_, rest) = batch.bytes().split_at(fixed);
    sized(rest)
        .and_then(|(_, rest)| sized(rest))
        .and_then(|(value, _)| value)
        .ok_or(malformed("it has no value"))
}

/// Nullable bytes that follow their size, and the rest behind them.
fn sized(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (size, rest) = bytes.split_first_chunk()?;
    match i32::from_be_bytes(*size) {
        ..0 => Some((None, rest)),
        size => {
            let (bytes, rest) = rest.split_at_checked(size as usize)?;
            Some((Some(bytes), rest))
        }
    }
}

/// The key and the value of a record.
pub type KeyAndValue<'s> = (Option<&'s [u8]>, Option<&'s [u8]>);

/// A message of magic 0 or 1. Offset and timestamp are absolute.
#[derive(Clone, Copy, Debug)]
pub struct LegacyMessage<'s> {
    offset: i64,
    timestamp: Timestamp,
    /// From the checksum on.
    body: &'s [u8],
}

impl<'s> LegacyMessage<'s> {
    /// The message's offset in the partition.
    pub fn offset(&self) -> Offset {
        Offset(self.offset)
    }

    /// The message's time, or that of its wrapper with [`TimestampType::LogAppendTime`]; [`Timestamp::NONE`] with
    /// magic 0.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The checksum that stands in the message.
    pub fn crc(&self) -> u32 {
        let stored = self.body.first_chunk().copied();
        stored.map_or(0, u32::from_be_bytes)
    }

    /// Whether the message is large enough for one, and has the bytes that its checksum says.
    pub fn is_valid(&self) -> bool {
        let mut crc = flate2::Crc::new();
        crc.update(self.body.get(MAGIC_AT..).unwrap_or_default());
        self.body.len() >= LEAST && crc.sum() == self.crc()
    }

    /// The sizes of key and value as they are written; negative ones stand for null.
    ///
    /// # Errors
    /// The message ends before them.
    pub fn sizes(&self) -> Result<(i32, i32), RecordsError> {
        let cut = || malformed("a message of it is cut off");
        let (key_size, rest) = self.sized_part().split_first_chunk().ok_or_else(cut)?;
        let key_size = i32::from_be_bytes(*key_size);
        let behind_key = rest.get(key_size.max(0) as usize..).ok_or_else(cut)?;
        let value_size = behind_key.first_chunk().ok_or_else(cut)?;
        Ok((key_size, i32::from_be_bytes(*value_size)))
    }

    /// Key and value.
    ///
    /// # Errors
    /// The message ends within them.
    pub fn key_and_value(&self) -> Result<KeyAndValue<'s>, RecordsError> {
        let both = sized(self.sized_part()).and_then(|(key, rest)| Some((key, sized(rest)?.0)));
        both.ok_or(malformed("a message of it is cut off"))
    }

    /// From the size of the key on.
    fn sized_part(&self) -> &'s [u8] {
        let has_time = self.body.get(MAGIC_AT) != Some(&0);
        let fixed = FIXED + if has_time { TIMESTAMP } else { 0 };
        self.body.get(fixed..).unwrap_or_default()
    }
}

/// Iterates over the messages of a batch of magic 0 or 1.
#[derive(Clone, Debug)]
pub struct LegacyMessages<'s> {
    walk: Walk<'s>,
    /// The offset from which those inside a wrapper count.
    first: i64,
    /// The time of all messages, if the broker's clock gave it.
    append_time: Option<Timestamp>,
}

impl<'s> Iterator for LegacyMessages<'s> {
    type Item = LegacyMessage<'s>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut message = self.walk.next()?;
        // The sum wraps, because stored batches may be anything.
        message.offset = self.first.wrapping_add(message.offset);
        message.timestamp = self.append_time.unwrap_or(message.timestamp);
        Some(message)
    }
}

/// Iterates over the messages as they stand, and ends before one that is cut off, as Kafka does.
#[derive(Clone, Debug)]
struct Walk<'s> {
    rest: &'s [u8],
}

impl<'s> Iterator for Walk<'s> {
    type Item = LegacyMessage<'s>;

    fn next(&mut self) -> Option<LegacyMessage<'s>> {
        let (offset, rest) = self.rest.split_first_chunk()?;
        let (body, rest) = sized(rest)?;
        self.rest = rest;
        let body = body?;
        let magic = *body.get(MAGIC_AT)?;
        let timestamp = if magic == 0 {
            Timestamp::NONE
        } else {
            let at = body.get(FIXED..)?;
            Timestamp(i64::from_be_bytes(*at.first_chunk()?))
        };
        Some(LegacyMessage {
            offset: i64::from_be_bytes(*offset),
            timestamp,
            body,
        })
    }
}
