//! Looks through what was fetched: which records are wanted, and what is shown of them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::lanes::{Came, Item, Want};
use crate::client::{Consumed, Wanted, read_fetched};
use crate::protocol::messages::fetch::PartitionData;
use crate::records::{Batches, Scratch};

/// The largest batch that is read, decompressed.
pub(super) const LARGEST_BATCH: usize = 64 << 20;

/// What becomes of a record: nothing, if it is not wanted.
pub(super) type Make<T> = Arc<dyn Fn(i32, &Consumed) -> Option<T> + Send + Sync>;

/// What was seen of one partition.
pub(super) enum Seen<T> {
    Records {
        came: Came<T>,
        records: u64,
    },
    /// The first batch cannot be read; the one behind it begins at `next`.
    Unreadable {
        next: Option<i64>,
        why: String,
    },
}

/// Looks through what came of a want: `chunk` bytes of records, decompressed, or `most` messages, or until then.
pub(super) fn look_through<T>(
    want: &Want,
    data: PartitionData,
    (chunk, most): (usize, usize),
    (make, scratch): (&Make<T>, &mut Scratch),
    until: Instant,
) -> Seen<T> {
    let PartitionData {
        records,
        aborted_transactions,
        ..
    } = data;
    let nothing = Bytes::new();
    let bytes = records.bytes().unwrap_or(&nothing);
    let wanted = Wanted {
        offsets: want.offsets.clone(),
        most_bytes: chunk,
    };
    let aborted = aborted_transactions.unwrap_or_default();
    let read = read_fetched(bytes, &wanted, aborted, scratch);
    scratch.release();
    let piece = match read {
        Ok(piece) => piece,
        Err(error) => {
            let batch = Batches::new(bytes).next().and_then(Result::ok);
            return Seen::Unreadable {
                next: batch.map(|batch| batch.next_offset().0),
                why: error.to_string(),
            };
        }
    };
    let mut came = Came {
        items: Vec::new(),
        next: piece.next,
        bytes: 0,
    };
    let mut records = 0;
    for record in &piece.records {
        records += 1;
        came.bytes += record.size;
        came.items
            .extend(make(want.partition, record).map(|shown| Item {
                offset: record.offset,
                timestamp: record.timestamp,
                shown,
            }));
        if came.items.len() >= most || Instant::now() >= until {
            came.next = record.offset + 1;
            break;
        }
    }
    Seen::Records { came, records }
}
