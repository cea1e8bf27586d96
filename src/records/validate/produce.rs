//! Takes one partition's records in a Produce request from bytes to a batch that may be appended.
//!
//! The order of the checks is Kafka's, so that a batch with two faults gets the same error.

use std::cell::RefCell;

use bytes::Bytes;

use crate::model::{Offset, Timestamp};
use crate::protocol::error_code::ErrorCode;
use crate::records::attributes::TimestampType;
use crate::records::batch::{Batch, Batches};
use crate::records::compression::{Compression, CompressionSetting, Decompressed, Scratch};
use crate::records::error::RecordsError;
use crate::records::header::{BatchHeader, CURRENT_MAGIC, HEADER_SIZE};

use super::ValidatedBatch;
use super::policy::AppendPolicy;
use super::rebuild::recompress;
use super::record_checks::check_records;
use super::rejection::Rejection;

/// The first version of Produce in which a client may send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// How much more work than looking at a byte compressing it is.
const COMPRESSING: usize = 16;

thread_local! {
    /// Buffers for compressed batches, one for each thread: no allocation per batch, and no lock.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Checks the records that a client sent to one partition against the topic's `policy`, and everything in
/// them against each other. `now` becomes the timestamp where the topic says `LogAppendTime`. The log
/// decides whether the producer may write (epoch, sequence number, transaction), from the header of the
/// result.
///
/// # Errors
/// What Kafka answers, in the order in which Kafka checks.
pub fn validate_produce(
    records: &Bytes,
    policy: &AppendPolicy,
    now: Timestamp,
) -> Result<ValidatedBatch, Rejection> {
    let validated = validate_within(records, policy, now, &mut { usize::MAX })?;
    Ok(validated.expect("no batch takes more work than there can be"))
}

/// As [`validate_produce`], for one who has little time: `None` if it takes more work than `left`, in
/// bytes of records, compressed or not. What is done is taken from that.
///
/// # Errors
/// As [`validate_produce`].
pub fn validate_within(
    records: &Bytes,
    policy: &AppendPolicy,
    now: Timestamp,
    left: &mut usize,
) -> Result<Option<ValidatedBatch>, Rejection> {
    // Most topics keep what producers chose.
    let times = policy.compression.map_or(1, |_| COMPRESSING);
    let looked_at = records.len().saturating_mul(times);
    if looked_at > *left {
        return Ok(None);
    }
    *left -= looked_at;
    let batch = only_batch(records)?;
    check_header(&batch, policy)?;
    let mut header = *batch.header();
    let body = SCRATCH.with_borrow_mut(|scratch| {
        let body = match opened(&batch, policy, scratch, (left, times)) {
            Ok(Some(stream)) => checked_body(&batch, &mut header, (records, stream), policy, now),
            Ok(None) => return Ok(None),
            Err(error) => Err(error.into()),
        };
        body.map(Some)
    });
    SCRATCH.with_borrow_mut(Scratch::release);
    let Some(records) = body? else {
        return Ok(None);
    };
    check_stored_size(header.size(), policy)?;
    Ok(Some(ValidatedBatch { header, records }))
}

/// What Kafka checks of the records for a partition that exists, before it asks whether this broker
/// leads it: that they are one batch of magic 2, with a codec that this version of Produce knows.
/// `records` may be anything.
///
/// # Errors
/// As [`validate_produce`], and `UNSUPPORTED_COMPRESSION_TYPE`.
pub fn check_request(records: &[u8], version: i16) -> Result<(), Rejection> {
    let batch = only_batch(records)?;
    if version < ZSTD_SINCE && batch.compression()? == Compression::Zstd {
        return Err(Rejection::new(
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            format!("zstd needs version {ZSTD_SINCE} of Produce, this is version {version}"),
        ));
    }
    Ok(())
}

/// The one batch of magic 2 that there must be. Bytes of a partial batch behind it are dropped, as in
/// Kafka.
fn only_batch(records: &[u8]) -> Result<Batch<'_>, Rejection> {
    let mut batches = Batches::new(records);
    let Some(batch) = batches.next().transpose()? else {
        return Err(Rejection::invalid_record("there is no whole record batch"));
    };
    let magic = batch.magic();
    if magic != CURRENT_MAGIC {
        return Err(Rejection::invalid_record(format!(
            "record batch of magic {magic}, only {CURRENT_MAGIC} is accepted"
        )));
    }
    if batches.next().transpose()?.is_some() {
        return Err(Rejection::invalid_record(
            "more than one record batch for a partition",
        ));
    }
    Ok(batch)
}

/// Checks everything that does not need the records.
fn check_header(batch: &Batch<'_>, policy: &AppendPolicy) -> Result<(), Rejection> {
    let base_offset = batch.base_offset();
    if base_offset != Offset::ZERO {
        return Err(Rejection::invalid_record(format!(
            "record batch begins at offset {base_offset}, a producer's begins at 0"
        )));
    }
    check_size(batch.size(), policy)?;
    batch.check_crc()?;
    check_count(batch)?;
    check_flags(batch, policy)?;
    check_producer(batch)
}

fn check_count(header: &BatchHeader) -> Result<(), Rejection> {
    let (count, last) = (header.record_count(), header.last_offset_delta());
    if last < 0 || count <= 0 || last != count - 1 {
        return Err(Rejection::invalid_record(format!(
            "record batch counts {count} records but ends at offset delta {last}"
        )));
    }
    Ok(())
}

fn check_flags(header: &BatchHeader, policy: &AppendPolicy) -> Result<(), Rejection> {
    if header.is_control() {
        return Err(Rejection::invalid_record(
            "control records come from brokers only",
        ));
    }
    // A topic of CreateTime takes such a batch, as in Kafka: the records have times of their own.
    if [header.timestamp_type(), policy.timestamp_type] == [TimestampType::LogAppendTime; 2] {
        return Err(Rejection::new(
            ErrorCode::INVALID_TIMESTAMP,
            "timestamps of type LogAppendTime come from brokers only",
        ));
    }
    Ok(())
}

/// Checks the producer's fields. Without a producer id its epoch and sequence number are ignored, because
/// some clients leave 0 there.
fn check_producer(header: &BatchHeader) -> Result<(), Rejection> {
    let (id, epoch, sequence) = (
        header.producer_id(),
        header.producer_epoch(),
        header.base_sequence(),
    );
    if header.has_producer_id() && (epoch < 0 || sequence < 0) {
        return Err(Rejection::invalid_record(format!(
            "producer {id} sends epoch {epoch} and sequence {sequence}, both must be at least 0"
        )));
    }
    if header.is_transactional() && !header.has_producer_id() {
        return Err(Rejection::invalid_record(
            "transactional record batch without a producer id",
        ));
    }
    Ok(())
}

/// The records of a batch; `None` if they take more work than what is left, where each byte costs so many
/// `times` as much.
fn opened<'s>(
    batch: &'s Batch<'_>,
    policy: &AppendPolicy,
    scratch: &'s mut Scratch,
    (left, times): (&mut usize, usize),
) -> Result<Option<Decompressed<'s>>, RecordsError> {
    let codec = batch.compression()?;
    if codec == Compression::None {
        return Ok(Some(Decompressed::as_it_is(batch.record_bytes())));
    }
    let (limit, before) = (policy.max_decompressed_batch_bytes, *left);
    // What fails may have taken all of it.
    *left = 0;
    match scratch.read(limit.min(before / times), codec, batch.record_bytes()) {
        Ok(stream) => {
            *left = before - stream.bytes.len() * times;
            Ok(Some(stream))
        }
        Err(RecordsError::DecompressedTooLarge { .. }) if before / times < limit => Ok(None),
        Err(error) => Err(error),
    }
}

/// Checks the records, and returns them as they are to be stored; `header` is changed accordingly.
fn checked_body(
    batch: &Batch<'_>,
    header: &mut BatchHeader,
    (records, stream): (&Bytes, Decompressed<'_>),
    policy: &AppendPolicy,
    now: Timestamp,
) -> Result<Bytes, Rejection> {
    let codec = batch.compression()?;
    let record_limit = match codec {
        Compression::None => usize::MAX,
        _ => policy.max_decompressed_message_bytes,
    };
    let max_timestamp = check_records(header, stream.bytes, policy, record_limit, now)?;
    let setting = policy.compression.filter(|setting| setting.codec != codec);
    let body = match setting {
        Some(setting) => recompress(header, stream.bytes, setting)?,
        // The records are compressed anew, so that consumers whose readers are stricter than Java's can
        // read them.
        None if !stream.is_strict => {
            recompress(header, stream.bytes, CompressionSetting::new(codec))?
        }
        None => records.slice(HEADER_SIZE..batch.size()),
    };
    let max_timestamp = match policy.timestamp_type {
        TimestampType::CreateTime => max_timestamp,
        TimestampType::LogAppendTime => now,
    };
    header.settle(policy.timestamp_type, max_timestamp, &body);
    Ok(body)
}

fn check_size(size: usize, policy: &AppendPolicy) -> Result<(), Rejection> {
    let limit = policy.max_message_bytes;
    if size > limit {
        return Err(Rejection::new(
            ErrorCode::MESSAGE_TOO_LARGE,
            format!("record batch of {size} bytes exceeds max.message.bytes, {limit}"),
        ));
    }
    Ok(())
}

/// Checks the size after compression, and whether a segment can hold it.
fn check_stored_size(size: usize, policy: &AppendPolicy) -> Result<(), Rejection> {
    check_size(size, policy)?;
    let limit = policy.segment_bytes;
    if size > limit {
        return Err(Rejection::new(
            ErrorCode::RECORD_LIST_TOO_LARGE,
            format!("record batch of {size} bytes exceeds segment.bytes, {limit}"),
        ));
    }
    Ok(())
}
