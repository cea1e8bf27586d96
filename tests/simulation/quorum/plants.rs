//! Where the mutations are planted.

use broker::model::{LeaderEpoch, Offset};
use broker::raft::{Effect, ElectionState, OffsetAndEpoch, Request, Response, ResponseBody, Role};

use super::mutation::Mutation;
use super::world::World;

impl World {
    pub fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// What a request says when it arrives.
    pub fn distort_request(&self, request: &mut Request) {
        if let Request::Vote(vote) = request
            && vote.last.offset > Offset::ZERO
            && self.has(Mutation::VoteWithoutLogCheck)
        {
            let before = vote.epoch.0 - i32::from(!vote.pre_vote);
            vote.last = OffsetAndEpoch::new(i64::MAX / 2, before.max(0));
        }
    }

    /// What an answer says when it is sent.
    pub fn distort_response(
        &self,
        from: usize,
        epoch_of_vote: Option<LeaderEpoch>,
        response: &mut Response,
    ) {
        let is_refusal = response.body == ResponseBody::Vote { granted: false };
        if is_refusal
            && response.refusal.is_none()
            && epoch_of_vote == Some(response.epoch)
            && !self.is_newcomer(from)
            && self.has(Mutation::TwoVotesInAnEpoch)
        {
            response.body = ResponseBody::Vote { granted: true };
        }
    }

    /// What a newcomer is told that there is.
    pub fn hold_back(&self, to: usize, response: &mut Response) {
        if let ResponseBody::Fetch(answer) = &mut response.body
            && let Some(committed) = answer.high_watermark
            && self.has(Mutation::CommittedIsAll)
            && self.is_newcomer(to)
        {
            answer.batches.retain(|batch| batch.last_offset < committed);
        }
    }

    /// Whether a newcomer stands by this, and crashes amid it.
    pub fn ends_newcomer(&self, node: usize, effect: &Effect) -> bool {
        let is_first = self.nodes[node].disk.election.is_none();
        let stands = matches!(effect, Effect::Persist(election) if election.voted.is_some());
        is_first && stands && self.has(Mutation::FirstEpochIsFree)
    }

    /// What the disk keeps of the election state.
    pub fn distort_election(&self, node: usize, election: ElectionState) -> ElectionState {
        if self.ends_newcomer(node, &Effect::Persist(election)) {
            return ElectionState {
                epoch: LeaderEpoch(election.epoch.0 - 1),
                ..ElectionState::default()
            };
        }
        let is_lost = self.has(Mutation::VoteNotPersisted) && election.leader.is_none();
        ElectionState {
            voted: election.voted.filter(|_| !is_lost),
            ..election
        }
    }

    /// What a leader commits beside what its core says.
    pub fn commit_wrongly(&mut self, node: usize) {
        let Some(core) = &self.nodes[node].core else {
            return;
        };
        let Role::Leader(leader) = core.role() else {
            return;
        };
        let disk = &self.nodes[node].disk;
        let offset = if self.has(Mutation::MinorityCommits) {
            disk.flushed_end()
        } else if self.has(Mutation::OldEpochCommitted) {
            let start = leader.start_offset;
            let voters = self.voters.ids().iter();
            let mut ends: Vec<Offset> = voters
                .map(|id| self.nodes[id.0 as usize].disk.common_end(disk).min(start))
                .collect();
            ends.sort_unstable_by(|a, b| b.cmp(a));
            ends[self.voters.majority() - 1]
        } else {
            return;
        };
        let process = (node, self.nodes[node].incarnation);
        let epoch = core.election().epoch;
        let committed = &mut self.invariants.committed;
        committed.on_commit(process, epoch, disk, offset);
    }
}
