//! A consumer that shares a group's partitions with others, by the classic protocol.
//!
//! - this file: the consumer, which reads what its membership says, and says how far it has come.
//! - `membership`: joining, heartbeats and commits, in a task of its own.
//! - `coordinator`: the requests to the group's coordinator.
//! - `protocol`: what members say of themselves, and leaders of members, in bytes.

mod coordinator;
mod membership;
mod protocol;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use regex::Regex;
use tokio::sync::{mpsc, oneshot};

use super::assignor::Assignor;
use super::{Consumer, PartitionKey, Polled, Start};
use crate::client::cluster::{Cluster, ClusterError};
use crate::protocol::Str;

use membership::{Leaving, Membership, Orders};

/// The next offset to be read of each partition.
type Offsets = BTreeMap<PartitionKey, i64>;

/// What a member wants to read.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// These topics.
    Topics(Vec<Str>),
    /// The topics whose whole names match, but for Kafka's own.
    Pattern(Regex),
}

/// How a member takes part, by the names of Kafka's configs.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// `group.id`.
    pub group: String,
    /// `group.instance.id`.
    pub instance: Option<String>,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `max.poll.interval.ms`, for which the others wait for a member that has to join again.
    pub rebalance_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `auto.commit.interval.ms`, if `enable.auto.commit`.
    pub commit_interval: Option<Duration>,
    /// `metadata.max.age.ms`: how soon new topics and partitions are seen.
    pub metadata_age: Duration,
    /// `partition.assignment.strategy`.
    pub assignors: Vec<Assignor>,
    /// What to read.
    pub subscription: Subscription,
}

/// What a membership tells its consumer.
enum Event {
    /// These are to be read as well, from what was committed.
    Assigned(BTreeMap<PartitionKey, Option<i64>>),
    /// These are not to be read any more; it waits to hear how far they were read.
    Revoked {
        keys: Vec<PartitionKey>,
        offsets: oneshot::Sender<Offsets>,
    },
    /// Others read all by now.
    Lost,
    /// The member cannot take part.
    Failed(ClusterError),
}

/// A consumer in a group.
pub struct GroupConsumer {
    consumer: Consumer,
    /// How far what was returned is meant to be read: a record that was returned counts as read.
    offsets: Offsets,
    reset: Option<Start>,
    events: mpsc::UnboundedReceiver<Event>,
    commits: mpsc::UnboundedSender<Offsets>,
    leaving: mpsc::UnboundedSender<Leaving>,
    commit_interval: Option<Duration>,
    commit_at: Instant,
    /// Since when there is nothing to be read, and how long there was nothing before.
    idle_since: Option<Instant>,
    idle: Duration,
}

impl GroupConsumer {
    /// Joins a group. `cluster` is for the membership, which talks to the coordinator beside the consumer.
    pub fn join(consumer: Consumer, cluster: Cluster, settings: GroupSettings) -> Self {
        let (events_in, events) = mpsc::unbounded_channel();
        let (commits, commits_out) = mpsc::unbounded_channel();
        let (leaving, leaving_out) = mpsc::unbounded_channel();
        let commit_interval = settings.commit_interval;
        let reset = consumer.settings.reset;
        let orders = Orders {
            commits: commits_out,
            leaving: leaving_out,
        };
        tokio::spawn(Membership::new(cluster, settings, events_in).run(orders));
        Self {
            consumer,
            offsets: Offsets::new(),
            reset,
            events,
            commits,
            leaving,
            commit_interval,
            commit_at: Instant::now(),
            idle_since: Some(Instant::now()),
            idle: Duration::ZERO,
        }
    }

    /// How long, in all, this member has had no partitions to read.
    pub fn waited(&self) -> Duration {
        let now = self.idle_since.map(|since| since.elapsed());
        self.idle + now.unwrap_or_default()
    }

    /// The next records of what this member reads, or none if none came within `patience`.
    ///
    /// # Errors
    /// As [`Consumer::poll`], or the member cannot take part.
    pub async fn poll(&mut self, patience: Duration) -> Result<Vec<Polled>, ClusterError> {
        let deadline = Instant::now() + patience;
        loop {
            self.commit_when_due();
            let left = deadline.saturating_duration_since(Instant::now());
            let turn = self
                .commit_interval
                .map_or(left, |interval| left.min(interval));
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.follow(event)?,
                    None => return Ok(Vec::new()),
                },
                polled = self.consumer.poll(turn) => {
                    let polled = polled?;
                    if !polled.is_empty() {
                        self.offsets = self.consumer.offsets();
                        return Ok(polled);
                    }
                    self.offsets = self.consumer.offsets();
                }
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
        }
    }

    /// Takes it back that records were read from this one on: it was returned, and not made use of.
    pub fn unread(&mut self, key: &PartitionKey, offset: i64) {
        if let Some(next) = self.offsets.get_mut(key) {
            *next = offset;
        }
    }

    /// Commits how far was read, if that is to be done, and leaves the group.
    pub async fn leave(self) {
        let offsets = match self.commit_interval {
            Some(_) => self.offsets,
            None => Offsets::new(),
        };
        let (done, left) = oneshot::channel();
        if self.leaving.send(Leaving { offsets, done }).is_ok() {
            // A membership that has ended before has left.
            let _ = left.await;
        }
    }

    fn commit_when_due(&mut self) {
        let Some(interval) = self.commit_interval else {
            return;
        };
        if Instant::now() >= self.commit_at && !self.offsets.is_empty() {
            self.commit_at = Instant::now() + interval;
            // A membership that has ended says why by its last event.
            let _ = self.commits.send(self.offsets.clone());
        }
    }

    fn follow(&mut self, event: Event) -> Result<(), ClusterError> {
        let followed = self.act_on(event);
        match (self.consumer.positions.is_empty(), self.idle_since) {
            (true, None) => self.idle_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.idle += since.elapsed();
                self.idle_since = None;
            }
            _ => {}
        }
        followed
    }

    fn act_on(&mut self, event: Event) -> Result<(), ClusterError> {
        match event {
            Event::Assigned(keys) => {
                for (key, committed) in keys {
                    let start = committed.map(Start::At).or(self.reset);
                    let start = start.ok_or_else(|| no_offset(&key))?;
                    self.consumer.assign(key, start);
                }
                self.commit_at = Instant::now() + self.commit_interval.unwrap_or_default();
            }
            Event::Revoked { keys, offsets } => {
                let mut read = Offsets::new();
                for key in keys {
                    self.consumer.unassign(&key);
                    if let Some(offset) = self.offsets.remove(&key) {
                        read.insert(key, offset);
                    }
                }
                let is_committed = self.commit_interval.is_some();
                // The membership may have ended.
                let _ = offsets.send(if is_committed { read } else { Offsets::new() });
            }
            Event::Lost => {
                for key in std::mem::take(&mut self.offsets).into_keys() {
                    self.consumer.unassign(&key);
                }
                self.consumer.positions.clear();
            }
            Event::Failed(error) => return Err(error),
        }
        Ok(())
    }
}

fn no_offset(key: &PartitionKey) -> ClusterError {
    ClusterError::Refused {
        code: crate::protocol::ErrorCode::OFFSET_OUT_OF_RANGE,
        message: Some(Str::from(format!(
            "Undefined offset with no reset policy for partition: {}-{}",
            key.0, key.1
        ))),
    }
}
