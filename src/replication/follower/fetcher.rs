//! What is fetched from one leader: pure, so it asks for nothing itself and touches no log.
//!
//! The one who drives it asks what comes [`Fetcher::next`], carries that out, and tells what became of it:
//! an answer becomes [`Work`] on logs, and the outcome of each work says where its log ends then. Time is an
//! argument. Each partition is by itself: one that is refused, or does not fit its log, is let alone for
//! `replica.fetch.backoff.ms`, and the others go on.
//!
//! Partitions whose logs are behind are for another fetcher than the others, see [`super::lane`]: this one says
//! which of its own are for the other.
//!
//! Invariant: of an answer counts only what belongs to the epoch and the log end that its partition has
//! now. Whoever follows a partition in a new epoch, or cuts its log, makes what is under way meaningless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::following::{Following, Stage};
use super::lane::{Lane, LaneChange};
use super::request::fetch_request;
use super::session::Session;
use super::work::{Act, Found, Next, Outcome, Search, Work};
use crate::model::{BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{FetchResponse, PartitionData};
use crate::replication::partition::{Cut, FollowerEnd};
use crate::storage::leader_epochs::EpochEnd;

/// How a follower fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetcherSettings {
    /// `node.id`.
    pub replica: BrokerId,
    /// `replica.fetch.wait.max.ms`.
    pub max_wait_ms: i32,
    /// `replica.fetch.min.bytes`.
    pub min_bytes: i32,
    /// `replica.fetch.response.max.bytes`.
    pub response_max_bytes: i32,
    /// `replica.fetch.max.bytes`.
    pub partition_max_bytes: i32,
    /// `replica.fetch.backoff.ms`.
    pub backoff: Duration,
}

/// The partitions that are fetched from one leader over one connection.
#[derive(Debug)]
pub struct Fetcher {
    settings: FetcherSettings,
    lane: Lane,
    partitions: BTreeMap<TopicIdPartition, Following>,
    session: Session,
    /// The partitions that may have changed since the last request.
    changed: BTreeSet<TopicIdPartition>,
    searching: BTreeSet<TopicIdPartition>,
    throttled: BTreeSet<TopicIdPartition>,
    delayed: BTreeSet<(Instant, TopicIdPartition)>,
    /// The partitions that are for the other lane.
    misplaced: BTreeSet<TopicIdPartition>,
    fetching_count: usize,
    /// The end of a back-off that holds for all partitions: the leader cannot be reached.
    retry_at: Option<Instant>,
    /// The last partition that had records: a request that names all begins with the one behind it, so that
    /// the limits on an answer do not favour the same ones each time.
    served: Option<TopicIdPartition>,
}

impl Fetcher {
    /// Fetches nothing yet.
    pub fn new(settings: FetcherSettings, lane: Lane) -> Self {
        Self {
            settings,
            lane,
            partitions: BTreeMap::new(),
            session: Session::default(),
            changed: BTreeSet::new(),
            searching: BTreeSet::new(),
            throttled: BTreeSet::new(),
            delayed: BTreeSet::new(),
            misplaced: BTreeSet::new(),
            fetching_count: 0,
            retry_at: None,
            served: None,
        }
    }

    /// Fetches a partition from now on, whose log ends at `end`. In the same epoch nothing changes.
    pub fn follow(&mut self, id: TopicIdPartition, leader_epoch: LeaderEpoch, end: FollowerEnd) {
        let known = self.partitions.get(&id);
        if known.is_some_and(|known| known.leader_epoch == leader_epoch) {
            return;
        }
        let change = LaneChange {
            id,
            leader_epoch,
            end,
            is_throttled: false,
        };
        self.take_over(&change);
    }

    /// Fetches a partition from now on that another fetcher has fetched so far.
    pub fn take_over(&mut self, change: &LaneChange) {
        let following = Following::begin(change, self.lane);
        self.put(change.id, Some(following));
    }

    /// Fetches a partition no more.
    pub fn unfollow(&mut self, id: &TopicIdPartition) {
        self.put(*id, None);
    }

    /// Whether the epoch of a partition that is fetched is this one.
    pub fn follows(&self, id: &TopicIdPartition, leader_epoch: LeaderEpoch) -> bool {
        let known = self.partitions.get(id);
        known.is_some_and(|known| known.leader_epoch == leader_epoch)
    }

    /// Where the log of a partition ends, as far as is known, if it is fetched in this epoch.
    pub fn end_of(&self, id: &TopicIdPartition, leader_epoch: LeaderEpoch) -> Option<FollowerEnd> {
        let known = self.partitions.get(id);
        let known = known.filter(|known| known.leader_epoch == leader_epoch);
        known.map(|known| known.end)
    }

    /// Whether a partition is to be fetched that the last request did not ask for, so that a request which
    /// waits at the leader should be given up. For those that are behind none is: it may bring much.
    pub fn has_news(&self) -> bool {
        if self.lane == Lane::Behind {
            return false;
        }
        let mut changed = self.changed.iter();
        changed.any(|id| {
            let following = self.partitions.get(id);
            following.is_some_and(|it| it.stage == Stage::Fetching)
        })
    }

    /// The partitions that are for the other lane and may go there now. Where all are behind, they keep none
    /// waiting, and stay.
    pub fn misplaced(&self) -> Vec<LaneChange> {
        if self.lane == Lane::Prompt && self.misplaced.len() == self.partitions.len() {
            return Vec::new();
        }
        let misplaced = self.misplaced.iter().filter_map(|id| {
            let following = self.partitions.get(id);
            following.and_then(|following| following.lane_change(*id))
        });
        misplaced.collect()
    }

    /// Whether there are partitions that wait for the throttle.
    pub fn has_throttled(&self) -> bool {
        !self.throttled.is_empty()
    }

    /// What comes next. `broker_epoch` is that of this broker's registration; throttled partitions may be
    /// fetched again at `throttled_until`, now if there is none.
    pub fn next(
        &mut self,
        broker_epoch: i64,
        throttled_until: Option<Instant>,
        now: Instant,
    ) -> Next {
        self.end_delays(now);
        if throttled_until.is_none() {
            self.end_throttling();
        }
        let throttled_until = throttled_until.filter(|_| self.has_throttled());
        if let Some(at) = self.retry_at.filter(|at| *at > now) {
            return Next::Wait(Some(at));
        }
        self.retry_at = None;
        if !self.searching.is_empty() {
            return Next::Search(self.searches());
        }
        if self.fetching_count == 0 {
            let delayed_until = self.delayed.first().map(|(until, _)| *until);
            return Next::Wait(delayed_until.into_iter().chain(throttled_until).min());
        }
        let partitions = &self.partitions;
        let changed = std::mem::take(&mut self.changed);
        let changes = if self.session.is_new() {
            let all = in_turn(partitions, self.served);
            self.session
                .request(all.map(|(id, following)| (*id, following.ask())))
        } else {
            let asks = changed.into_iter().map(|id| {
                let following = partitions.get(&id);
                (id, following.and_then(Following::ask))
            });
            self.session.request(asks)
        };
        let mut request = fetch_request(&self.settings, broker_epoch, changes);
        if let Some(until) = throttled_until {
            // Those that are not in this request must not wait for its answer.
            let wait = until.saturating_duration_since(now).as_millis();
            let wait = i32::try_from(wait).unwrap_or(i32::MAX);
            request.max_wait_ms = request.max_wait_ms.min(wait);
        }
        Next::Fetch(request)
    }

    /// Takes the answer to the last Fetch, and says what is to be done with it.
    pub fn answered(&mut self, response: FetchResponse, now: Instant) -> Vec<Work> {
        let was_new = self.session.is_new();
        let mut answers = BTreeMap::new();
        for topic in response.responses {
            let topic_id = topic.topic_id;
            for data in topic.partitions {
                let partition = data.partition_index;
                let id = TopicIdPartition {
                    topic_id,
                    partition,
                };
                answers.insert(id, data);
            }
        }
        let named = answers.keys().copied().collect();
        let (error, session_id) = (response.error_code, response.session_id);
        if let Err(broken) = self.session.answered(error, session_id, &named) {
            tracing::debug!(%broken, "the next fetch begins another session");
            // A leader that takes no session at all is not asked again at once.
            if was_new {
                self.failed(now);
            }
            return Vec::new();
        }
        let mut work = Vec::new();
        for (id, data) in answers {
            work.extend(self.take(id, data, now));
        }
        work
    }

    /// Takes what the leader has said about its logs, and says what is to be done with it.
    pub fn searched(&mut self, found: &[(Search, Found)], now: Instant) -> Vec<Work> {
        let mut work = Vec::new();
        for (search, found) in found {
            let following = self.partitions.get(&search.id).copied();
            let following = following.filter(|following| {
                following.stage == Stage::Searching && following.leader_epoch == search.leader_epoch
            });
            let Some(mut following) = following else {
                continue;
            };
            match found {
                Ok(leader) => {
                    let end = following.end.end_offset;
                    let cut = if leader.end_offset < end {
                        Some(Cut::ToEnd(leader.end_offset))
                    } else if leader.log_start_offset > end {
                        Some(Cut::StartOver(leader.log_start_offset))
                    } else {
                        None
                    };
                    following.stage = Stage::Fetching;
                    if cut.is_none() {
                        // The logs fit by now. If the leader says otherwise again, it is not asked at once.
                        following.delay(now + self.settings.backoff);
                    }
                    self.put(search.id, Some(following));
                    work.extend(cut.map(|cut| Work {
                        id: search.id,
                        replica: following.end.replica,
                        leader_epoch: search.leader_epoch,
                        act: Act::Cut(cut),
                    }));
                }
                Err(ErrorCode::FENCED_LEADER_EPOCH) => {
                    following.stage = Stage::Fenced;
                    self.put(search.id, Some(following));
                }
                Err(_) => self.delay(search.id, now),
            }
        }
        work
    }

    /// Notes what became of a work.
    pub fn done(&mut self, work: &Work, outcome: Outcome, now: Instant) {
        let following = self.partitions.get(&work.id).copied();
        let current = following.filter(|following| following.leader_epoch == work.leader_epoch);
        let Some(mut following) = current else {
            return;
        };
        if let (Act::Append { high_watermark, .. }, Outcome::Ends(end) | Outcome::Throttled(end)) =
            (&work.act, &outcome)
        {
            following.note_answer(end.end_offset < *high_watermark);
        }
        match outcome {
            Outcome::Gone | Outcome::Unready | Outcome::Broken => self.put(work.id, None),
            Outcome::Ends(end) => {
                let is_as_before = following.end == end;
                following.end = end;
                following.early_asks = 0;
                if is_as_before && matches!(work.act, Act::Cut(_)) {
                    // What the leader says cannot be brought in line with this log. To ask again at once
                    // would go on without an end.
                    following.delay(now + self.settings.backoff);
                }
                self.put(work.id, Some(following));
            }
            Outcome::Throttled(end) => {
                following.end = end;
                following.early_asks = 0;
                following.stage = Stage::Throttled;
                self.put(work.id, Some(following));
            }
            Outcome::Failed(end) => {
                following.end = end;
                following.delay(now + self.settings.backoff);
                self.put(work.id, Some(following));
            }
        }
    }

    /// Notes that no answer came that could be understood: the connection is lost.
    pub fn failed(&mut self, now: Instant) {
        self.session.close();
        self.retry_at = Some(now + self.settings.backoff);
    }

    /// Notes that the last request was given up, and its connection with it.
    pub fn abandoned(&mut self) {
        self.session.close();
    }

    /// One partition of an answer.
    fn take(&mut self, id: TopicIdPartition, data: PartitionData, now: Instant) -> Option<Work> {
        let ask = *self.session.asked(&id)?;
        let mut following = *self.partitions.get(&id).filter(|it| it.awaits(&ask))?;
        let act = match data.error_code {
            ErrorCode::NONE if data.diverging_epoch.epoch >= 0 => {
                let end = data.diverging_epoch;
                if end.end_offset < 0 {
                    self.delay(id, now);
                    return None;
                }
                Act::Cut(Cut::Diverging(EpochEnd {
                    epoch: LeaderEpoch(end.epoch),
                    end_offset: Offset(end.end_offset),
                }))
            }
            ErrorCode::NONE => {
                let records = data.records.bytes().cloned().unwrap_or_default();
                if !records.is_empty() {
                    self.served = Some(id);
                }
                Act::Append {
                    fetch_offset: ask.fetch_offset,
                    records,
                    high_watermark: Offset(data.high_watermark),
                    log_start_offset: Offset(data.log_start_offset),
                }
            }
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                following.stage = Stage::Searching;
                self.put(id, Some(following));
                return None;
            }
            // Whoever leads by now, the metadata will tell: asking again would be told the same.
            ErrorCode::FENCED_LEADER_EPOCH => {
                following.stage = Stage::Fenced;
                self.put(id, Some(following));
                return None;
            }
            ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                following.delay_a_little(now, self.settings.backoff);
                self.put(id, Some(following));
                return None;
            }
            error => {
                tracing::debug!(?id, ?error, "a leader refuses a fetch");
                self.delay(id, now);
                return None;
            }
        };
        Some(Work {
            id,
            replica: following.end.replica,
            leader_epoch: ask.leader_epoch,
            act,
        })
    }

    fn searches(&self) -> Vec<Search> {
        let searching = self.searching.iter();
        let searches = searching.filter_map(|id| {
            let following = self.partitions.get(id)?;
            Some(Search {
                id: *id,
                leader_epoch: following.leader_epoch,
            })
        });
        searches.collect()
    }

    fn delay(&mut self, id: TopicIdPartition, now: Instant) {
        if let Some(mut following) = self.partitions.get(&id).copied() {
            following.delay(now + self.settings.backoff);
            self.put(id, Some(following));
        }
    }

    fn end_throttling(&mut self) {
        for id in std::mem::take(&mut self.throttled) {
            let following = self.partitions.get(&id).copied();
            let mut following = following.expect("what is throttled is fetched");
            following.stage = Stage::Fetching;
            self.put(id, Some(following));
        }
    }

    fn end_delays(&mut self, now: Instant) {
        while let Some((until, id)) = self.delayed.first().copied()
            && until <= now
        {
            let following = self.partitions.get(&id).copied();
            let mut following = following.expect("what is delayed is fetched");
            let searches = matches!(following.stage, Stage::Delayed { searches: true, .. });
            following.stage = if searches {
                Stage::Searching
            } else {
                Stage::Fetching
            };
            self.put(id, Some(following));
        }
    }

    /// Changes a partition, with all that is counted by its stage.
    fn put(&mut self, id: TopicIdPartition, following: Option<Following>) {
        let before = match following {
            Some(following) => self.partitions.insert(id, following),
            None => self.partitions.remove(&id),
        };
        if before == following {
            return;
        }
        match before.map(|before| before.stage) {
            Some(Stage::Fetching) => self.fetching_count -= 1,
            Some(Stage::Searching) => {
                self.searching.remove(&id);
            }
            Some(Stage::Throttled) => {
                self.throttled.remove(&id);
            }
            Some(Stage::Delayed { until, .. }) => {
                self.delayed.remove(&(until, id));
            }
            Some(Stage::Fenced) | None => {}
        }
        match following.map(|following| following.stage) {
            Some(Stage::Fetching) => self.fetching_count += 1,
            Some(Stage::Searching) => {
                self.searching.insert(id);
            }
            Some(Stage::Throttled) => {
                self.throttled.insert(id);
            }
            Some(Stage::Delayed { until, .. }) => {
                self.delayed.insert((until, id));
            }
            Some(Stage::Fenced) | None => {}
        }
        if following.is_some_and(|following| following.is_misplaced(self.lane)) {
            self.misplaced.insert(id);
        } else {
            self.misplaced.remove(&id);
        }
        self.changed.insert(id);
    }
}

/// All partitions, from the one behind `served` on.
fn in_turn(
    partitions: &BTreeMap<TopicIdPartition, Following>,
    served: Option<TopicIdPartition>,
) -> impl Iterator<Item = (&TopicIdPartition, &Following)> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let (behind, up_to) = match served {
        Some(served) => (Excluded(served), Some(served)),
        None => (Unbounded, None),
    };
    let rest = up_to.map(|served| partitions.range((Unbounded, Included(served))));
    let behind = partitions.range((behind, Unbounded));
    behind.chain(rest.into_iter().flatten())
}
