//! Control records: transaction markers in any log, the quorum's own records in the metadata log.
//!
//! The key is two int16: version 0, and the type. The value of a marker is a version 0 and the
//! coordinator's epoch. Other values are opaque here; `protocol` encodes them.

use bytes::{BufMut, Bytes};

use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp};

use super::builder::{BatchBuilder, NewRecord};
use super::header::BatchHeader;
use super::record::{Record, Records};

const VERSION: i16 = 0;

/// The type of a control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// A transaction was aborted: its records are not to be read.
    Abort,
    /// A transaction was committed: its records count.
    Commit,
    /// A leader of the quorum began its epoch.
    LeaderChange,
    /// A snapshot begins.
    SnapshotHeader,
    /// A snapshot is complete.
    SnapshotFooter,
    /// The quorum's own version (KIP-853).
    KraftVersion,
    /// The quorum's voters (KIP-853).
    KraftVoters,
    /// A type that is unknown here: the record is passed over.
    Unknown(i16),
}

impl ControlType {
    /// The type in the key of a control record; `None` if the key is not such a key.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let [version @ .., type_high, type_low] = *key.first_chunk::<4>()?;
        // Later versions of the key can only append to it.
        if i16::from_be_bytes(version) < VERSION {
            return None;
        }
        Some(Self::from_id(i16::from_be_bytes([type_high, type_low])))
    }

    /// The type of a record of a control batch; `None` if its key is not that of a control record.
    pub fn of(record: &Record<'_>) -> Option<Self> {
        Self::of_key(record.key()?)
    }

    /// The number that stands for the type.
    pub fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KraftVersion => 5,
            Self::KraftVoters => 6,
            Self::Unknown(id) => id,
        }
    }

    fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KraftVersion,
            6 => Self::KraftVoters,
            _ => Self::Unknown(id),
        }
    }

    fn key(self) -> [u8; 4] {
        let [type_high, type_low] = self.id().to_be_bytes();
        let [version_high, version_low] = VERSION.to_be_bytes();
        [version_high, version_low, type_high, type_low]
    }
}

/// The end of a transaction in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether the transaction was committed.
    pub committed: bool,
    /// The epoch of the transaction coordinator that ended it.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The marker in a control batch, given its header and the bytes behind it; `None` if the batch holds
    /// another control record, or an unreadable one.
    pub fn of_batch(header: &BatchHeader, records: &[u8]) -> Option<Self> {
        let record = Records::new(header, records).ok()?.next()?.ok()?;
        Self::of(&record)
    }

    /// The marker in a record of a control batch; `None` if the record is another control record.
    pub fn of(record: &Record<'_>) -> Option<Self> {
        let committed = match ControlType::of(record)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            _ => return None,
        };
        let [version_high, version_low, epoch @ ..] = *record.value()?.first_chunk::<6>()?;
        if i16::from_be_bytes([version_high, version_low]) < VERSION {
            return None;
        }
        Some(Self {
            committed,
            coordinator_epoch: i32::from_be_bytes(epoch),
        })
    }
}

/// The place of a control batch in the log, and its timestamp.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The epoch of the leader that writes the batch.
    pub leader_epoch: LeaderEpoch,
    /// The record's timestamp.
    pub timestamp: Timestamp,
}

/// A batch that ends a transaction of a producer in a partition.
pub fn end_transaction_marker(
    placement: Placement,
    producer_id: ProducerId,
    producer_epoch: i16,
    marker: EndTransactionMarker,
) -> Bytes {
    let kind = if marker.committed {
        ControlType::Commit
    } else {
        ControlType::Abort
    };
    let mut value = Vec::with_capacity(6);
    value.put_i16(VERSION);
    value.put_i32(marker.coordinator_epoch);
    let builder = batch(placement)
        .transactional()
        .producer(producer_id, producer_epoch, -1);
    with_records(builder, placement.timestamp, &[(kind, &value)])
}

/// A batch of control records of the quorum, given type and encoded value of each.
pub fn quorum_batch(placement: Placement, records: &[(ControlType, &[u8])]) -> Bytes {
    with_records(batch(placement), placement.timestamp, records)
}

/// The batch with which a new leader of the quorum begins its epoch; `value` is a `LeaderChangeMessage`.
pub fn leader_change(placement: Placement, value: &[u8]) -> Bytes {
    quorum_batch(placement, &[(ControlType::LeaderChange, value)])
}

/// The batch with which a snapshot begins; `value` is a `SnapshotHeaderRecord`.
pub fn snapshot_header(placement: Placement, value: &[u8]) -> Bytes {
    quorum_batch(placement, &[(ControlType::SnapshotHeader, value)])
}

/// The batch with which a snapshot ends; `value` is a `SnapshotFooterRecord`.
pub fn snapshot_footer(placement: Placement, value: &[u8]) -> Bytes {
    quorum_batch(placement, &[(ControlType::SnapshotFooter, value)])
}

fn batch(placement: Placement) -> BatchBuilder {
    BatchBuilder::new(placement.base_offset)
        .leader_epoch(placement.leader_epoch)
        .control()
}

fn with_records(
    mut builder: BatchBuilder,
    timestamp: Timestamp,
    records: &[(ControlType, &[u8])],
) -> Bytes {
    for (kind, value) in records {
        builder.append(NewRecord {
            timestamp,
            key: Some(&kind.key()),
            value: Some(value),
            headers: &[],
        });
    }
    builder.build()
}
