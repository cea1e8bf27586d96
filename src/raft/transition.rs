//! How a replica passes from role to role, and into new epochs.
//!
//! Invariant: a promise is persisted before anything that depends on it. Each transition that changes the
//! epoch, the leader or the vote emits [`Effect::Persist`] first.

use std::time::Instant;

use super::effect::{Announcement, BatchContent, Effect, LeaderBatch};
use super::election_state::ElectionState;
use super::message::{FetchAnswer, Refusal, ResponseBody};
use super::node::RaftNode;
use super::progress::Progress;
use super::role::{Follower, Leader, Nominee, Resigned, Role, SnapshotProgress, Unattached};
use super::tally::Tally;
use crate::model::{BrokerId, LeaderEpoch};

impl RaftNode {
    /// Follows nobody in `epoch`. A `leader` may be known that cannot be followed, because it is this
    /// replica.
    pub(super) fn become_unattached(
        &mut self,
        now: Instant,
        epoch: LeaderEpoch,
        leader: Option<BrokerId>,
        effects: &mut Vec<Effect>,
    ) {
        // An election under way keeps its deadline: elections of others must not put this one off for ever.
        let deadline = match &self.role {
            Role::Unattached(unattached) => unattached.deadline,
            Role::Candidate(nominee) => Some(nominee.deadline),
            Role::Prospective(nominee) if !nominee.tally.is_lost() => Some(nominee.deadline),
            Role::Resigned(resigned) => Some(resigned.deadline),
            _ => None,
        };
        let deadline = match deadline {
            Some(deadline) if deadline > now && !self.is_newcomer() => Some(deadline),
            _ => self.is_voter().then(|| self.election_deadline(now)),
        };
        self.leave(effects);
        self.enter_epoch(epoch, leader, effects);
        self.role = Role::Unattached(Unattached { deadline });
    }

    /// Asks whether this replica would be elected. It promises nothing, so it persists nothing.
    pub(super) fn become_prospective(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        assert!(
            self.is_voter() && !self.is_leader(),
            "only a voter that follows seeks election"
        );
        self.connections.reset();
        let snapshot = self.take_snapshot_progress();
        self.role = Role::Prospective(Nominee {
            snapshot,
            ..self.new_nominee(now)
        });
        self.advance_election(now, effects);
    }

    /// Asks to be elected in the next epoch, and votes for itself.
    fn become_candidate(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(epoch) = self.next_epoch(effects) else {
            return;
        };
        self.leave(effects);
        self.election = ElectionState {
            epoch,
            leader: None,
            voted: Some(self.local),
        };
        self.persist(effects);
        self.announce_leader(effects);
        self.stand_again(now, effects);
    }

    /// Asks again to be elected in the epoch in which this replica has voted for itself.
    pub(super) fn stand_again(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.role = Role::Candidate(self.new_nominee(now));
        self.advance_election(now, effects);
    }

    /// Goes on if the votes suffice: from the pre-vote to the election, from that to leading.
    pub(super) fn advance_election(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match &self.role {
            Role::Prospective(nominee) if nominee.may_stand(now) => {
                let is_unanimous = nominee.tally.is_unanimous();
                self.settle_if_first(is_unanimous);
                if !self.is_newcomer() {
                    self.become_candidate(now, effects);
                }
            }
            Role::Candidate(nominee) if nominee.tally.is_won() => {
                let granting = nominee.tally.granting().collect();
                self.become_leader(now, granting, effects);
            }
            _ => {}
        }
    }

    /// The better candidate had its time.
    pub(super) fn end_giving_way(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Role::Prospective(nominee) = &mut self.role {
            nominee.gives_way_until = nominee.gives_way_until.filter(|until| *until > now);
        }
        self.advance_election(now, effects);
    }

    fn become_leader(&mut self, now: Instant, granting: Vec<BrokerId>, effects: &mut Vec<Effect>) {
        self.leave(effects);
        self.election.leader = Some(self.local.id);
        self.election.voted = None;
        self.persist(effects);

        let epoch = self.election.epoch;
        let start_offset = self.log.end_offset();
        let has_others = !self.voters.is_only(self.local.id);
        self.role = Role::Leader(Box::new(Leader {
            progress: Progress::new(&self.voters, self.local.id, start_offset),
            start_offset,
            check_quorum: has_others.then(|| now + self.check_quorum_timeout()),
            begin_epoch: has_others.then_some(now),
            parked: Vec::new(),
        }));
        effects.push(Effect::Announce(Announcement::BecameLeader {
            epoch,
            start_offset,
        }));
        // Without a batch of its own epoch a leader cannot commit what earlier leaders left.
        let content = BatchContent::LeaderChange {
            voters: self.voters.ids().to_vec(),
            granting,
        };
        self.append(
            LeaderBatch {
                base_offset: start_offset,
                epoch,
                content,
            },
            effects,
        );
        effects.push(Effect::Flush);
    }

    /// Follows `leader` in `epoch`, which is not below the current one.
    pub(super) fn become_follower(
        &mut self,
        now: Instant,
        epoch: LeaderEpoch,
        leader: BrokerId,
        effects: &mut Vec<Effect>,
    ) {
        assert!(leader != self.local.id, "a replica does not follow itself");
        self.leave(effects);
        self.enter_epoch(epoch, Some(leader), effects);
        self.role = Role::Follower(self.new_follower(now, leader));
    }

    /// Steps down as the leader, and tells the others. Nothing is persisted, because a leader that starts
    /// again resigns anyway.
    pub(super) fn become_resigned(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let successors = match &self.role {
            Role::Leader(leader) => leader.progress.successors(),
            _ => unreachable!("only a leader resigns"),
        };
        self.leave(effects);
        self.role = Role::Resigned(Resigned {
            deadline: self.election_deadline(now),
            unacknowledged: self.voters.others(self.local.id).collect(),
            successors,
        });
    }

    /// Ends an election that was lost, or took too long. A candidate waits until its deadline.
    pub(super) fn give_up_candidacy(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let epoch = self.election.epoch;
        match self.election.leader {
            Some(leader) if leader != self.local.id => {
                let snapshot = self.take_snapshot_progress();
                self.become_follower(now, epoch, leader, effects);
                if let Role::Follower(follower) = &mut self.role {
                    follower.snapshot = snapshot;
                }
            }
            leader => self.become_unattached(now, epoch, leader, effects),
        }
    }

    fn take_snapshot_progress(&mut self) -> Option<SnapshotProgress> {
        self.role.snapshot_mut().and_then(Option::take)
    }

    /// Learns who leads which epoch, as another replica says.
    pub(super) fn learn_leader(
        &mut self,
        now: Instant,
        epoch: LeaderEpoch,
        leader: Option<BrokerId>,
        effects: &mut Vec<Effect>,
    ) {
        let ours = self.election;
        if epoch < ours.epoch {
            return;
        }
        if epoch > ours.epoch {
            match leader {
                Some(leader) if leader != self.local.id => {
                    self.become_follower(now, epoch, leader, effects);
                }
                // This replica led that epoch and has forgotten it, so it must not vote in it.
                leader => self.become_unattached(now, epoch, leader, effects),
            }
            return;
        }
        match (ours.leader, leader) {
            (None, Some(leader)) if leader == self.local.id => {
                self.become_unattached(now, epoch, Some(leader), effects);
            }
            (None, Some(leader)) => self.become_follower(now, epoch, leader, effects),
            (Some(ours), Some(theirs)) if ours != theirs => {
                let reason = format!(
                    "nodes {ours} and {theirs} both lead the metadata quorum in epoch {epoch}: \
                     two clusters with one id, or a node whose quorum-state was lost"
                );
                self.halt(reason, effects);
            }
            _ => {}
        }
    }

    /// When to seek election; a newcomer that has nothing soon asks whether the others have.
    pub(super) fn election_deadline(&mut self, now: Instant) -> Instant {
        let base = if self.is_newcomer() && self.is_blank() {
            self.place_interval()
        } else {
            self.timeouts.election
        };
        now + self.jitter.spread(base)
    }

    pub(super) fn new_follower(&self, now: Instant, leader: BrokerId) -> Follower {
        Follower {
            leader,
            deadline: self.is_voter().then(|| now + self.timeouts.fetch),
            has_fetched: false,
            snapshot: None,
        }
    }

    fn new_nominee(&mut self, now: Instant) -> Nominee {
        Nominee {
            tally: Tally::new(&self.voters, self.local.id),
            deadline: now + self.jitter.spread(self.timeouts.election),
            gives_way_until: None,
            snapshot: None,
        }
    }

    /// Ends the current role: its requests are void, and the callers of a leader are told.
    fn leave(&mut self, effects: &mut Vec<Effect>) {
        self.connections.reset();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let parked = std::mem::take(&mut leader.parked);
        let epoch = self.election.epoch;
        effects.push(Effect::Announce(Announcement::Resigned { epoch }));
        for fetch in parked {
            let body = ResponseBody::Fetch(FetchAnswer::default());
            effects.push(Effect::Reply {
                token: fetch.token,
                response: self.refuse(Refusal::NotLeaderOrFollower, body),
            });
        }
    }

    /// Sets epoch and leader, and keeps a vote of the same epoch. Persists and announces what has changed.
    fn enter_epoch(
        &mut self,
        epoch: LeaderEpoch,
        leader: Option<BrokerId>,
        effects: &mut Vec<Effect>,
    ) {
        let ours = self.election;
        assert!(epoch >= ours.epoch, "the epoch never goes back");
        self.election = ElectionState {
            epoch,
            leader,
            voted: ours.voted.filter(|_| epoch == ours.epoch),
        };
        if self.election != ours {
            self.persist(effects);
            self.announce_leader(effects);
        }
    }

    fn announce_leader(&self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Announce(Announcement::LeaderChanged {
            leader: self.election.leader,
            epoch: self.election.epoch,
        }));
    }
}
