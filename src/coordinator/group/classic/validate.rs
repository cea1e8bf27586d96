//! Checks of who may speak for a group, which several inputs share.

use super::{ClassicGroup, State};
use crate::protocol::{ErrorCode, Str};

impl ClassicGroup {
    /// Checks that the member exists, and has the instance id now (KIP-345).
    pub(super) fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&Str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.members.by_instance(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if *current != *member_id => {
                    return Err(ErrorCode::FENCED_INSTANCE_ID);
                }
                Some(_) => {}
            }
        }
        if self.members.contains(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        }
    }

    /// Checks that an OffsetCommit is allowed: to a member for its generation, but not between joining and
    /// the assignment; to anybody without a generation while the group has no members.
    pub(in crate::coordinator::group) fn check_commit(
        &self,
        generation: i32,
        member_id: &str,
        instance_id: Option<&Str>,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.is_empty() {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        if self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }
}
