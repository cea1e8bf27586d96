//! The values of the quorum's own control records, at the versions of kraft.version 0.

use bytes::{BufMut, Bytes, BytesMut};

use crate::model::{BrokerId, Timestamp};

/// The version of each of these records that static voters use.
const VERSION: i16 = 0;
/// No tagged fields follow.
const NO_TAGS: u8 = 0;

/// A `LeaderChangeMessage`: who leads, who may vote, and who voted for the leader.
pub fn leader_change(leader: BrokerId, voters: &[BrokerId], granting: &[BrokerId]) -> Bytes {
    let mut value = BytesMut::new();
    value.put_i16(VERSION);
    value.put_i32(leader.0);
    put_voters(&mut value, voters);
    put_voters(&mut value, granting);
    value.put_u8(NO_TAGS);
    value.freeze()
}

/// A `SnapshotHeaderRecord`: when the last batch that the snapshot covers was appended.
pub fn snapshot_header(last_contained_log_timestamp: Timestamp) -> Bytes {
    let mut value = BytesMut::new();
    value.put_i16(VERSION);
    value.put_i64(last_contained_log_timestamp.0);
    value.put_u8(NO_TAGS);
    value.freeze()
}

/// The timestamp in a `SnapshotHeaderRecord`; `None` if the value is none.
pub fn last_contained_log_timestamp(value: &[u8]) -> Option<Timestamp> {
    let fixed = value.first_chunk::<10>()?;
    let (_, timestamp) = fixed.split_first_chunk::<2>()?;
    let timestamp = <[u8; 8]>::try_from(timestamp).ok()?;
    Some(Timestamp(i64::from_be_bytes(timestamp)))
}

/// A `SnapshotFooterRecord`, which says nothing.
pub fn snapshot_footer() -> Bytes {
    let mut value = BytesMut::new();
    value.put_i16(VERSION);
    value.put_u8(NO_TAGS);
    value.freeze()
}

/// A compact array: its length plus one as an unsigned varint, then each id and its tags.
fn put_voters(value: &mut BytesMut, voters: &[BrokerId]) {
    let mut rest = voters.len() + 1;
    while rest >= 0x80 {
        value.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    value.put_u8(rest as u8);
    for voter in voters {
        value.put_i32(voter.0);
        value.put_u8(NO_TAGS);
    }
}
