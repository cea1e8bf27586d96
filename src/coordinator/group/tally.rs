//! What a shard holds and has done, in numbers. The shard only counts; the runtime reads the numbers after
//! each input, for the memory that all shards share, and for metrics.

use super::classic::State;
use super::group_state::Group;

/// What a shard holds, and what it has decided since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Groups by state: Empty, PreparingRebalance, CompletingRebalance, Stable. A group of a type that is
    /// not served counts as Empty, as ListGroups shows it.
    pub groups: [usize; 4],
    /// Committed offsets.
    pub offsets: usize,
    /// The bytes that members take in memory, with the groups that they are in.
    pub member_bytes: usize,
    /// The bytes that offsets and groups without members take in memory.
    pub offset_bytes: usize,
    /// Offsets that were committed by requests.
    pub commits: u64,
    /// Offsets that have expired.
    pub expired_offsets: u64,
    /// Offsets that were deleted: by requests, or with their topics.
    pub deleted_offsets: u64,
    /// Rebalances that ended with an assignment.
    pub rebalances: u64,
    /// Joins and assignments that were refused because members of all shards leave no room.
    pub refused_members: u64,
    /// Commits, and joins that would have made a group, that were refused because offsets and groups of
    /// all shards leave no room.
    pub refused_offsets: u64,
}

impl Tally {
    /// Counts a group.
    pub(super) fn count(&mut self, group: &Group) {
        self.groups[place(group)] += 1;
        self.offsets += group.offsets.len();
        self.member_bytes += group.classic.member_bytes();
        self.offset_bytes += group.offset_bytes();
    }

    /// Takes a group out of the counts. It must not have changed since it was counted.
    pub(super) fn discount(&mut self, group: &Group) {
        self.groups[place(group)] -= 1;
        self.offsets -= group.offsets.len();
        self.member_bytes -= group.classic.member_bytes();
        self.offset_bytes -= group.offset_bytes();
    }
}

fn place(group: &Group) -> usize {
    match group.classic.state() {
        State::Empty => 0,
        State::PreparingRebalance => 1,
        State::CompletingRebalance => 2,
        State::Stable => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::GROUP_STATES;

    #[test]
    fn the_metrics_have_the_states_in_the_same_order() {
        let states = [
            State::Empty,
            State::PreparingRebalance,
            State::CompletingRebalance,
            State::Stable,
        ];

        assert_eq!(states.map(State::name), GROUP_STATES);
    }
}
