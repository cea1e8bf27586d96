//! The header of a record batch: its layout, its fields, and how its checksum follows a change.
//!
//! ```text
//!  0 base_offset i64 | 8 length i32 | 12 partition_leader_epoch i32 | 16 magic i8 | 17 crc u32
//! 21 attributes i16 | 23 last_offset_delta i32 | 27 base_timestamp i64 | 35 max_timestamp i64
//! 43 producer_id i64 | 51 producer_epoch i16 | 53 base_sequence i32 | 57 record_count i32 | 61
//! ```
//! The length counts the bytes behind it. The CRC-32C covers everything from the attributes on, so that
//! offset and epoch can be assigned without changing it.

use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp};

use super::attributes::{Attributes, TimestampType};
use super::compression::Compression;
use super::error::RecordsError;

/// The bytes of the header of a batch of magic 2; the records follow.
pub const HEADER_SIZE: usize = 61;
/// The bytes before those that the length field counts: base offset and length.
pub const LENGTH_END: usize = 12;
/// How many bytes tell a batch's size and magic.
pub const MAGIC_END: usize = 17;
/// The only magic that is written.
pub const CURRENT_MAGIC: i8 = 2;

const CRC_AT: usize = 17;
/// The position of the first byte that the checksum covers.
pub(super) const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;
const LEGACY_SIZES: [usize; 2] = [26, 34];
/// Up to this size a checksum is computed again; for larger batches combining is faster.
const RECOMPUTE_UP_TO: usize = 48 * 1024;

/// The fields of a batch's header.
///
/// A batch of magic 0 or 1 is one message, or a compressed set of them, and has no such header. Its offset
/// field is that of its last record, which stands for the base offset as well; fields that it lacks have
/// the values that mean "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub(super) size: u32,
    pub(super) base_offset: i64,
    pub(super) partition_leader_epoch: i32,
    pub(super) magic: i8,
    pub(super) crc: u32,
    pub(super) attributes: Attributes,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; `None` if they end within it.
    ///
    /// # Errors
    /// [`RecordsError::BatchTooSmall`] and [`RecordsError::UnknownMagic`]: nothing can be read from here
    /// on, because nobody knows where the next batch begins.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, RecordsError> {
        let Some(prefix) = bytes.first_chunk::<MAGIC_END>() else {
            return Ok(None);
        };
        let size = i64::from(i32_at(prefix, 8)) + LENGTH_END as i64;
        let magic = i8::from_be_bytes([prefix[16]]);
        let minimum = match magic {
            0 | 1 => LEGACY_SIZES[usize::from(magic == 1)],
            CURRENT_MAGIC => HEADER_SIZE,
            _ => return Err(RecordsError::UnknownMagic { magic }),
        };
        if size < minimum as i64 {
            return Err(RecordsError::BatchTooSmall { size, minimum });
        }
        let Some(head) = bytes.get(..minimum) else {
            return Ok(None);
        };
        // The size is at most i32::MAX + 12.
        let size = size as u32;
        Ok(Some(match head.first_chunk() {
            Some(head) if magic == CURRENT_MAGIC => Self::current(head, size),
            _ => Self::legacy(head, size, magic),
        }))
    }

    fn current(head: &[u8; HEADER_SIZE], size: u32) -> Self {
        Self {
            size,
            base_offset: i64_at(head, 0),
            partition_leader_epoch: i32_at(head, 12),
            magic: CURRENT_MAGIC,
            crc: i32_at(head, CRC_AT).cast_unsigned(),
            attributes: Attributes::from_bits(i16_at(head, ATTRIBUTES_AT)),
            last_offset_delta: i32_at(head, 23),
            base_timestamp: i64_at(head, 27),
            max_timestamp: i64_at(head, MAX_TIMESTAMP_AT),
            producer_id: i64_at(head, 43),
            producer_epoch: i16_at(head, 51),
            base_sequence: i32_at(head, 53),
            record_count: i32_at(head, 57),
        }
    }

    /// The layout is: offset i64, size i32, crc u32, magic i8, attributes i8, and from magic 1 timestamp
    /// i64.
    fn legacy(head: &[u8], size: u32, magic: i8) -> Self {
        let timestamp = if magic == 1 {
            i64_at(head, 18)
        } else {
            Timestamp::NONE.0
        };
        Self {
            size,
            base_offset: i64_at(head, 0),
            partition_leader_epoch: LeaderEpoch::NONE.0,
            magic,
            crc: i32_at(head, 12).cast_unsigned(),
            // Only the codec and the type of the timestamp have a meaning in these formats.
            attributes: Attributes::from_bits(i16::from(head[17]) & 0b1111),
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: ProducerId::NONE.0,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: -1,
        }
    }

    /// The bytes of the whole batch, header included: up to 2 GiB and 11 bytes.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// The offset of the first record that the batch was written with; compaction may have removed it.
    pub fn base_offset(&self) -> Offset {
        Offset(self.base_offset)
    }

    /// The offset of the last record that the batch was written with; compaction may have removed it.
    pub fn last_offset(&self) -> Offset {
        // The sum wraps, because a client may send anything; the checks refuse what has wrapped.
        Offset(
            self.base_offset
                .wrapping_add(i64::from(self.last_offset_delta)),
        )
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// [`Self::last_offset`] minus [`Self::base_offset`].
    pub fn last_offset_delta(&self) -> i32 {
        self.last_offset_delta
    }

    /// The epoch of the leader that appended the batch; -1 in what a producer sends.
    pub fn partition_leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.partition_leader_epoch)
    }

    /// The format of the batch: 2; or 0 or 1, which Kafka wrote before 3.0.
    pub fn magic(&self) -> i8 {
        self.magic
    }

    /// The checksum in the header.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// Codec and flags.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The base of the records' timestamps. With a delete horizon it is that horizon.
    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp(self.base_timestamp)
    }

    /// The largest timestamp of the records; with [`TimestampType::LogAppendTime`] the timestamp of each.
    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp(self.max_timestamp)
    }

    /// Whose clock gave the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    /// When the tombstones of a compacted batch may go (KIP-534), if that is known.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp())
    }

    /// The idempotent producer, or [`ProducerId::NONE`].
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(self.producer_id)
    }

    /// Whether the batch comes from an idempotent or transactional producer. If not, its producer epoch and
    /// sequence number mean nothing: some clients leave 0 there.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > ProducerId::NONE.0
    }

    /// The producer's epoch, or -1.
    pub fn producer_epoch(&self) -> i16 {
        self.producer_epoch
    }

    /// The sequence number of the first record; -1 without one, as in transaction markers.
    pub fn base_sequence(&self) -> i32 {
        self.base_sequence
    }

    /// The sequence number of the last record, or -1; 0 follows `i32::MAX`.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// The count of records: 0 is legal after compaction; -1, not known, with magic 0 and 1.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// Whether the batch holds a control record, such as a transaction marker.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`RecordsError::UnknownCompression`].
    pub fn compression(&self) -> Result<Compression, RecordsError> {
        self.attributes.compression()
    }

    /// The header with another place in the log. The checksum does not cover that.
    #[must_use]
    pub fn placed_at(mut self, base_offset: Offset, epoch: LeaderEpoch) -> Self {
        self.base_offset = base_offset.0;
        self.partition_leader_epoch = epoch.0;
        self
    }

    /// Sets what the leader says of a client's batch: the type of the timestamps, the largest of them, and
    /// that compaction has not seen it. `records` are the bytes behind the header. The checksum must have
    /// been right, and is right again afterwards.
    pub(super) fn settle(
        &mut self,
        timestamp_type: TimestampType,
        max_timestamp: Timestamp,
        records: &[u8],
    ) {
        let before = *self;
        self.attributes.set_timestamp_type(timestamp_type);
        self.attributes.set_delete_horizon(false);
        self.max_timestamp = max_timestamp.0;
        if *self == before {
            return;
        }
        self.crc = if records.len() <= RECOMPUTE_UP_TO {
            self.checksum(records)
        } else {
            // A CRC is linear: the change in the header's checksum, moved past the records, is the change
            // in that of the whole. So the records need not be read again.
            let change = before.own_checksum() ^ self.own_checksum();
            crc32c::crc32c_combine(change, before.crc, records.len())
        };
    }

    /// Computes the checksum, after all other fields are set.
    pub(super) fn seal(&mut self, records: &[u8]) {
        self.crc = self.checksum(records);
    }

    fn checksum(&self, records: &[u8]) -> u32 {
        crc32c::crc32c_append(self.own_checksum(), records)
    }

    fn own_checksum(&self) -> u32 {
        crc32c::crc32c(&self.to_bytes()[ATTRIBUTES_AT..])
    }

    /// The 61 bytes of the header, of magic 2 only.
    pub fn to_bytes(self) -> [u8; HEADER_SIZE] {
        assert_eq!(
            self.magic, CURRENT_MAGIC,
            "older batches have another header"
        );
        let mut head = [0; HEADER_SIZE];
        put(&mut head, 0, self.base_offset.to_be_bytes());
        put(&mut head, 8, (self.size - LENGTH_END as u32).to_be_bytes());
        put(&mut head, 12, self.partition_leader_epoch.to_be_bytes());
        put(&mut head, 16, self.magic.to_be_bytes());
        put(&mut head, CRC_AT, self.crc.to_be_bytes());
        put(
            &mut head,
            ATTRIBUTES_AT,
            self.attributes.bits().to_be_bytes(),
        );
        put(&mut head, 23, self.last_offset_delta.to_be_bytes());
        put(&mut head, 27, self.base_timestamp.to_be_bytes());
        put(
            &mut head,
            MAX_TIMESTAMP_AT,
            self.max_timestamp.to_be_bytes(),
        );
        put(&mut head, 43, self.producer_id.to_be_bytes());
        put(&mut head, 51, self.producer_epoch.to_be_bytes());
        put(&mut head, 53, self.base_sequence.to_be_bytes());
        put(&mut head, 57, self.record_count.to_be_bytes());
        head
    }
}

/// The sequence number `count` after `sequence`; 0 follows `i32::MAX`. A negative count, which only a
/// refused batch has, gives -1.
pub fn sequence_after(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    if sum < 0 {
        return -1;
    }
    (sum & i64::from(i32::MAX)) as i32
}

fn put<const N: usize>(head: &mut [u8; HEADER_SIZE], at: usize, value: [u8; N]) {
    head[at..at + N].copy_from_slice(&value);
}

fn chunk<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
    *head[at..]
        .first_chunk()
        .expect("the header was measured before its fields are read")
}

fn i16_at(head: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(chunk(head, at))
}

fn i32_at(head: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(chunk(head, at))
}

fn i64_at(head: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(chunk(head, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(record_size: usize) -> BatchHeader {
        BatchHeader {
            size: (HEADER_SIZE + record_size) as u32,
            base_offset: 7,
            partition_leader_epoch: 3,
            magic: CURRENT_MAGIC,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: 4,
            base_timestamp: 1_000,
            max_timestamp: 2_000,
            producer_id: 11,
            producer_epoch: 2,
            base_sequence: i32::MAX - 1,
            record_count: 5,
        }
    }

    #[test]
    fn header_reads_back_what_it_writes() {
        let header = header(0);

        assert_eq!(BatchHeader::parse(&header.to_bytes()), Ok(Some(header)));
    }

    #[test]
    fn header_cut_off_anywhere_is_no_header_yet() {
        let bytes = header(0).to_bytes();

        for size in 0..HEADER_SIZE {
            assert_eq!(BatchHeader::parse(&bytes[..size]), Ok(None), "{size} bytes");
        }
    }

    #[test]
    fn sequence_wraps_to_zero() {
        assert_eq!(header(0).last_sequence(), 2);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(0, i32::MAX), i32::MAX);
        assert_eq!(sequence_after(3, -4), -1);
    }

    #[test]
    fn checksum_follows_a_changed_timestamp_whatever_the_size_of_the_records() {
        for size in [0, 1, 1_000, RECOMPUTE_UP_TO, RECOMPUTE_UP_TO + 1, 1_000_000] {
            let records: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
            let mut patched = header(size);
            patched.seal(&records);

            patched.settle(TimestampType::LogAppendTime, Timestamp(9_999), &records);

            let mut sealed = patched;
            sealed.seal(&records);
            assert_eq!(patched, sealed, "{size} bytes");
        }
    }
}
