//! Takes records out of a batch, for compaction.
//!
//! Offsets, timestamps, epochs, sequence numbers and the codec stay; so does the last offset of the batch,
//! even if its record goes. Records that stay keep their bytes, unless a delete horizon (KIP-534) becomes
//! the base of their timestamps.

use std::ops::Range;

use super::attributes::{Attributes, TimestampType};
use super::batch::Batch;
use super::compression::{self, Compression, CompressionSetting, Scratch};
use super::error::{RecordFault, RecordsError};
use super::header::{BatchHeader, HEADER_SIZE};
use super::record::{Record, Records};
use super::varint::{Reader, put_varlong, varlong_size};
use crate::model::Timestamp;

/// How many records are decided on at a time. Looking up many keys together is faster than one after the
/// other, because the look-ups wait for memory at the same time.
pub const RECORDS_AT_ONCE: usize = 16;

/// Adjacent records; `None` behind the last one of a batch.
pub type RecordGroup<'a> = [Option<Record<'a>>; RECORDS_AT_ONCE];

/// What is left of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// All records: the batch's bytes can stay as they are.
    Unchanged,
    /// Some of the records, or all with a delete horizon: the new batch was written.
    Rewritten,
    /// No records. Nothing was written.
    Empty,
}

/// Takes records out of batches. Its buffers are used again for each batch.
#[derive(Debug)]
pub struct RecordFilter {
    scratch: Scratch,
    kept: Vec<Range<usize>>,
    plain: Vec<u8>,
}

/// What is known of the records that stay.
struct Kept {
    count: i32,
    max_timestamp: i64,
    tombstones: bool,
}

impl RecordFilter {
    /// A filter that decompresses no batch to more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            scratch: Scratch::with_limit(limit),
            kept: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// The buffers, for reading records without taking any out.
    pub fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    /// Keeps those records of `batch`, which is of magic 2, that `keep` wants. The batch that replaces it
    /// is added to `out`. A batch without a delete horizon gets `horizon` if tombstones stay in it, or if
    /// `needs_horizon` is set.
    ///
    /// # Errors
    /// The batch cannot be decompressed within the limit, or a record is malformed.
    pub fn filter(
        &mut self,
        batch: &Batch<'_>,
        horizon: Timestamp,
        needs_horizon: bool,
        keep: impl FnMut(&RecordGroup<'_>) -> [bool; RECORDS_AT_ONCE],
        out: &mut Vec<u8>,
    ) -> Result<Filtered, RecordsError> {
        let codec = batch.compression()?;
        let bytes = match codec {
            // A batch that compaction has emptied before has nothing that could be decompressed.
            _ if batch.record_count() == 0 => &[],
            Compression::None => batch.record_bytes(),
            _ => self.scratch.decompress(codec, batch.record_bytes())?,
        };
        let kept = choose(batch, bytes, &mut self.kept, keep)?;
        if kept.count == 0 {
            return Ok(Filtered::Empty);
        }
        // Tombstones get the horizon when they are first compacted; from then on it stays (KIP-534).
        let is_new = (kept.tombstones || needs_horizon) && batch.delete_horizon().is_none();
        if kept.count == batch.record_count() && !is_new {
            return Ok(Filtered::Unchanged);
        }
        let mut header = *batch.header();
        header.record_count = kept.count;
        // With log append time the field is the time of every record, whichever stay.
        if header.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = kept.max_timestamp;
        }
        let start = out.len();
        out.resize(start + HEADER_SIZE, 0);
        let plain = match codec {
            Compression::None => &mut *out,
            _ => {
                self.plain.clear();
                &mut self.plain
            }
        };
        // The base becomes the horizon, so every delta has to be written again.
        if is_new {
            header.attributes.set_delete_horizon(true);
            header.base_timestamp = horizon.0;
            let runs = self.kept.iter().map(|run| &bytes[run.clone()]);
            copy_with_base(batch.header(), horizon, runs, plain)?;
        } else {
            for run in &self.kept {
                plain.extend_from_slice(&bytes[run.clone()]);
            }
        }
        if codec != Compression::None {
            compression::compress(CompressionSetting::new(codec), &self.plain, out);
        }
        finish(&mut header, out, start);
        Ok(Filtered::Rewritten)
    }

    /// Adds to `out` what is left of a batch whose records have all gone: offsets, epochs, and the sequence
    /// numbers of its producer.
    pub fn write_empty(header: &BatchHeader, out: &mut Vec<u8>) {
        let mut attributes = Attributes::default();
        attributes.set_timestamp_type(header.timestamp_type());
        attributes.set_transactional(header.is_transactional());
        attributes.set_control(header.is_control());
        let mut empty = BatchHeader {
            attributes,
            base_timestamp: Timestamp::NONE.0,
            record_count: 0,
            ..*header
        };
        let start = out.len();
        out.resize(start + HEADER_SIZE, 0);
        finish(&mut empty, out, start);
    }

    /// Gives memory beyond a few MiB back, after a batch that needed it.
    pub fn release(&mut self) {
        self.scratch.release();
        self.plain.shrink_to(4 << 20);
        self.kept.shrink_to(1 << 16);
    }
}

/// Finds the records that stay, as ranges of `bytes`; adjacent ones are joined.
fn choose(
    header: &BatchHeader,
    bytes: &[u8],
    kept: &mut Vec<Range<usize>>,
    mut keep: impl FnMut(&RecordGroup<'_>) -> [bool; RECORDS_AT_ONCE],
) -> Result<Kept, RecordsError> {
    kept.clear();
    let mut found = Kept {
        count: 0,
        max_timestamp: Timestamp::NONE.0,
        tombstones: false,
    };
    let mut records = Records::new(header, bytes)?;
    let mut start = 0;
    loop {
        let mut group: RecordGroup<'_> = [None; RECORDS_AT_ONCE];
        let mut ends = [0; RECORDS_AT_ONCE];
        for (record, end) in group.iter_mut().zip(&mut ends) {
            *record = records.next().transpose()?;
            *end = bytes.len() - records.remaining();
        }
        for ((record, end), keeps) in group.iter().zip(ends).zip(keep(&group)) {
            let Some(record) = record else {
                return Ok(found);
            };
            if keeps {
                found.note(record);
                match kept.last_mut() {
                    // Few long ranges are copied faster than many short ones.
                    Some(run) if run.end == start => run.end = end,
                    _ => kept.push(start..end),
                }
            }
            start = end;
        }
    }
}

impl Kept {
    fn note(&mut self, record: &Record<'_>) {
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp().0);
        self.tombstones |= record.value().is_none();
    }
}

/// Copies records with timestamps that count from another base.
fn copy_with_base<'b>(
    header: &BatchHeader,
    base: Timestamp,
    runs: impl Iterator<Item = &'b [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    let is_append_time = header.timestamp_type() == TimestampType::LogAppendTime;
    let mut index = 0;
    for run in runs {
        let mut reader = Reader::new(run);
        while !reader.rest().is_empty() {
            let fault = |fault| RecordsError::Record { index, fault };
            let (attributes, delta, rest) = split(&mut reader).map_err(fault)?;
            let timestamp = if is_append_time {
                header.max_timestamp
            } else {
                header.base_timestamp.wrapping_add(delta)
            };
            let delta = timestamp.wrapping_sub(base.0);
            let length = 1 + varlong_size(delta) + rest.len();
            put_varlong(out, length as i64);
            out.push(attributes);
            put_varlong(out, delta);
            out.extend_from_slice(rest);
            index += 1;
        }
    }
    Ok(())
}

/// Splits the next record: its attributes, its timestamp delta, and the bytes behind that.
fn split<'b>(reader: &mut Reader<'b>) -> Result<(u8, i64, &'b [u8]), RecordFault> {
    let length = reader.varint()?;
    let length = usize::try_from(length).map_err(|_| RecordFault::NegativeLength)?;
    let mut record = Reader::new(reader.slice(length)?);
    Ok((record.byte()?, record.varlong()?, record.rest()))
}

/// Sets the size and checksum of the batch that begins at `start` and ends with `out`.
fn finish(header: &mut BatchHeader, out: &mut [u8], start: usize) {
    let batch = &mut out[start..];
    header.size = u32::try_from(batch.len())
        .ok()
        .filter(|&size| size <= i32::MAX as u32)
        .expect("a batch is smaller than 2 GiB");
    header.seal(&batch[HEADER_SIZE..]);
    batch[..HEADER_SIZE].copy_from_slice(&header.to_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeaderEpoch, Offset, ProducerId};
    use crate::records::{BatchBuilder, Header, NewRecord};
    use bytes::Bytes;

    const HORIZON: Timestamp = Timestamp(1_000_000);

    fn batch(codec: Compression) -> Bytes {
        let mut builder = BatchBuilder::new(Offset(100))
            .leader_epoch(LeaderEpoch(7))
            .producer(ProducerId(5), 2, 30)
            .compression(CompressionSetting::new(codec));
        for number in 0..10_u8 {
            builder.append(NewRecord {
                timestamp: Timestamp(5_000 + i64::from(number)),
                key: Some(&[number]),
                value: (number != 4).then_some(&[number; 50]),
                headers: &[Header {
                    key: b"h",
                    value: None,
                }],
            });
        }
        builder.build()
    }

    /// Offset, timestamp, key and whether there is a value, of each record.
    fn records(batch: &Batch<'_>) -> Vec<(i64, i64, u8, bool)> {
        let mut scratch = Scratch::default();
        let records = batch.records(&mut scratch).unwrap();
        records
            .map(|record| {
                let record = record.unwrap();
                assert_eq!(record.headers().count(), 1);
                (
                    record.offset().0,
                    record.timestamp().0,
                    record.key().unwrap()[0],
                    record.value().is_some(),
                )
            })
            .collect()
    }

    fn filtered(batch: &Bytes, keep: impl Fn(u8) -> bool) -> (Filtered, Vec<u8>) {
        let mut filter = RecordFilter::with_limit(1 << 20);
        let mut out = vec![1, 2, 3];
        let whole = Batch::first_of(batch).unwrap().unwrap();
        let keep = |record: Record<'_>| keep(record.key().unwrap()[0]);
        let keep = |group: &RecordGroup<'_>| group.map(|record| record.is_some_and(keep));
        let result = filter.filter(&whole, HORIZON, false, keep, &mut out);
        assert_eq!(out[..3], [1, 2, 3]);
        (result.unwrap(), out.split_off(3))
    }

    const CODECS: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    #[test]
    fn records_that_stay_keep_their_offsets_and_times_in_every_codec() {
        for codec in CODECS {
            let original = batch(codec);
            let before = Batch::first_of(&original).unwrap().unwrap();

            let (result, bytes) = filtered(&original, |key| key != 4 && key % 3 != 0);

            assert_eq!(result, Filtered::Rewritten);
            let after = Batch::first_of(&bytes).unwrap().unwrap();
            assert!(after.crc_is_valid());
            assert_eq!(after.size(), bytes.len());
            let kept: Vec<_> = records(&before)
                .into_iter()
                .filter(|(_, _, key, _)| *key != 4 && key % 3 != 0)
                .collect();
            assert_eq!(records(&after), kept, "{codec}");
            assert_eq!(after.base_offset(), before.base_offset());
            assert_eq!(after.last_offset(), before.last_offset());
            assert_eq!(after.last_sequence(), before.last_sequence());
            assert_eq!(after.partition_leader_epoch(), LeaderEpoch(7));
            assert_eq!(after.compression(), Ok(codec));
            assert_eq!(after.max_timestamp(), Timestamp(5_008));
            assert_eq!(after.delete_horizon(), None);
        }
    }

    #[test]
    fn a_tombstone_that_stays_gives_its_batch_a_horizon_once() {
        for codec in CODECS {
            let original = batch(codec);
            let before = Batch::first_of(&original).unwrap().unwrap();

            let (result, bytes) = filtered(&original, |_| true);

            assert_eq!(result, Filtered::Rewritten);
            let after = Batch::first_of(&bytes).unwrap().unwrap();
            assert!(after.crc_is_valid());
            assert_eq!(after.delete_horizon(), Some(HORIZON));
            assert_eq!(records(&after), records(&before));
            let again = filtered(&Bytes::from(bytes), |_| true);
            assert_eq!(again, (Filtered::Unchanged, Vec::new()));
        }
    }

    #[test]
    fn a_batch_of_which_nothing_goes_is_left_as_it_is() {
        let mut builder = BatchBuilder::new(Offset(0));
        builder.append(NewRecord {
            key: Some(b"k"),
            value: Some(b"v"),
            ..NewRecord::default()
        });
        let original = builder.build();

        assert_eq!(
            filtered(&original, |_| true),
            (Filtered::Unchanged, Vec::new())
        );
        assert_eq!(
            filtered(&original, |_| false),
            (Filtered::Empty, Vec::new())
        );
    }

    #[test]
    fn an_emptied_batch_keeps_its_offsets_and_sequences() {
        let original = batch(Compression::Zstd);
        let before = Batch::first_of(&original).unwrap().unwrap();
        let mut out = Vec::new();

        RecordFilter::write_empty(before.header(), &mut out);

        let after = Batch::first_of(&out).unwrap().unwrap();
        assert!(after.crc_is_valid());
        assert_eq!((after.size(), after.record_count()), (HEADER_SIZE, 0));
        assert_eq!(after.compression(), Ok(Compression::None));
        assert_eq!(after.base_offset(), before.base_offset());
        assert_eq!(after.last_offset(), before.last_offset());
        assert_eq!(after.producer_id(), before.producer_id());
        assert_eq!(after.last_sequence(), before.last_sequence());
        assert_eq!(after.max_timestamp(), before.max_timestamp());
    }
}
