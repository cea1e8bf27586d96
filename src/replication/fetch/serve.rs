//! Carries out what a [`Round`] decides.
//!
//! Nothing is polled but for descriptors, when answers hold all that they may: a mark or a deadline ends a
//! wait. A Fetch may be dropped while it waits.

use std::sync::Arc;

use super::answer::FetchAnswer;
use super::item::Findings;
use super::read::read_all;
use super::request::{FetchParams, SessionRequest};
use super::round::{Round, Step};
use crate::replication::dirs::Dirs;
use crate::replication::fetch_session::{PartitionRequest, SessionError, Sessions, TopicRef};
use crate::replication::hosted::Hosted;
use crate::replication::listener::ReplicaListener;
use crate::replication::threads::{now, random_bytes};
use crate::replication::throttle::Throttles;

/// So many reads take about a millisecond.
const LONG_READ: usize = 100;

/// Serves Fetches, and keeps their sessions.
pub struct Fetches {
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    listener: Arc<dyn ReplicaListener>,
    throttles: Arc<Throttles>,
    pub(crate) sessions: Sessions,
}

/// A Fetch that is being served.
pub struct Fetch {
    pub(crate) fetches: Arc<Fetches>,
    pub(crate) round: Round,
}

impl Fetches {
    /// Keeps up to `max_sessions` sessions (`max.incremental.fetch.session.cache.slots`).
    pub fn new(
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
        listener: &Arc<dyn ReplicaListener>,
        throttles: &Arc<Throttles>,
        max_sessions: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            listener: Arc::clone(listener),
            throttles: Arc::clone(throttles),
            sessions: Sessions::new(max_sessions),
        })
    }

    /// For metrics: how many sessions there are, how many partitions these have, and how many were evicted.
    pub fn session_counts(&self) -> (usize, usize, u64) {
        let (sessions, partitions) = self.sessions.counts();
        (sessions, partitions, self.sessions.evicted_count())
    }

    /// Begins to serve a Fetch: finds its session, and notes what the request changes in it.
    ///
    /// # Errors
    /// The session is unknown, or the request is not its next.
    pub fn begin<'a>(
        self: &Arc<Self>,
        params: FetchParams,
        session: SessionRequest,
        partitions: impl Iterator<Item = (TopicRef<'a>, i32, PartitionRequest)>,
        forgotten: impl Iterator<Item = (TopicRef<'a>, i32)>,
    ) -> Result<Fetch, SessionError> {
        let (sessions, at) = (&self.sessions, now().instant);
        let round = Round::begin(sessions, params, session, partitions, forgotten, at)?;
        Ok(Fetch {
            fetches: Arc::clone(self),
            round,
        })
    }

    /// What a Fetch does next.
    pub(crate) fn next(&self, round: &mut Round) -> Step {
        round.next(&self.hosted, &self.throttles.leader, now().instant)
    }

    /// Passes on what a look at partitions has brought to light.
    pub(crate) fn tell(&self, findings: Findings) {
        for (partition, error) in findings.failures {
            self.dirs.note_failure(&partition, &error);
        }
        if findings.throttled_bytes > 0 {
            let throttle = &self.throttles.leader;
            throttle.spend(findings.throttled_bytes, now().instant);
        }
        for change in findings.isr_changes {
            self.listener.isr_change_wanted(change);
        }
    }
}

impl Fetch {
    /// Serves the Fetch to its end.
    pub async fn run(mut self) -> FetchAnswer {
        let deadline = tokio::time::Instant::now() + self.round.params().max_wait;
        loop {
            match self.fetches.next(&mut self.round) {
                Step::Read(jobs, budget, findings) => {
                    let is_long = jobs.len() >= LONG_READ;
                    self.fetches.tell(findings);
                    let read = read_all(jobs, budget).await;
                    let findings = self.round.take(read);
                    self.fetches.tell(findings);
                    if is_long {
                        // Others wait for this thread, too.
                        tokio::task::yield_now().await;
                    }
                }
                Step::Wait(bytes, at_most) => {
                    let now = tokio::time::Instant::now();
                    let until = at_most.map_or(deadline, |at_most| deadline.min(now + at_most));
                    let _waiting = self.fetches.dirs.metrics.traffic.waiting_fetches.begin();
                    let wait = self.round.watch().wait(bytes);
                    let is_woken = tokio::time::timeout_at(until, wait).await.is_ok();
                    if !is_woken && until == deadline {
                        break;
                    }
                    self.round.woken();
                }
                Step::Answer => break,
            }
        }
        let random = || {
            let [first, second, third, fourth, ..] = random_bytes();
            u32::from_be_bytes([first, second, third, fourth])
        };
        let sessions = &self.fetches.sessions;
        self.round.finish(sessions, random, now().instant)
    }
}
