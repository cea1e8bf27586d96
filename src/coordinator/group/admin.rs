//! DescribeGroups (key 15, versions 0-6), ListGroups (key 16, versions 0-5) and DeleteGroups (key 42,
//! versions 0-3).
//!
//! A group that does not exist is described as Dead; from version 6 on with GROUP_ID_NOT_FOUND as well.
//! Subscriptions are shown for a Stable group only, because only there all members use one protocol.
//! ListGroups reads filters in any case; an unknown type matches nothing. DeleteGroups takes only groups
//! without members (else NON_EMPTY_GROUP), with all their offsets.

use super::GroupShard;
use super::classic::State;
use super::effects::Effects;
use super::group_state::Group;
use super::offsets::tombstone;
use crate::coordinator::shard::Caller;
use crate::model::Offset;
use crate::protocol::messages::delete_groups::DeletableGroupResult;
use crate::protocol::messages::describe_groups::DescribedGroup;
use crate::protocol::messages::list_groups::{ListGroupsRequest, ListedGroup};
use crate::protocol::messages::offsets_records::{GroupMetadataKey, OffsetsRecord};
use crate::protocol::{ErrorCode, Str};

/// The first version of DescribeGroups whose clients know GROUP_ID_NOT_FOUND.
const KNOWS_GROUP_ID_NOT_FOUND: i16 = 6;
/// The state of a group that does not exist.
const DEAD: Str = Str::from_static("Dead");
/// The type of classic groups, in ListGroups.
const CLASSIC: &str = "classic";

impl GroupShard {
    /// Describes classic groups.
    pub(super) fn describe_groups(&self, caller: &Caller, ids: &[Str], effects: &mut Effects) {
        let mut after = Offset::NONE;
        let describe = |id: &Str| {
            let group = self.group(id).filter(|group| group.foreign.is_none());
            after = after.max(group.map_or(Offset::NONE, |group| group.last_offset));
            match group {
                Some(group) => group.classic.describe(),
                None => dead_group(id, caller.version),
            }
        };
        let described: Vec<DescribedGroup> = ids.iter().map(describe).collect();
        effects.reply(caller.token, after, described);
    }

    /// Lists groups of all types, by state and type.
    pub(super) fn list_groups(
        &self,
        caller: &Caller,
        request: &ListGroupsRequest,
        effects: &mut Effects,
    ) {
        let lower = |names: &[Str]| -> Vec<String> {
            names
                .iter()
                .map(|name| name.trim().to_lowercase())
                .collect()
        };
        let states = lower(&request.states_filter);
        let types: Vec<String> = request
            .types_filter
            .iter()
            .map(|name| name.to_lowercase())
            .collect();
        let is_wanted = |filter: &[String], name: &str| {
            filter.is_empty() || filter.contains(&name.to_lowercase())
        };
        let listed: Vec<ListedGroup> = self
            .groups()
            .map(list)
            .filter(|group| is_wanted(&states, &group.group_state))
            .filter(|group| is_wanted(&types, &group.group_type))
            .collect();
        // The list shows what is decided up to here, so all of that must be committed first.
        let after = Offset(self.next_offset().0 - 1);
        effects.reply(caller.token, after, super::Answer::ListGroups(Ok(listed)));
    }

    /// Deletes groups that have no members.
    pub(super) fn delete_groups(&mut self, caller: &Caller, ids: &[Str], effects: &mut Effects) {
        let mut after = Offset::NONE;
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let outcome = match self.group(id) {
                None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
                Some(group) if group.has_members() => Err(ErrorCode::NON_EMPTY_GROUP),
                Some(group) => Ok(group.tombstones()),
            };
            let error_code = match outcome {
                Ok(records) => {
                    let is_offset =
                        |record: &&OffsetsRecord| matches!(record, OffsetsRecord::OffsetCommit(..));
                    let deleted = records.iter().filter(is_offset).count();
                    self.tally_mut().deleted_offsets += deleted as u64;
                    after = after.max(self.emit(records, effects));
                    ErrorCode::NONE
                }
                Err(error) => error,
            };
            results.push(DeletableGroupResult {
                group_id: id.clone(),
                error_code,
                error_message: None,
            });
        }
        effects.reply(caller.token, after, results);
    }
}

impl Group {
    /// Whether the group has members, of whatever type.
    fn has_members(&self) -> bool {
        let of_foreign = self.foreign.as_ref();
        !self.classic.is_empty() || of_foreign.is_some_and(|foreign| foreign.has_members())
    }

    /// The records that remove the group, with its offsets.
    fn tombstones(&self) -> Vec<OffsetsRecord> {
        let id = self.classic.id();
        let offsets = self.offsets.keys().into_iter();
        let mut records: Vec<OffsetsRecord> = offsets
            .map(|(topic, partition)| tombstone(id, &topic, partition))
            .collect();
        if let Some(foreign) = &self.foreign {
            records.extend(foreign.tombstones());
        }
        if self.foreign.is_none() || self.classic.is_written() {
            let key = GroupMetadataKey { group: id.clone() };
            records.push(OffsetsRecord::GroupMetadata(key, None));
        }
        records
    }
}

fn dead_group(id: &Str, version: i16) -> DescribedGroup {
    let is_error = version >= KNOWS_GROUP_ID_NOT_FOUND;
    DescribedGroup {
        error_code: if is_error {
            ErrorCode::GROUP_ID_NOT_FOUND
        } else {
            ErrorCode::NONE
        },
        error_message: is_error.then(|| Str::from(format!("Group {id} not found."))),
        group_id: id.clone(),
        group_state: DEAD,
        ..DescribedGroup::default()
    }
}

fn list(group: &Group) -> ListedGroup {
    let classic = &group.classic;
    match &group.foreign {
        // Groups of other types are not served here, so nobody can be in one.
        Some(foreign) => ListedGroup {
            group_id: classic.id().clone(),
            protocol_type: foreign.group_type.protocol_type().into(),
            group_state: State::Empty.name().into(),
            group_type: foreign.group_type.name().into(),
        },
        None => ListedGroup {
            group_id: classic.id().clone(),
            protocol_type: classic.protocol_type().cloned().unwrap_or_default(),
            group_state: classic.state().name().into(),
            group_type: CLASSIC.into(),
        },
    }
}
