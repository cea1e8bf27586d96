//! The values of the quorum's own control records, at the versions of kraft.version 0.

use bytes::Bytes;

use super::log_driver::MAX_DECOMPRESSED_BYTES;
use super::voters::Voters;
use crate::model::{BrokerId, LeaderEpoch, Timestamp};
use crate::protocol::messages::raft_records::{
    LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, Voter,
};
use crate::protocol::{DecodeError, decode_whole, encode_whole};
use crate::records::control::ControlType;
use crate::records::{Batch, Scratch};

/// The version of the records in which static voters write them.
const VERSION: i16 = 0;

/// The value of LeaderChange: who leads, who may vote, and who voted for the leader.
pub fn leader_change(leader: BrokerId, voters: &[BrokerId], granting: &[BrokerId]) -> Bytes {
    let voter = |id: &BrokerId| Voter {
        voter_id: id.0,
        ..Voter::default()
    };
    let message = LeaderChangeMessage {
        version: VERSION,
        leader_id: leader.0,
        voters: voters.iter().map(voter).collect(),
        granting_voters: granting.iter().map(voter).collect(),
    };
    encode_whole(&message, VERSION)
}

/// The epoch of a batch and the voters that it names, if it is the first of a leader's epoch.
pub fn voters_in(batch: &[u8]) -> Option<(LeaderEpoch, Voters)> {
    let batch = Batch::first_of(batch).ok().flatten()?;
    if !batch.is_control() {
        return None;
    }
    let mut scratch = Scratch::with_limit(MAX_DECOMPRESSED_BYTES);
    let record = batch.records(&mut scratch).ok()?.next()?.ok()?;
    if ControlType::of(&record) != Some(ControlType::LeaderChange) {
        return None;
    }
    let value = Bytes::copy_from_slice(record.value()?);
    // Its first field is its version; 1 has directory ids.
    let version = i16::from_be_bytes(*value.first_chunk()?);
    let message: LeaderChangeMessage = decode_whole(value, version.clamp(0, 1)).ok()?;
    let voters = message.voters.iter();
    let voters = Voters::new(voters.map(|voter| BrokerId(voter.voter_id)));
    Some((batch.partition_leader_epoch(), voters))
}

/// The value of SnapshotHeader: when the last batch that the snapshot covers was appended.
pub fn snapshot_header(last_contained_log_timestamp: Timestamp) -> Bytes {
    let record = SnapshotHeaderRecord {
        version: VERSION,
        last_contained_log_timestamp: last_contained_log_timestamp.0,
    };
    encode_whole(&record, VERSION)
}

/// The timestamp in the value of a snapshot's header.
pub fn last_contained_log_timestamp(value: &[u8]) -> Result<Timestamp, DecodeError> {
    let value = Bytes::copy_from_slice(value);
    let record: SnapshotHeaderRecord = decode_whole(value, VERSION)?;
    Ok(Timestamp(record.last_contained_log_timestamp))
}

/// The value of SnapshotFooter, which tells nothing but its version.
pub fn snapshot_footer() -> Bytes {
    encode_whole(&SnapshotFooterRecord { version: VERSION }, VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeaderEpoch, Offset};
    use crate::records::control::{self, Placement};

    /// The first batch that Apache Kafka 4.3.1 wrote as the only voter, id 1.
    const BY_APACHE: &str = "\
        00000000000000000000004f00000001025d6ae663002000000000000001a205c8f39e000001a205c8f39eff\
        ffffffffffffffffffffffffff000000013a0000000800000002260000000000010200000001000200000001\
        000000";

    #[test]
    fn the_first_batch_of_an_epoch_is_apaches_byte_for_byte() {
        let placement = Placement {
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch(1),
            timestamp: Timestamp(0x01a2_05c8_f39e),
        };
        let voters = [BrokerId(1)];

        let value = leader_change(BrokerId(1), &voters, &voters);
        let batch = control::leader_change(placement, &value);

        let hex: String = batch.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, BY_APACHE);
        let named = voters_in(&batch);
        assert_eq!(named, Some((LeaderEpoch(1), Voters::new(voters))));
    }
}
