//! The thread of one fetcher: asks its leader what the core wants, and has done to logs what comes of it.
//!
//! It has a runtime of its own, as it waits for the disk between two requests. A partition that comes while
//! a request waits at the leader is fetched at once: the request gets a moment to be answered, and is then
//! given up together with its connection and session. The session cannot go on without it, as nobody knows
//! which answer was lost, and a second request on the same connection would wait behind the first. Each request
//! that is given up in a row gets twice the time of the one before, so metadata that changes all the time
//! stops no fetcher.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fetcher::Fetcher;
use super::inbox_driver::{Change, Changes, Inbox};
use super::lane::{GiveAway, Given};
use super::link_driver::{Link, LinkError};
use super::logs_driver::Logs;
use super::postponed::Postponed;
use super::work::{Found, Next, Outcome, Search, Work};
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::protocol::messages::fetch::{FetchRequest, FetchResponse};
use crate::replication::threads::now;
use crate::telemetry::LogGate;

static LOST: LogGate = LogGate::of_many(10);

/// How long a request may at least take to be answered, also when there is something new to ask for.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);
/// No request waits longer than this for its answer when there is something new to ask for.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// Tells the epoch of this broker's registration; `None` as long as there is none.
pub type BrokerEpoch = Arc<dyn Fn() -> Option<i64> + Send + Sync>;

/// What a fetcher's thread owns.
pub struct FetcherThread {
    pub leader: BrokerId,
    pub link: Link,
    pub desk: Desk,
    pub broker_epoch: BrokerEpoch,
}

/// The core, with what it is told and what it has done.
pub struct Desk {
    /// The core.
    pub fetcher: Fetcher,
    inbox: Arc<Inbox>,
    logs: Logs,
    backoff: Duration,
    /// Partitions that could not be begun with.
    postponed: Postponed,
    give_away: GiveAway,
}

/// Whether the thread goes on.
pub enum Flow {
    /// It does.
    GoOn,
    /// It was told to end.
    End,
}

impl Desk {
    /// A desk with nothing on it.
    pub fn new(
        fetcher: Fetcher,
        inbox: Arc<Inbox>,
        logs: Logs,
        backoff: Duration,
        give_away: GiveAway,
    ) -> Self {
        Self {
            fetcher,
            inbox,
            logs,
            backoff,
            postponed: Postponed::default(),
            give_away,
        }
    }

    /// Takes what the fetcher is told.
    pub fn take_changes(&mut self) -> Flow {
        let Some(changes) = self.inbox.take() else {
            return Flow::End;
        };
        let due = self.postponed.take_due(now().instant).into_iter();
        let mut due: Changes = due.map(|(id, epoch)| (id, Change::Follow(epoch))).collect();
        due.extend(changes);
        for (id, change) in due {
            self.postponed.remove(&id);
            let epoch = match change {
                Change::Follow(epoch) => {
                    let known = self.fetcher.end_of(&id, epoch);
                    // Only a fetcher appends: if the log ends elsewhere, it was made anew.
                    if known.is_some() && self.logs.end_of(&id, epoch) == known {
                        continue;
                    }
                    epoch
                }
                Change::TakeOver(change) => {
                    let epoch = change.leader_epoch;
                    if self.logs.end_of(&id, epoch) == Some(change.end) {
                        self.fetcher.take_over(&change);
                        continue;
                    }
                    epoch
                }
                Change::Unfollow => {
                    self.fetcher.unfollow(&id);
                    self.postponed.forget_bugs(&id);
                    continue;
                }
            };
            self.fetcher.unfollow(&id);
            match self.logs.begin(id, epoch) {
                Outcome::Ends(end) | Outcome::Throttled(end) => {
                    self.fetcher.follow(id, epoch, end);
                }
                Outcome::Gone => {}
                outcome @ (Outcome::Failed(_) | Outcome::Unready | Outcome::Broken) => {
                    self.postpone(id, epoch, outcome);
                }
            }
        }
        Flow::GoOn
    }

    /// What comes next, see [`Fetcher::next`].
    pub fn next(&mut self, broker_epoch: i64) -> Next {
        let now = now().instant;
        let is_throttled = self.fetcher.has_throttled();
        let throttled_until = is_throttled.then(|| self.logs.throttled_until(now));
        self.fetcher
            .next(broker_epoch, throttled_until.flatten(), now)
    }

    /// Begins with a partition again after a pause.
    fn postpone(&mut self, id: TopicIdPartition, epoch: LeaderEpoch, outcome: Outcome) {
        let now = now().instant;
        match outcome {
            Outcome::Broken => self.postponed.put_after_bug(id, epoch, now),
            _ => self.postponed.put(id, epoch, now + self.backoff),
        }
    }

    /// When something that was postponed is tried again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.postponed.next()
    }

    /// Has works done to logs, and notes what became of them.
    pub fn carry_out(&mut self, works: &[Work]) {
        let outcomes = self.logs.carry_out(works);
        let now = now().instant;
        for (work, outcome) in works.iter().zip(outcomes) {
            match outcome {
                Outcome::Unready | Outcome::Broken => {
                    if self.fetcher.follows(&work.id, work.leader_epoch) {
                        self.postpone(work.id, work.leader_epoch, outcome);
                    }
                }
                Outcome::Ends(_) | Outcome::Throttled(_) => self.postponed.forget_bugs(&work.id),
                Outcome::Failed(_) | Outcome::Gone => {}
            }
            self.fetcher.done(work, outcome, now);
        }
        self.change_lanes();
    }

    /// Gives away what is for the other lane. Nothing is under way for any partition now.
    fn change_lanes(&mut self) {
        for change in self.fetcher.misplaced() {
            match (self.give_away)(&change) {
                Given::Away => self.fetcher.unfollow(&change.id),
                Given::Stays => {}
                Given::NotNow => return,
            }
        }
    }
}

impl FetcherThread {
    /// Fetches until it is told to end.
    pub async fn run(mut self) {
        let mut patience = LEAST_PATIENCE;
        while let Flow::GoOn = self.desk.take_changes() {
            let Some(broker_epoch) = (self.broker_epoch)() else {
                self.desk.inbox.changed().await;
                continue;
            };
            match self.desk.next(broker_epoch) {
                Next::Wait(until) => self.wait(until).await,
                Next::Search(searches) => self.search(&searches).await,
                Next::Fetch(request) => {
                    let answer = exchange(&mut self.link, &mut self.desk, &request, patience).await;
                    patience = match answer {
                        Some(_) => LEAST_PATIENCE,
                        None => MOST_PATIENCE.min(2 * patience),
                    };
                    self.take_answer(answer);
                }
            }
        }
    }

    async fn wait(&self, until: Option<Instant>) {
        let changed = self.desk.inbox.changed();
        let until = [until, self.desk.retry_at()].into_iter().flatten().min();
        match until {
            Some(until) => {
                // Either is a reason to look again.
                let _ = tokio::time::timeout_at(until.into(), changed).await;
            }
            None => changed.await,
        }
    }

    fn take_answer(&mut self, answer: Option<Result<FetchResponse, LinkError>>) {
        match answer {
            Some(Ok(response)) => {
                let works = self.desk.fetcher.answered(response, now().instant);
                self.desk.carry_out(&works);
            }
            Some(Err(error)) => self.lost(&error),
            None => {
                self.link.close();
                self.desk.fetcher.abandoned();
            }
        }
    }

    async fn search(&mut self, searches: &[Search]) {
        match look_up(&mut self.link, &mut self.desk, searches).await {
            // The thread ends.
            None => self.link.close(),
            Some(Ok(found)) => {
                let works = self.desk.fetcher.searched(&found, now().instant);
                self.desk.carry_out(&works);
            }
            Some(Err(error)) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &LinkError) {
        if let Some(suppressed) = LOST.pass() {
            tracing::warn!(leader = %self.leader, %error, suppressed, "cannot fetch from a leader");
        }
        self.link.close();
        self.desk.fetcher.failed(now().instant);
    }
}

/// Asks where logs start and end. `None` if the thread is to end.
async fn look_up(
    link: &mut Link,
    desk: &mut Desk,
    searches: &[Search],
) -> Option<Result<Vec<(Search, Found)>, LinkError>> {
    let inbox = Arc::clone(&desk.inbox);
    let search = link.search(searches);
    tokio::pin!(search);
    loop {
        tokio::select! {
            found = &mut search => return Some(found),
            () = inbox.changed() => {
                if let Flow::End = desk.take_changes() {
                    return None;
                }
            }
        }
    }
}

/// Asks for records. `None` if the request was given up: as the thread is to end, or as there is something
/// new to ask for, and no answer came within `patience`.
async fn exchange(
    link: &mut Link,
    desk: &mut Desk,
    request: &FetchRequest,
    patience: Duration,
) -> Option<Result<FetchResponse, LinkError>> {
    let inbox = Arc::clone(&desk.inbox);
    let patient_until = now().instant + patience;
    let mut give_up_at = None;
    let fetch = link.fetch(request);
    tokio::pin!(fetch);
    loop {
        tokio::select! {
            answer = &mut fetch => return Some(answer),
            () = at(give_up_at) => return None,
            () = inbox.changed() => {
                if let Flow::End = desk.take_changes() {
                    return None;
                }
                if give_up_at.is_none() && desk.fetcher.has_news() {
                    let soon = now().instant + LEAST_PATIENCE;
                    give_up_at = Some(patient_until.max(soon));
                }
            }
        }
    }
}

/// Ends at that moment; never if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
