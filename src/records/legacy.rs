//! Reads offsets and times, and nothing else, of messages of the old formats, magic 0 and 1. Kafka stopped
//! writing them with 3.0, but they lie on disks that were taken over from it.
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

/// Offset and time of each message of a batch of magic 0 or 1, in order. The time is [`Timestamp::NONE`]
/// where there is none.
///
/// # Errors
/// The wrapper has no value, or its value cannot be decompressed or holds no messages.
pub(super) fn messages<'s>(
    batch: &Batch<'_>,
    scratch: &'s mut Scratch,
) -> Result<Messages<'s>, RecordsError> {
    let codec = batch.compression()?;
    let alone = Messages {
        alone: Some((batch.base_offset(), batch.max_timestamp())),
        inside: Walk { rest: &[] },
        first: 0,
        append_time: None,
    };
    if codec == Compression::None {
        return Ok(alone);
    }
    let inside = Walk {
        rest: scratch.decompress(codec, wrapped(batch)?)?,
    };
    let last = inside.clone().last().ok_or(malformed("it is empty"))?;
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
    Ok(Messages {
        alone: None,
        inside,
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

/// Iterates over messages; see [`messages`].
#[derive(Clone, Debug)]
pub(super) struct Messages<'s> {
    /// The batch's own offset and time, if it is not compressed.
    alone: Option<(Offset, Timestamp)>,
    inside: Walk<'s>,
    /// The offset from which those inside count.
    first: i64,
    /// The time of all messages, if the broker's clock gave it.
    append_time: Option<Timestamp>,
}

impl Iterator for Messages<'_> {
    type Item = (Offset, Timestamp);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(alone) = self.alone.take() {
            return Some(alone);
        }
        let message = self.inside.next()?;
        Some((
            // The sum wraps, because stored batches may be anything.
            Offset(self.first.wrapping_add(message.offset)),
            self.append_time.unwrap_or(message.timestamp),
        ))
    }
}

/// A message as it stands in a wrapper.
struct Inside {
    offset: i64,
    timestamp: Timestamp,
}

/// Iterates over the messages, and ends before one that is cut off, as Kafka does.
#[derive(Clone, Debug)]
struct Walk<'s> {
    rest: &'s [u8],
}

impl Iterator for Walk<'_> {
    type Item = Inside;

    fn next(&mut self) -> Option<Inside> {
        let (offset, rest) = self.rest.split_first_chunk()?;
        let (message, rest) = sized(rest)?;
        self.rest = rest;
        let message = message?;
        let magic = *message.get(MAGIC_AT)?;
        let timestamp = if magic == 0 {
            Timestamp::NONE
        } else {
            let at = message.get(FIXED..)?;
            Timestamp(i64::from_be_bytes(*at.first_chunk()?))
        };
        Some(Inside {
            offset: i64::from_be_bytes(*offset),
            timestamp,
        })
    }
}
