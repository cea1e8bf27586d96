//! What a leader knows of its followers: how far each has fetched, which are in sync, and which changes of
//! the in-sync set the controller should be asked for (KIP-497).
//!
//! The controller decides. Until it has, the leader counts with the larger of the two sets (the maximal
//! ISR), which is always safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::{BrokerId, Offset};
use crate::replication::high_watermark::{self, Follower, Leader};

/// When a fetch session was last used. Partitions that its requests do not name, because nothing has
/// changed, count as fetched then.
#[derive(Debug)]
pub struct SessionClock {
    created_at: Instant,
    millis: AtomicU64,
}

impl SessionClock {
    /// The clock of a session that begins now.
    pub fn new(now: Instant) -> Self {
        Self {
            created_at: now,
            millis: AtomicU64::new(0),
        }
    }

    /// Notes that a request of the session has arrived.
    pub fn touch(&self, now: Instant) {
        let age = now.saturating_duration_since(self.created_at).as_millis();
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        self.millis.fetch_max(age, Ordering::Relaxed);
    }

    /// When the last request of the session arrived.
    pub fn last_used(&self) -> Instant {
        self.created_at + Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }
}

/// How far one follower is.
#[derive(Clone, Debug)]
pub struct FollowerProgress {
    /// The follower's id.
    pub id: BrokerId,
    /// The end of the follower's log; [`Offset::NONE`] if it has not fetched in this epoch.
    pub end_offset: Offset,
    /// The start of the follower's log.
    pub log_start_offset: Offset,
    /// When the follower last had everything that the leader had; `None` if it never had.
    pub caught_up_at: Option<Instant>,
    /// The broker epoch of its last Fetch (KIP-903); -1 if it gave none.
    pub broker_epoch: i64,
    /// Whether the follower may join the in-sync set: it is neither fenced nor shutting down, nor an
    /// earlier process.
    pub is_eligible: bool,
    /// Whether deletions wait for the follower: its broker is not fenced.
    is_alive: bool,
    /// When the follower last fetched.
    fetched_at: Option<Instant>,
    /// The end of the leader's log at the follower's last Fetch.
    leader_end_offset: Offset,
    /// The session that the follower fetches in.
    session: Option<Arc<SessionClock>>,
}

impl FollowerProgress {
    fn new(id: BrokerId) -> Self {
        Self {
            id,
            end_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            caught_up_at: None,
            broker_epoch: -1,
            is_eligible: false,
            is_alive: true,
            fetched_at: None,
            leader_end_offset: Offset::NONE,
            session: None,
        }
    }

    fn is_caught_up(&self, leader_end_offset: Offset, now: Instant, max_lag: Duration) -> bool {
        let is_recent = |at| now.saturating_duration_since(at) <= max_lag;
        self.end_offset == leader_end_offset || self.caught_up_at.is_some_and(is_recent)
    }
}

/// A follower's Fetch: what it says about the follower.
#[derive(Clone, Debug)]
pub struct FollowerFetch {
    /// The follower's id.
    pub id: BrokerId,
    /// The end of the follower's log.
    pub end_offset: Offset,
    /// The start of the follower's log.
    pub log_start_offset: Offset,
    /// The follower's broker epoch; -1 if it gave none.
    pub broker_epoch: i64,
    /// When the Fetch arrived.
    pub at: Instant,
    /// The session that the Fetch belongs to.
    pub session: Option<Arc<SessionClock>>,
}

/// An in-sync set that the controller should be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrProposal {
    /// The replicas of the set with their broker epochs, -1 for an unknown one.
    pub isr: Vec<(BrokerId, i64)>,
}

/// What a leader knows of a partition's replicas.
#[derive(Clone, Debug)]
pub struct Leadership {
    local: BrokerId,
    /// The end of the log when this epoch began.
    start_offset: Offset,
    isr: Vec<BrokerId>,
    /// The in-sync set that the controller was asked for, and has not decided on.
    proposed: Option<Vec<BrokerId>>,
    followers: Vec<FollowerProgress>,
}

impl Leadership {
    /// The leadership of `local`, in an epoch that begins at `start_offset`.
    /// Followers in sync count as caught up at `now`, so that they have the whole allowed lag to show
    /// themselves.
    pub fn begin(
        local: BrokerId,
        start_offset: Offset,
        replicas: &[BrokerId],
        isr: &[BrokerId],
        now: Instant,
    ) -> Self {
        let mut this = Self {
            local,
            start_offset,
            isr: isr.to_vec(),
            proposed: None,
            followers: Vec::new(),
        };
        this.assign(replicas, isr);
        for follower in &mut this.followers {
            follower.caught_up_at = isr.contains(&follower.id).then_some(now);
        }
        this
    }

    /// Takes over what the controller has decided within the epoch. A proposal stays open: see
    /// [`Self::proposal_ended`].
    pub fn assign(&mut self, replicas: &[BrokerId], isr: &[BrokerId]) {
        let known = std::mem::take(&mut self.followers);
        let others = replicas.iter().copied().filter(|&id| id != self.local);
        self.followers = others
            .map(|id| {
                let before = known.iter().find(|follower| follower.id == id);
                before.cloned().unwrap_or_else(|| FollowerProgress::new(id))
            })
            .collect();
        self.isr = isr.to_vec();
    }

    /// Begins another epoch of the same leader. What followers have fetched does not count: another broker
    /// may have led in between, and they may have cut it off.
    pub fn begin_epoch(&mut self, start_offset: Offset, now: Instant) {
        self.start_offset = start_offset;
        for follower in &mut self.followers {
            let is_in_sync = self.isr.contains(&follower.id);
            follower.end_offset = Offset::NONE;
            follower.leader_end_offset = start_offset;
            follower.caught_up_at = is_in_sync.then_some(now);
            follower.fetched_at = is_in_sync.then_some(now);
        }
    }

    /// The end of the log when this epoch began.
    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    /// The in-sync replicas, as the controller says.
    pub fn isr(&self) -> &[BrokerId] {
        &self.isr
    }

    /// How many replicas count as in sync: with those that the controller was asked to add.
    pub fn maximal_isr_len(&self) -> usize {
        let proposed = self.proposed.as_deref().unwrap_or_default();
        let added = proposed.iter().filter(|id| !self.isr.contains(id)).count();
        self.isr.len() + added
    }

    /// How many replicas there are.
    pub fn replica_count(&self) -> usize {
        self.followers.len() + 1
    }

    /// All followers.
    pub fn followers(&self) -> &[FollowerProgress] {
        &self.followers
    }

    /// Notes a follower's Fetch; `is_eligible` as in [`FollowerProgress::is_eligible`]. `None` if it has no
    /// replica of the partition. `Some(true)` if its log has grown, so that the high watermark may move.
    pub fn fetched(
        &mut self,
        fetch: &FollowerFetch,
        is_eligible: bool,
        leader_end_offset: Offset,
    ) -> Option<bool> {
        let follower = self.followers.iter_mut().find(|it| it.id == fetch.id)?;
        // A Fetch of a process that is gone, which was held up on its way, says nothing of the one that is here.
        if fetch.broker_epoch < follower.broker_epoch {
            return Some(false);
        }
        // A follower that now has everything the leader had at its Fetch before was caught up then: a
        // leader that is written to all the time is always a little ahead (KAFKA-2143).
        if fetch.end_offset >= leader_end_offset {
            follower.caught_up_at = follower.caught_up_at.max(Some(fetch.at));
        } else if fetch.end_offset >= follower.leader_end_offset {
            follower.caught_up_at = follower.caught_up_at.max(follower.fetched_at);
        }
        let grew = follower.end_offset != fetch.end_offset;
        follower.end_offset = fetch.end_offset;
        follower.log_start_offset = fetch.log_start_offset;
        follower.broker_epoch = fetch.broker_epoch;
        follower.is_eligible = is_eligible;
        follower.fetched_at = Some(fetch.at);
        follower.session.clone_from(&fetch.session);
        follower.leader_end_offset = follower.leader_end_offset.max(leader_end_offset);
        Some(grew)
    }

    /// Prepares for an append to a log that ends at `end_offset`. Followers that have all of it were caught
    /// up at the last request of their session, because idle partitions are not named in requests.
    pub fn before_append(&mut self, end_offset: Offset) {
        for follower in self
            .followers
            .iter_mut()
            .filter(|it| it.end_offset == end_offset)
        {
            let last_used = follower.session.as_ref().map(|session| session.last_used());
            follower.caught_up_at = follower.caught_up_at.max(last_used);
            follower.fetched_at = follower.fetched_at.max(last_used);
        }
    }

    /// Notes again who may join the in-sync set, because brokers have come or gone.
    pub fn set_eligible(&mut self, is_eligible: impl Fn(BrokerId, i64) -> bool) {
        for follower in &mut self.followers {
            follower.is_eligible = is_eligible(follower.id, follower.broker_epoch);
        }
    }

    /// Notes again which brokers are alive.
    pub fn set_alive(&mut self, is_alive: impl Fn(BrokerId) -> bool) {
        for follower in &mut self.followers {
            follower.is_alive = is_alive(follower.id);
        }
    }

    /// The high watermark that follows; see [`high_watermark::advanced`].
    pub fn high_watermark(
        &self,
        current: Offset,
        end_offset: Offset,
        min_in_sync: usize,
        (now, max_lag): (Instant, Duration),
    ) -> Offset {
        let leader = Leader {
            high_watermark: current,
            end_offset,
            in_sync_count: self.isr.len(),
            min_in_sync,
        };
        let proposed = self.proposed.as_deref().unwrap_or_default();
        let followers = self.followers.iter().map(|follower| Follower {
            end_offset: follower.end_offset,
            must_have: self.isr.contains(&follower.id)
                || proposed.contains(&follower.id)
                || follower.is_eligible && follower.is_caught_up(end_offset, now, max_lag),
        });
        high_watermark::advanced(&leader, followers)
    }

    /// Proposes the in-sync set with a follower that has caught up: it has everything below the high
    /// watermark, and everything with which this epoch began. The proposal counts from now on.
    pub fn propose_expansion(
        &mut self,
        id: BrokerId,
        high_watermark: Offset,
    ) -> Option<IsrProposal> {
        let follower = self.followers.iter().find(|it| it.id == id)?;
        if self.proposed.is_some() || !self.may_join(follower, high_watermark) {
            return None;
        }
        let isr = self.isr.iter().copied().chain([id]).collect();
        Some(self.propose(isr))
    }

    /// Proposes the in-sync set with all followers that have caught up, though none of them has fetched just
    /// now: a session does not name a partition in which nothing happens.
    pub fn propose_expansions(
        &mut self,
        high_watermark: Offset,
        now: Instant,
        max_lag: Duration,
    ) -> Option<IsrProposal> {
        if self.proposed.is_some() {
            return None;
        }
        // One that is silent may have no log any more.
        let is_heard = |follower: &FollowerProgress| {
            let session = follower.session.as_ref().map(|session| session.last_used());
            let heard = follower.fetched_at.max(session);
            heard.is_some_and(|at| now.saturating_duration_since(at) <= max_lag)
        };
        let joining = self.followers.iter();
        let joining = joining
            .filter(|follower| is_heard(follower) && self.may_join(follower, high_watermark));
        let joining: Vec<BrokerId> = joining.map(|follower| follower.id).collect();
        let isr = self.isr.iter().chain(&joining).copied().collect();
        (!joining.is_empty()).then(|| self.propose(isr))
    }

    fn may_join(&self, follower: &FollowerProgress, high_watermark: Offset) -> bool {
        let is_in_sync =
            follower.end_offset >= high_watermark && follower.end_offset >= self.start_offset;
        // Without its epoch the controller could not tell the follower from an earlier process (KIP-903).
        let has_epoch = follower.broker_epoch >= 0;
        is_in_sync && follower.is_eligible && has_epoch && !self.isr.contains(&follower.id)
    }

    /// Proposes the in-sync set without the followers that are behind by more than `max_lag`.
    pub fn propose_shrinking(
        &mut self,
        end_offset: Offset,
        now: Instant,
        max_lag: Duration,
    ) -> Option<IsrProposal> {
        if self.proposed.is_some() {
            return None;
        }
        let is_in_sync = |id: &BrokerId| {
            let mut followers = self.followers.iter();
            *id == self.local
                || followers.any(|it| it.id == *id && it.is_caught_up(end_offset, now, max_lag))
        };
        let isr: Vec<_> = self.isr.iter().copied().filter(is_in_sync).collect();
        (isr.len() < self.isr.len()).then(|| self.propose(isr))
    }

    fn propose(&mut self, isr: Vec<BrokerId>) -> IsrProposal {
        let epoch_of = |id| {
            self.followers
                .iter()
                .find(|it| it.id == id)
                .map_or(-1, |it| it.broker_epoch)
        };
        let proposal = IsrProposal {
            isr: isr.iter().map(|&id| (id, epoch_of(id))).collect(),
        };
        self.proposed = Some(isr);
        proposal
    }

    /// Ends a proposal. `decided` is the set that the controller answered; `None` if it refused, or the
    /// metadata has gone past what the proposal was based on. An answer that was lost ends nothing: the
    /// controller may have taken the proposal.
    pub fn proposal_ended(&mut self, decided: Option<&[BrokerId]>) {
        self.proposed = None;
        if let Some(isr) = decided {
            self.isr = isr.to_vec();
        }
    }

    /// The lowest log start of all living replicas: records below it are deleted for good.
    pub fn low_watermark(&self, log_start: Offset) -> Offset {
        let alive = self.followers.iter().filter(|follower| follower.is_alive);
        alive
            .map(|follower| follower.log_start_offset)
            .fold(log_start, Offset::min)
    }
}

#[cfg(test)]
mod tests;
