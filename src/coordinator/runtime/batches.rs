//! Encodes the records of many decisions as few batches, none larger than the topic allows.

use bytes::Bytes;

use crate::coordinator::shard::ShardRecord;
use crate::model::{Offset, Timestamp};
use crate::records::{BatchBuilder, CompressionSetting, NewRecord};

/// The most bytes of a record besides its key and value: attributes, and six varints.
const RECORD_OVERHEAD: usize = 41;

/// The limits of batches, and their codec.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    /// The topic's `max.message.bytes`. No batch is larger before compression, except for a single record
    /// that is.
    pub(super) max_bytes: usize,
    /// The codec of batches.
    pub(super) compression: CompressionSetting,
}

/// A batch of records, as it is appended.
#[derive(Clone, Debug)]
pub(super) struct RecordsBatch {
    /// The bytes of the batch, whose offsets count from 0.
    pub(super) bytes: Bytes,
    /// The count of its records.
    pub(super) count: i32,
}

/// Encodes `records` in their order. All get the same timestamp.
pub(super) fn batches_of<R: ShardRecord>(
    records: &[R],
    timestamp: Timestamp,
    limits: BatchLimits,
) -> Vec<RecordsBatch> {
    let begin = || BatchBuilder::new(Offset::ZERO).compression(limits.compression);
    let mut done = Vec::new();
    let mut open = begin();
    for record in records {
        let (key, value) = record.to_bytes();
        let size = RECORD_OVERHEAD + key.len() + value.as_ref().map_or(0, Bytes::len);
        if !open.is_empty() && open.size() + size > limits.max_bytes {
            done.push(finish(std::mem::replace(&mut open, begin())));
        }
        open.append(NewRecord {
            timestamp,
            key: Some(&key),
            value: value.as_deref(),
            headers: &[],
        });
    }
    if !open.is_empty() {
        done.push(finish(open));
    }
    done
}

fn finish(builder: BatchBuilder) -> RecordsBatch {
    RecordsBatch {
        count: builder.record_count(),
        bytes: builder.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::offsets_records::{
        OffsetCommitKey, OffsetCommitValue, OffsetsRecord,
    };
    use crate::records::{Batch, Compression, Scratch};

    fn commits(count: i32) -> Vec<OffsetsRecord> {
        let commit = |partition| {
            let key = OffsetCommitKey {
                group: "g".into(),
                topic: "t".into(),
                partition,
            };
            OffsetsRecord::OffsetCommit(key, Some(OffsetCommitValue::default()))
        };
        (0..count).map(commit).collect()
    }

    fn limits(max_bytes: usize, codec: Compression) -> BatchLimits {
        BatchLimits {
            max_bytes,
            compression: CompressionSetting::new(codec),
        }
    }

    fn decoded(batch: &RecordsBatch) -> Vec<OffsetsRecord> {
        let parsed = Batch::first_of(&batch.bytes).unwrap().unwrap();
        let mut scratch = Scratch::default();
        let records = parsed.records(&mut scratch).unwrap();
        let decode = |record: crate::records::Record<'_>| {
            let copy = Bytes::copy_from_slice;
            OffsetsRecord::decode(copy(record.key().unwrap()), record.value().map(copy)).unwrap()
        };
        records.map(|record| decode(record.unwrap())).collect()
    }

    #[test]
    fn all_records_go_as_one_batch_if_they_fit() {
        let records = commits(100);

        let batches = batches_of(&records, Timestamp(7), limits(1 << 20, Compression::Lz4));

        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].count, 100);
        assert_eq!(decoded(&batches[0]), records);
    }

    #[test]
    fn no_batch_is_larger_than_the_topic_allows() {
        let records = commits(100);

        let batches = batches_of(&records, Timestamp(7), limits(500, Compression::None));

        assert!(batches.len() > 5);
        assert!(batches.iter().all(|batch| batch.bytes.len() <= 500));
        let all: Vec<_> = batches.iter().flat_map(decoded).collect();
        assert_eq!(all, records);
    }

    #[test]
    fn a_record_that_is_too_large_for_any_batch_goes_alone() {
        let batches = batches_of(&commits(3), Timestamp(7), limits(1, Compression::None));

        assert_eq!(batches.len(), 3);
    }
}
