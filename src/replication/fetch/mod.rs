//! Serving a Fetch: take the partitions that may have news, plan and read them, and wait for more if
//! there is too little. With a session only marked partitions are looked at.
//!
//! Owns: the fetch sessions. Handed: the table of partitions with the image, the directories (to be
//! told of logs that cannot be read), the listener. Nothing is polled: a wait ends by a mark, or by
//! its deadline. A Fetch that is dropped while it waits gives the session its marks back.

mod answer;
mod read;
mod round;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::BrokerId;
use crate::protocol::error_code::ErrorCode;
use crate::replication::delayed::{FetchWatch, Interest, Subscription};
use crate::replication::dirs::Dirs;
use crate::replication::fetch_session::{
    FINAL_EPOCH, FetchSession, NO_SESSION, PartitionRequest, SessionError, Sessions, TopicKey,
    TopicRef, is_full,
};
use crate::replication::hosted::Hosted;
use crate::replication::leadership::SessionClock;
use crate::replication::listener::ReplicaListener;
use crate::replication::partition::Partition;

pub use answer::{FetchAnswer, PartitionAnswer};

/// Who serves Fetches.
pub struct Fetches {
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    listener: Arc<dyn ReplicaListener>,
    sessions: Sessions,
}

/// A follower that fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerIdentity {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Its broker epoch (KIP-903); -1 if it did not say.
    pub epoch: i64,
}

/// What a Fetch asks for as a whole.
#[derive(Clone, Copy, Debug)]
pub struct FetchParams {
    /// The follower, if it is one.
    pub follower: Option<FollowerIdentity>,
    /// How long it may wait for `min_bytes`.
    pub max_wait: Duration,
    /// Fewer are worth an answer only when the wait is over. At most `max_bytes`.
    pub min_bytes: u32,
    /// A limit for all partitions together; the first batch may be larger.
    pub max_bytes: u32,
    /// Up to where the reader may see.
    pub interest: Interest,
    /// It wants the leader's answer.
    pub only_leader: bool,
}

/// Which session a Fetch is for.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    /// [`NO_SESSION`], or that of an earlier answer.
    pub id: i32,
    /// Counts the requests of a session.
    pub epoch: i32,
    /// Topics are named by id: from version 13 on.
    pub uses_topic_ids: bool,
}

/// A Fetch that is being served.
pub struct Fetch {
    fetches: Arc<Fetches>,
    pub(in crate::replication) params: FetchParams,
    session: SessionRequest,
    kind: Kind,
    items: Vec<Item>,
    watch: Arc<FetchWatch>,
    clock: Option<Arc<SessionClock>>,
}

enum Kind {
    /// All partitions are in the request; no session is wanted.
    Sessionless,
    /// All partitions are in the request; the answer begins a session if there is room.
    Full,
    /// The partitions are in a session.
    Incremental(Arc<Mutex<FetchSession>>),
}

/// A partition that the answer looks at.
struct Item {
    topic: TopicKey,
    partition: i32,
    request: PartitionRequest,
    /// Its place in the session or, without one, in the request.
    slot: u32,
    /// `None`: it is not looked up yet. An error is the answer.
    found: Option<Result<Arc<Partition>, ErrorCode>>,
    subscription: Option<Subscription>,
    /// `None`: it must be read, once more perhaps.
    answer: Option<PartitionAnswer>,
    /// Whether the follower's progress was noted: once for each request.
    is_noted: bool,
}

impl Item {
    fn new(topic: TopicKey, partition: i32, request: PartitionRequest, slot: u32) -> Self {
        Self {
            topic,
            partition,
            request,
            slot,
            found: None,
            subscription: None,
            answer: None,
            is_noted: false,
        }
    }
}

impl Fetches {
    /// Keeps up to `max_sessions` sessions (`max.incremental.fetch.session.cache.slots`).
    pub fn new(
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
        listener: &Arc<dyn ReplicaListener>,
        max_sessions: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            listener: Arc::clone(listener),
            sessions: Sessions::new(max_sessions),
        })
    }

    /// The sessions, for metrics: how many, their partitions, and how many were evicted.
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
        let mut fetch = Fetch {
            fetches: Arc::clone(self),
            params,
            session,
            kind: Kind::Sessionless,
            items: Vec::new(),
            watch: Arc::default(),
            clock: None,
        };
        if is_full(session.epoch) {
            if session.id != NO_SESSION {
                // A full request ends the session it names.
                drop(self.sessions.remove(session.id));
            }
            if session.epoch != FINAL_EPOCH {
                fetch.kind = Kind::Full;
            }
            let items = (0..).zip(partitions);
            fetch.items = items
                .map(|(slot, (topic, partition, asked))| {
                    Item::new(topic.to_key(), partition, asked, slot)
                })
                .collect();
            return Ok(fetch);
        }
        fetch.join_session(partitions, forgotten)?;
        Ok(fetch)
    }
}

impl Fetch {
    fn join_session<'a>(
        &mut self,
        partitions: impl Iterator<Item = (TopicRef<'a>, i32, PartitionRequest)>,
        forgotten: impl Iterator<Item = (TopicRef<'a>, i32)>,
    ) -> Result<(), SessionError> {
        let sessions = &self.fetches.sessions;
        let now = Instant::now();
        let found = sessions
            .get(self.session.id)
            .ok_or(SessionError::NotFound)?;
        let mut session = found.lock();
        session.begin(
            self.session.epoch,
            self.session.uses_topic_ids,
            self.params.interest,
        )?;
        for (topic, partition, asked) in partitions {
            session.update(topic, partition, asked);
        }
        for (topic, partition) in forgotten {
            session.forget(topic, partition);
        }
        session.clock().touch(now);
        self.clock = Some(Arc::clone(session.clock()));
        self.watch = Arc::clone(session.watch());
        let partition_count = session.len();
        drop(session);
        if partition_count == 0 {
            // Nothing is left of it: the client is told so by the answer's session id.
            sessions.remove(self.session.id);
        } else {
            sessions.touch(self.session.id, partition_count, now);
            self.kind = Kind::Incremental(found);
        }
        Ok(())
    }

    /// Serves it. `authorize` says whether the client may read a topic by its name.
    pub async fn run(mut self, authorize: impl Fn(&str) -> bool + Send + Sync) -> FetchAnswer {
        let deadline = tokio::time::Instant::now() + self.params.max_wait;
        loop {
            let taken = self.take_marked();
            let round = self.round(taken, &authorize).await;
            let is_enough = round.must_answer || round.bytes >= u64::from(self.params.min_bytes);
            if is_enough || self.has_nothing_to_wait_for() {
                break;
            }
            if self.watch_all() {
                // Only now no news is missed: look once more.
                continue;
            }
            let needed = u64::from(self.params.min_bytes) - round.bytes;
            let wait = self.watch.wait(needed);
            if tokio::time::timeout_at(deadline, wait).await.is_err() {
                break;
            }
            self.read_again_what_had_records();
        }
        self.finish()
    }

    fn has_nothing_to_wait_for(&self) -> bool {
        let is_empty = match &self.kind {
            Kind::Incremental(session) => session.lock().is_empty(),
            Kind::Sessionless | Kind::Full => self.items.is_empty(),
        };
        is_empty || self.params.max_wait.is_zero()
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // What was taken from the session and not answered keeps its mark.
        if let Kind::Incremental(session) = &self.kind {
            session
                .lock()
                .put_back(self.items.iter().map(|item| item.slot));
        }
    }
}
