//! The records in a fetched piece of a partition: those from a position on that a consumer is to see.
//!
//! PURE. Control records, and those of aborted transactions if asked for, are passed over; the position moves
//! past them all the same.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;

use crate::protocol::messages::fetch::AbortedTransaction;
use crate::records::control::{ControlType, EndTransactionMarker};
use crate::records::{Batch, Batches, Compression, Record, RecordsError, Scratch, TimestampType};

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumed {
    /// Its place in the partition.
    pub offset: i64,
    /// When, in ms since 1970.
    pub timestamp: i64,
    /// Who has told the time.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Keys and values, in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// The bytes of the record before compression.
    pub size: usize,
    /// How its batch is compressed.
    pub compression: Compression,
}

/// Which of the records that were fetched are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Their offsets.
    pub offsets: Range<i64>,
    /// No more are read once they have so many bytes together, decompressed.
    pub most_bytes: usize,
}

impl Wanted {
    /// All from an offset on.
    pub(super) fn from(offset: i64) -> Self {
        Self {
            offsets: offset..i64::MAX,
            most_bytes: usize::MAX,
        }
    }
}

/// The offset to go on with behind the whole batches in `bytes`, when the position was `from`.
///
/// # Errors
/// The head of a batch is damaged.
pub(super) fn end(bytes: &[u8], from: i64) -> Result<i64, RecordsError> {
    let mut end = from;
    for batch in Batches::new(bytes) {
        end = end.max(batch?.next_offset().0);
    }
    Ok(end)
}

/// What a piece of a partition holds.
#[derive(Debug, Default, PartialEq)]
pub struct Piece {
    /// Its records.
    pub records: Vec<Consumed>,
    /// The offset to go on with. It may lie beyond those that are wanted.
    pub next: i64,
}

/// Reads all records from offset `from` on in the whole batches of `bytes`.
///
/// # Errors
/// A batch is damaged, or in a format of before 2017.
pub(super) fn read(
    bytes: &Bytes,
    from: i64,
    aborted: Vec<AbortedTransaction>,
    scratch: &mut Scratch,
) -> Result<Vec<Consumed>, RecordsError> {
    let mut piece = Piece::default();
    read_into(&mut piece, bytes, &Wanted::from(from), (aborted, scratch))?;
    Ok(piece.records)
}

/// Reads those records that are wanted in the whole batches of `bytes`. `aborted` names the transactions whose
/// records are passed over; it is empty where all records are to be seen.
///
/// # Errors
/// The first batch is damaged, in a format of before 2017, or takes more memory than `scratch` may. Where it is
/// a later one, what comes before it is read.
pub fn read_fetched(
    bytes: &Bytes,
    wanted: &Wanted,
    aborted: Vec<AbortedTransaction>,
    scratch: &mut Scratch,
) -> Result<Piece, RecordsError> {
    let mut piece = Piece {
        records: Vec::new(),
        next: wanted.offsets.start,
    };
    match read_into(&mut piece, bytes, wanted, (aborted, scratch)) {
        Err(error) if piece.next == wanted.offsets.start => Err(error),
        // The next piece begins with the batch that cannot be read.
        _ => Ok(piece),
    }
}

fn read_into(
    piece: &mut Piece,
    bytes: &Bytes,
    wanted: &Wanted,
    (mut aborted, scratch): (Vec<AbortedTransaction>, &mut Scratch),
) -> Result<(), RecordsError> {
    aborted.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
    let mut open: BTreeSet<i64> = BTreeSet::new();
    let mut left = wanted.most_bytes;
    for batch in Batches::new(bytes) {
        let batch = batch?;
        if batch.base_offset().0 >= wanted.offsets.end {
            break;
        }
        batch.check_crc()?;
        let last = batch.last_offset().0;
        while aborted.last().is_some_and(|it| it.first_offset <= last) {
            open.extend(aborted.pop().map(|it| it.producer_id));
        }
        let producer = batch.producer_id().0;
        if batch.is_control() {
            if is_abort(&batch, scratch)? {
                open.remove(&producer);
            }
        } else if !(batch.is_transactional() && open.contains(&producer)) {
            let of_batch = (batch.timestamp_type(), batch.compression()?);
            // What is not compressed lies in the answer, and is shared with it.
            let shared = (of_batch.1 == Compression::None).then_some(bytes);
            for record in batch.records(scratch)? {
                let record = record?;
                if !wanted.offsets.contains(&record.offset().0) {
                    continue;
                }
                piece.records.push(consumed(&record, of_batch, shared));
                piece.next = record.offset().0.saturating_add(1);
                left = left.saturating_sub(record.size());
                if left == 0 {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn is_abort(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<bool, RecordsError> {
    let record = batch.records(scratch)?.next().transpose()?;
    Ok(record.is_some_and(|record| {
        ControlType::of(&record) == Some(ControlType::Abort)
            || EndTransactionMarker::of(&record).is_some_and(|marker| !marker.committed)
    }))
}

fn consumed(
    record: &Record<'_>,
    (timestamp_type, compression): (TimestampType, Compression),
    shared: Option<&Bytes>,
) -> Consumed {
    let own = |part: &[u8]| match shared {
        Some(shared) => shared.slice_ref(part),
        None => Bytes::copy_from_slice(part),
    };
    let copy = |part: Option<&[u8]>| part.map(own);
    let headers = record
        .headers()
        .map(|header| (own(header.key), copy(header.value)));
    Consumed {
        offset: record.offset().0,
        timestamp: record.timestamp().0,
        timestamp_type,
        key: copy(record.key()),
        value: copy(record.value()),
        headers: headers.collect(),
        size: record.size(),
        compression,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp};
    use crate::records::control::{Placement, end_transaction_marker};
    use crate::records::{BatchBuilder, NewRecord};

    fn batch(base: i64, values: &[&str], producer: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset(base));
        if let Some(id) = producer {
            builder = builder.producer(ProducerId(id), 0, 0).transactional();
        }
        for value in values {
            builder.append(NewRecord {
                value: Some(value.as_bytes()),
                ..NewRecord::default()
            });
        }
        builder.build().to_vec()
    }

    fn marker(offset: i64, producer: i64, committed: bool) -> Vec<u8> {
        let placement = Placement {
            base_offset: Offset(offset),
            leader_epoch: LeaderEpoch(0),
            timestamp: Timestamp(0),
        };
        let marker = EndTransactionMarker {
            committed,
            coordinator_epoch: 0,
        };
        end_transaction_marker(placement, ProducerId(producer), 0, marker).to_vec()
    }

    fn values(records: &[Consumed]) -> Vec<&[u8]> {
        records
            .iter()
            .filter_map(|record| record.value.as_deref())
            .collect()
    }

    #[test]
    fn records_before_the_position_are_passed_over() {
        let bytes = Bytes::from([batch(0, &["a", "b"], None), batch(2, &["c"], None)].concat());

        let records = read(&bytes, 1, Vec::new(), &mut Scratch::default()).expect("good batches");

        assert_eq!(values(&records), [b"b", b"c"]);
        assert_eq!(end(&bytes, 1), Ok(3));
    }

    #[test]
    fn what_was_aborted_is_passed_over_up_to_its_marker() {
        let bytes = [
            batch(0, &["aborted"], Some(1)),
            batch(1, &["committed"], Some(2)),
            marker(2, 1, false),
            batch(3, &["later"], Some(1)),
            marker(4, 2, true),
        ];
        let bytes = Bytes::from(bytes.concat());
        let aborted = || {
            vec![AbortedTransaction {
                producer_id: 1,
                first_offset: 0,
            }]
        };

        let committed = read(&bytes, 0, aborted(), &mut Scratch::default()).expect("good batches");
        let all = read(&bytes, 0, Vec::new(), &mut Scratch::default()).expect("good batches");

        assert_eq!(values(&committed), [&b"committed"[..], b"later"]);
        assert_eq!(end(&bytes, 0), Ok(5), "past the last marker");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_damaged_batch_is_an_error() {
        let mut bytes = batch(0, &["a"], None);
        *bytes.last_mut().expect("not empty") ^= 1;

        let bytes = Bytes::from(bytes);
        assert!(read(&bytes, 0, Vec::new(), &mut Scratch::default()).is_err());
    }

    #[test]
    fn what_comes_before_a_damaged_batch_is_read() {
        let mut bytes = [batch(0, &["a"], None), batch(1, &["b"], None)].concat();
        *bytes.last_mut().expect("not empty") ^= 1;
        let bytes = Bytes::from(bytes);
        let read = |from| {
            let mut scratch = Scratch::default();
            read_fetched(&bytes, &Wanted::from(from), Vec::new(), &mut scratch)
        };

        let piece = read(0).expect("the first is good");

        assert_eq!((values(&piece.records), piece.next), (vec![&b"a"[..]], 1));
        assert!(read(1).is_err());
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let bytes = [batch(0, &["a", "b", "c"], None), batch(3, &["d"], None)];
        let bytes = Bytes::from(bytes.concat());
        let read = |offsets, most_bytes| {
            let wanted = Wanted {
                offsets,
                most_bytes,
            };
            let mut scratch = Scratch::default();
            read_fetched(&bytes, &wanted, Vec::new(), &mut scratch).expect("good batches")
        };

        let some = read(1..3, usize::MAX);
        assert_eq!(
            (values(&some.records), some.next),
            (vec![&b"b"[..], b"c"], 3)
        );
        let one = read(1..i64::MAX, 1);
        assert_eq!((values(&one.records), one.next), (vec![&b"b"[..]], 2));
    }
}
