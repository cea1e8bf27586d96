//! The quorum of one node without its thread: a simulation says when it goes on, and what its clocks show.
//! All decisions, and all that is done to the log and the files beside it, are the quorum's own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::{BrokerId, Timestamp};
use crate::protocol::{decode_whole, encode_whole};
use crate::raft::wire::{Answer, AnswerFault, Incoming, Outgoing, QuorumAddresses};
use crate::raft::{
    Clock, Peers, Raft, RaftConfig, RaftError, RaftListener, RaftThread, Request, Response, Served,
};
use crate::storage::disk::Disk;

/// What the clocks of a node show. Clones share it.
#[derive(Clone, Debug)]
pub struct SteppedClock(Arc<Mutex<(Instant, Timestamp)>>);

impl SteppedClock {
    /// Clocks that show this.
    pub fn new(instant: Instant, wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new((instant, wall))))
    }

    /// Sets both clocks.
    pub fn set(&self, instant: Instant, wall: Timestamp) {
        *self.0.lock() = (instant, wall);
    }

    /// Lets time pass on both clocks, as when a disk is slow.
    pub fn pass(&self, duration: Duration) {
        let mut shown = self.0.lock();
        shown.0 += duration;
        shown.1.0 += i64::try_from(duration.as_millis()).expect("a short time");
    }

    /// What the clock shows by which durations are measured.
    pub fn shown(&self) -> Instant {
        self.0.lock().0
    }
}

impl Clock for SteppedClock {
    fn instant(&self) -> Instant {
        self.shown()
    }

    fn wall(&self) -> Timestamp {
        self.0.lock().1
    }
}

/// See the module.
pub struct SteppedRaft {
    /// The handle that the rest of the broker has.
    pub raft: Raft,
    /// `None`: the quorum has ended on this node.
    thread: Option<RaftThread>,
}

impl SteppedRaft {
    /// Opens the metadata log, as [`Raft::open`] does. The first step begins with it.
    ///
    /// # Errors
    /// The config, the disk, or what is on it does not allow to start.
    pub fn open(
        config: &RaftConfig,
        disk: Arc<dyn Disk>,
        clock: &SteppedClock,
        listener: Box<dyn RaftListener>,
        peers: Box<dyn Peers>,
    ) -> Result<Self, RaftError> {
        let clock = Arc::new(clock.clone());
        let (raft, thread) = Raft::prepare(config, disk, clock, listener, peers)?;
        Ok(Self {
            raft,
            thread: Some(thread),
        })
    }

    /// Whether there is something to do already.
    pub fn has_work(&self) -> bool {
        self.thread.as_ref().is_some_and(RaftThread::has_work)
    }

    /// When there is something to do, even if nothing comes; `None` once the quorum has ended.
    pub fn wakes_at(&self) -> Option<Instant> {
        self.thread.as_ref().map(RaftThread::wakes_at)
    }

    /// Does what there is to do. The listener is told if that fails.
    pub fn step(&mut self) {
        let Some(thread) = &mut self.thread else {
            return;
        };
        let failure = match thread.advance() {
            Ok(false) => return,
            Ok(true) => None,
            Err(error) => Some(error.to_string()),
        };
        thread.end(failure);
        self.thread = None;
    }
}

/// The request that arrives at the voter `to` when another replica sends this one: encoded and decoded.
///
/// # Panics
/// The voter refuses it as one of another cluster, or cannot read it.
pub fn arrives(addresses: &QuorumAddresses, to: BrokerId, request: &Request) -> Request {
    match addresses.outgoing(to, request) {
        Outgoing::Vote(request) => read(addresses, &request),
        Outgoing::BeginQuorumEpoch(request) => read(addresses, &request),
        Outgoing::EndQuorumEpoch(request) => read(addresses, &request),
        Outgoing::Fetch(request) => read(addresses, &request),
        Outgoing::FetchSnapshot(request) => read(addresses, &request),
    }
}

fn read<R: Incoming>(addresses: &QuorumAddresses, request: &R) -> Request {
    let newest = *R::KEY.valid_versions().end();
    let bytes = encode_whole(request, newest);
    let request: R = decode_whole(bytes, newest).expect("it was encoded in this version");
    request.read(addresses).ok().expect("it is of this cluster")
}

/// The answer that comes back to a request which arrived like this: encoded and decoded.
///
/// # Errors
/// Who asked can't use it.
pub fn comes_back(
    addresses: &QuorumAddresses,
    asked: &Request,
    served: &Served,
) -> Result<Response, AnswerFault> {
    // Only the kind of the request counts here.
    match addresses.outgoing(BrokerId(0), asked) {
        Outgoing::Vote(kind) => answer(addresses, &kind, asked, served),
        Outgoing::BeginQuorumEpoch(kind) => answer(addresses, &kind, asked, served),
        Outgoing::EndQuorumEpoch(kind) => answer(addresses, &kind, asked, served),
        Outgoing::Fetch(kind) => answer(addresses, &kind, asked, served),
        Outgoing::FetchSnapshot(kind) => answer(addresses, &kind, asked, served),
    }
}

fn answer<R: Incoming>(
    addresses: &QuorumAddresses,
    _kind: &R,
    asked: &Request,
    served: &Served,
) -> Result<Response, AnswerFault>
where
    R::Response: Answer,
{
    let newest = *R::KEY.valid_versions().end();
    let records = served.records.clone();
    let answer = R::answer(addresses, asked, &served.response, records);
    let bytes = encode_whole(&answer, newest);
    let answer: R::Response = decode_whole(bytes, newest).expect("it was encoded in this version");
    answer.read()
}
