//! OffsetCommit (key 8), versions 2-10.
//!
//! A member commits for its generation; anybody may commit for a group without members ("simple consumer":
//! generation -1, no member). A group that does not exist is GROUP_ID_NOT_FOUND from version 9 on,
//! ILLEGAL_GENERATION before. Up to version 4 the client may say how long the offset is kept. Metadata that
//! is too long refuses only its partition. As in Kafka a commit is one batch: one that is too large for a
//! batch is refused whole, here with the error that is named for it.

use super::topics::{growth, most_bytes};
use crate::coordinator::group::GroupShard;
use crate::coordinator::group::classic::State;
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::group_state::group_bytes;
use crate::coordinator::group::request::refuse_commit;
use crate::coordinator::shard::{Caller, Moment};
use crate::model::{Offset, Uuid};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::protocol::messages::offsets_records::{
    OffsetCommitKey, OffsetCommitValue, OffsetsRecord,
};
use crate::protocol::{ErrorCode, Str};

/// The first version whose clients know GROUP_ID_NOT_FOUND here.
const KNOWS_GROUP_ID_NOT_FOUND: i16 = 9;
/// The answer if the offsets of all groups leave no room: after this error every client comes back to this
/// coordinator after a pause, without looking for another, until its own time-out. The offset is not
/// acknowledged.
const NO_ROOM: ErrorCode = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
/// The bytes of a record besides its texts.
const RECORD_BYTES: usize = 64;

impl GroupShard {
    /// Decides an OffsetCommit of partitions that exist.
    pub(in crate::coordinator::group) fn offset_commit(
        &mut self,
        now: Moment,
        caller: &Caller,
        request: &OffsetCommitRequest,
        effects: &mut Effects,
    ) {
        let checked = self.check_commit(now, caller.version, request, effects);
        let checked = checked.and_then(|()| self.check_size(request));
        if let Err(error) = checked.and_then(|()| self.check_room(request)) {
            self.tally_mut().refused_offsets += u64::from(error == NO_ROOM);
            effects.reply(caller.token, Offset::NONE, refuse_commit(request, error));
            return;
        }
        // Versions 2 to 4 let the client say how long; -1 leaves it to the broker.
        let expire_timestamp = match request.retention_time_ms {
            -1 => -1,
            retention => now.timestamp.0.saturating_add(retention).max(0),
        };
        let mut answer = OffsetCommitResponse::default();
        let mut after = Offset::NONE;
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let error_code = if self.is_too_long(partition.committed_metadata.as_ref()) {
                    ErrorCode::OFFSET_METADATA_TOO_LARGE
                } else {
                    let value = value(topic, partition, now, expire_timestamp);
                    let key = key(request, topic, partition);
                    let record = OffsetsRecord::OffsetCommit(key, Some(value));
                    after = self.decide(record, effects);
                    self.tally_mut().commits += 1;
                    ErrorCode::NONE
                };
                partitions.push(OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code,
                });
            }
            answer.topics.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions,
            });
        }
        effects.reply(caller.token, after, answer);
    }

    /// Checks that the caller may commit for the group, and keeps the member alive.
    fn check_commit(
        &mut self,
        now: Moment,
        version: i16,
        request: &OffsetCommitRequest,
        effects: &mut Effects,
    ) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let member = &request.member_id;
        let instance = request.group_instance_id.as_ref();
        let checked = self.with_group(&request.group_id, now, effects, |group, context| {
            let classic = &mut group.classic;
            classic.check_commit(generation, member, instance)?;
            // A commit shows that the member is alive, as a heartbeat does.
            if matches!(classic.state(), State::Stable | State::PreparingRebalance) {
                classic.keep_alive(member, context);
            }
            Ok(())
        });
        match checked {
            Some(result) => result,
            // A consumer without a group protocol may begin a group by its commit.
            None if generation < 0 => Ok(()),
            None if version >= KNOWS_GROUP_ID_NOT_FOUND => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            None => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// Checks that the offsets fit a batch, however often a partition is named.
    fn check_size(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let mut size = 0;
        for topic in &request.topics {
            let keys = RECORD_BYTES + request.group_id.len() + topic.name.len();
            for partition in &topic.partitions {
                let metadata = partition.committed_metadata.as_ref();
                size += keys + metadata.map_or(0, |text| text.len());
            }
        }
        if size <= self.settings().max_record_bytes {
            Ok(())
        } else {
            Err(ErrorCode::INVALID_COMMIT_OFFSET_SIZE)
        }
    }

    /// Checks that the offsets of all groups leave room for these. An offset may always take the place of
    /// another if its text is no longer: so groups at work go on.
    fn check_room(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let spare_bytes = self.spare_bytes().offsets;
        let topics = request.topics.iter();
        let committed = topics.flat_map(|topic| topic.partitions.iter().map(move |it| (topic, it)));
        let most = committed.clone().map(|(topic, partition)| {
            let metadata = partition.committed_metadata.as_ref();
            most_bytes(&topic.name, metadata)
        });
        let group = self.group(&request.group_id);
        let own = group.map_or_else(|| group_bytes(&request.group_id), |_| 0);
        // It is worth looking up each partition only where room is scarce.
        if own + most.sum::<usize>() <= spare_bytes {
            return Ok(());
        }
        let grown = committed.map(|(topic, partition)| {
            let old = group.and_then(|it| it.offsets.get(&topic.name, partition.partition_index));
            let metadata = partition.committed_metadata.as_ref();
            match old {
                Some(old) => growth(old, metadata),
                None => most_bytes(&topic.name, metadata),
            }
        });
        if own + grown.sum::<usize>() <= spare_bytes {
            Ok(())
        } else {
            Err(NO_ROOM)
        }
    }

    /// Whether metadata has more UTF-16 code units than it may: Kafka counts these.
    fn is_too_long(&self, metadata: Option<&Str>) -> bool {
        let limit = self.settings().offset_metadata_max_size;
        // There are never more units than bytes, so counting is hardly ever needed.
        metadata.is_some_and(|text| text.len() > limit && text.encode_utf16().count() > limit)
    }
}

fn key(
    request: &OffsetCommitRequest,
    topic: &OffsetCommitRequestTopic,
    partition: &OffsetCommitRequestPartition,
) -> OffsetCommitKey {
    OffsetCommitKey {
        group: request.group_id.clone(),
        topic: topic.name.clone(),
        partition: partition.partition_index,
    }
}

fn value(
    topic: &OffsetCommitRequestTopic,
    partition: &OffsetCommitRequestPartition,
    now: Moment,
    expire_timestamp: i64,
) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: partition.committed_offset,
        // Any negative epoch means that there is none. A value with its own expiry time, of version 1, has
        // neither epoch nor topic id.
        leader_epoch: if expire_timestamp < 0 {
            partition.committed_leader_epoch.max(-1)
        } else {
            -1
        },
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        commit_timestamp: now.timestamp.0,
        expire_timestamp,
        topic_id: if expire_timestamp < 0 {
            topic.topic_id
        } else {
            Uuid::ZERO
        },
    }
}
