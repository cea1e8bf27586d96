//! Runs the quorum: opens the metadata log, runs the state machine on a thread of its own, and is the
//! handle on it for everyone else.
//!
//! Appends get their offsets at once and are written together: one write and one sync serve all
//! that came while the one before was under way. Invariant: after any failure of the disk nothing
//! more is written, acknowledged or delivered; the listener is told, and the node must stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::accumulator::{Accumulator, AppendError};
use super::clock_driver::{Clock, SystemClock};
use super::delivery::Delivery;
use super::effect::Input;
use super::event::{RaftEvent, RaftListener};
use super::jitter::Jitter;
use super::log_driver::MetadataLog;
use super::log_state::OffsetAndEpoch;
use super::loop_driver::{RaftThread, Stage};
use super::message::Request;
use super::node::{Identity, RaftNode, Timeouts};
use super::peers_driver::Peers;
use super::quorum_info::QuorumInfo;
use super::quorum_state_driver::{QuorumStateError, QuorumStateStore};
use super::replies_driver::{self, FetchedSnapshot, Served, Waiting};
use super::retention::Retention;
use super::snapshot::Snapshot;
use super::snapshot_driver::{SnapshotFileError, SnapshotStore};
use super::voters::{ReplicaKey, Voter, Voters};
use crate::model::{BrokerId, DirectoryId, LeaderEpoch, Offset, Timestamp};
use crate::storage::checkpoint::StateFileError;
use crate::storage::disk::Disk;
use crate::storage::error::StorageError;
use crate::storage::log;
use crate::storage::reserve::Reserve;

/// The folder of the metadata log, within its log directory.
pub const METADATA_FOLDER: &str = "__cluster_metadata-0";

/// The settings of the quorum.
#[derive(Clone, Debug)]
pub struct RaftConfig {
    /// `node.id`.
    pub node_id: BrokerId,
    /// `directory.id` of the log directory that holds the metadata log.
    pub directory_id: DirectoryId,
    /// `controller.quorum.voters`.
    pub voters: Vec<Voter>,
    /// Whether this node is a controller, which has to be among the voters. A broker only observes.
    pub must_vote: bool,
    /// `metadata.log.dir`, or the first of `log.dirs`: the log is in its [`METADATA_FOLDER`].
    pub log_dir: PathBuf,
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: u32,
    /// `metadata.log.segment.ms`.
    pub segment_ms: i64,
    /// `metadata.max.retention.*`.
    pub retention: Retention,
    /// `controller.quorum.*`.
    pub timeouts: Timeouts,
    /// What is given back when the disk is full, to write the log and its small files with; `None`: there
    /// is no reserve, and they wait.
    pub reserve: Option<Arc<Reserve>>,
    /// The seed of the spread of election time-outs; each start draws another.
    pub seed: u64,
}

/// Why the quorum cannot run, or cannot go on. Each message says what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RaftError {
    /// The node is not among the voters.
    #[error("controller.quorum.voters does not name this node. Add {0}@host:port")]
    NotAVoter(BrokerId),
    /// The election state can't be read or written.
    #[error(transparent)]
    QuorumState(#[from] QuorumStateError),
    /// A snapshot can't be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFileError),
    /// The log can't be read or written.
    #[error("the metadata log: {0}")]
    Log(#[from] StorageError),
    /// A batch could not be written.
    #[error("the metadata log: {0}")]
    Append(#[from] log::AppendError),
    /// A small file of the folder can't be read or written.
    #[error("the metadata log: {0}")]
    StateFile(#[from] StateFileError),
    /// What is committed in the log is damaged or missing.
    #[error(
        "the metadata log in {} is damaged: {reason}. It was complete and durable once, so nothing \
         is cut off: restore the folder from a backup, or, if other voters are alive, remove it, so \
         that it is fetched again. With neither, to go on without what follows the damage, remove \
         synced-offset and recovery-point-offset-checkpoint from it",
        path.display()
    )]
    Damaged {
        /// The log's folder.
        path: PathBuf,
        /// What is wrong with the log.
        reason: String,
    },
    /// The quorum has changing voters (kraft.version 1, KIP-853).
    #[error(
        "the metadata log in {} belongs to a quorum with kraft.version 1, whose voters are in the \
         log; only the static voters of controller.quorum.voters are supported",
        .0.display()
    )]
    DynamicQuorum(PathBuf),
    /// Going on would lose or contradict what is committed.
    #[error("the metadata quorum stopped: {0}")]
    Halted(String),
    /// The thread could not be started.
    #[error("cannot start the quorum's thread: {0}")]
    Thread(std::io::Error),
}

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteSnapshotError {
    /// The snapshot would hold what may yet be undone.
    #[error("a snapshot up to offset {offset} is above the high watermark {high_watermark}")]
    NotCommitted {
        /// Where the snapshot ends.
        offset: Offset,
        /// Up to where the log is committed.
        high_watermark: Offset,
    },
    /// The disk failed.
    #[error(transparent)]
    File(#[from] SnapshotFileError),
}

/// A handle on the quorum. Clones share it.
#[derive(Clone, Debug)]
pub struct Raft {
    shared: Arc<Shared>,
}

/// The state that the handles and the thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) mailbox: Mutex<Mailbox>,
    pub(super) wake: Condvar,
    pub(super) info: ArcSwap<QuorumInfo>,
    pub(super) snapshots: SnapshotStore,
    pub(super) reserve: Option<Arc<Reserve>>,
    pub(super) clock: Arc<dyn Clock>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Shared {
    pub(super) fn command(&self, command: Command) {
        let mut mailbox = self.mailbox.lock();
        let is_request = matches!(command, Command::Requested { .. });
        // Nobody would take it any more, or too late: a disk may hold up the thread.
        if mailbox.is_closed || (is_request && mailbox.commands.len() >= MAX_WAITING) {
            return;
        }
        mailbox.commands.push(command);
        drop(mailbox);
        self.wake.notify_one();
    }

    pub(super) fn lives_on_reserve(&self) -> bool {
        let reserve = self.reserve.as_ref();
        reserve.is_some_and(|reserve| reserve.is_lent())
    }
}

/// So many requests of others may wait for the thread; far more than a quorum sends.
const MAX_WAITING: usize = 1000;

/// The work that waits for the thread.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    pub(super) accumulator: Accumulator,
    pub(super) commands: Vec<Command>,
    pub(super) is_closing: bool,
    /// The thread has ended.
    pub(super) is_closed: bool,
}

/// Requests of the handles to the thread, and what comes from other replicas.
#[derive(Debug)]
pub(super) enum Command {
    SnapshotWritten(OffsetAndEpoch),
    Resign(LeaderEpoch),
    /// An answer of another voter, or the lack of one.
    Input(Input),
    /// Another replica asks.
    Requested {
        request: Request,
        reply: oneshot::Sender<Served>,
    },
}

impl Raft {
    /// Opens the metadata log and starts the quorum. The listener gets the newest snapshot and then the
    /// committed log, on the quorum's thread; `peers` carries what it asks the other voters.
    ///
    /// # Errors
    /// The config, the disk, or what is on it does not allow to start.
    pub fn open(
        config: &RaftConfig,
        disk: Arc<dyn Disk>,
        listener: Box<dyn RaftListener>,
        peers: Box<dyn Peers>,
    ) -> Result<Self, RaftError> {
        let (raft, thread) = Self::prepare(config, disk, Arc::new(SystemClock), listener, peers)?;
        let builder = thread::Builder::new().name("raft".to_owned());
        let handle = builder
            .spawn(move || thread.run())
            .map_err(RaftError::Thread)?;
        *raft.shared.thread.lock() = Some(handle);
        Ok(raft)
    }

    /// Opens the metadata log. The quorum begins once somebody runs its thread.
    pub(crate) fn prepare(
        config: &RaftConfig,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        listener: Box<dyn RaftListener>,
        peers: Box<dyn Peers>,
    ) -> Result<(Self, RaftThread), RaftError> {
        let Recovered {
            node,
            log,
            snapshots,
            quorum_state,
            loaded,
            ids,
            delivered,
        } = recover(config, disk, &*clock)?;
        let shared = Arc::new(Shared {
            mailbox: Mutex::default(),
            wake: Condvar::new(),
            info: ArcSwap::from_pointee(QuorumInfo::of(&node, clock.instant(), clock.wall())),
            snapshots,
            reserve: config.reserve.clone(),
            clock,
            thread: Mutex::new(None),
        });
        let first_event = loaded.map(|(id, snapshot)| RaftEvent::LoadSnapshot {
            id,
            last_contained_log_timestamp: snapshot.last_contained_log_timestamp,
            batches: snapshot.batches,
        });
        let mut thread = RaftThread {
            shared: Arc::clone(&shared),
            stage: Stage::Starting(first_event),
            next_clean: shared.clock.instant(),
            mark_due: None,
            voters: node.voters().clone(),
            node,
            log,
            quorum_state,
            delivery: Delivery::new(delivered),
            snapshots: Vec::new(),
            retention: config.retention,
            listener,
            told_leadership: None,
            effects: Vec::new(),
            peers,
            waiting: Waiting::default(),
            fetched: FetchedSnapshot::default(),
            stops_by: None,
        };
        for id in ids {
            thread.learn_snapshot(id)?;
        }
        Ok((Self { shared }, thread))
    }

    /// Appends records as one batch of `epoch`, which this node leads. Returns the offset of the last one;
    /// the listener is told when it is durable and committed.
    ///
    /// # Errors
    /// The batch was not taken: nothing of it is or will be in the log.
    pub fn append(&self, epoch: LeaderEpoch, records: Vec<Bytes>) -> Result<Offset, AppendError> {
        let mut mailbox = self.shared.mailbox.lock();
        let last_offset = mailbox.accumulator.append(epoch, records)?;
        drop(mailbox);
        self.shared.wake.notify_one();
        Ok(last_offset)
    }

    /// Writes a snapshot of the state machine as of `end`, the end of a batch that it was given, on the
    /// caller's thread. Returns false if there is one already, or the log begins later.
    ///
    /// # Errors
    /// The content is not committed, or the disk failed.
    pub fn write_snapshot(
        &self,
        end: OffsetAndEpoch,
        last_contained_log_timestamp: Timestamp,
        batches: impl Iterator<Item = Vec<Bytes>>,
    ) -> Result<bool, WriteSnapshotError> {
        let info = self.info();
        let high_watermark = info.high_watermark.unwrap_or(Offset::ZERO);
        if end.offset > high_watermark {
            return Err(WriteSnapshotError::NotCommitted {
                offset: end.offset,
                high_watermark,
            });
        }
        let snapshots = &self.shared.snapshots;
        if end.offset < info.log_start_offset || snapshots.size(end)?.is_some() {
            return Ok(false);
        }
        let now = self.shared.clock.wall();
        snapshots.write(end, last_contained_log_timestamp, batches, now)?;
        self.shared.command(Command::SnapshotWritten(end));
        Ok(true)
    }

    /// Whether the disk of the log is full, and the log lives on what was reserved of it.
    pub fn lives_on_reserve(&self) -> bool {
        self.shared.lives_on_reserve()
    }

    /// Gives up leading `epoch`, because what was decided in it cannot be applied. The listener is told of
    /// it.
    pub fn resign(&self, epoch: LeaderEpoch) {
        self.shared.command(Command::Resign(epoch));
    }

    /// Whether the quorum's thread has ended on this node, as it failed or was closed.
    pub fn has_ended(&self) -> bool {
        self.shared.mailbox.lock().is_closed
    }

    /// The leader, if it is known, and the epoch.
    pub fn leader_and_epoch(&self) -> (Option<BrokerId>, LeaderEpoch) {
        let info = self.shared.info.load();
        (info.leader, info.epoch)
    }

    /// Up to where the log is committed, as learned in this run: a reader that has read less knows a past
    /// state. `None` until it is learned.
    pub fn learned_high_watermark(&self) -> Option<Offset> {
        self.shared.info.load().learned_high_watermark
    }

    /// The current state of the quorum, as this node knows it.
    pub fn info(&self) -> Arc<QuorumInfo> {
        self.shared.info.load_full()
    }

    /// Writes and syncs what was appended, stops the thread and closes the log. The listener gets what is
    /// committed by then, and nothing after this returns. The listener must not call it, because it runs on
    /// that thread.
    pub fn close(&self) {
        self.shared.mailbox.lock().is_closing = true;
        self.shared.wake.notify_one();
        let thread = self.shared.thread.lock().take();
        if let Some(thread) = thread {
            // The thread has reported its own failure; a second report would say less.
            let _ = thread.join();
        }
    }

    /// Answers another replica.
    pub async fn serve(&self, request: Request) -> Served {
        replies_driver::ask(&self.shared, request).await
    }
}

/// What was found on the disk, checked, and made consistent.
struct Recovered {
    node: RaftNode,
    log: MetadataLog,
    snapshots: SnapshotStore,
    quorum_state: QuorumStateStore,
    /// The newest snapshot.
    loaded: Option<(OffsetAndEpoch, Snapshot)>,
    /// All snapshots, ascending.
    ids: Vec<OffsetAndEpoch>,
    /// Up to where the snapshot tells the state machine everything.
    delivered: Offset,
}

fn recover(
    config: &RaftConfig,
    disk: Arc<dyn Disk>,
    clock: &dyn Clock,
) -> Result<Recovered, RaftError> {
    let voters = Voters::new(config.voters.iter().map(|voter| voter.id));
    if config.must_vote && !voters.contains(config.node_id) {
        return Err(RaftError::NotAVoter(config.node_id));
    }
    let dir = config.log_dir.join(METADATA_FOLDER);
    let mut log = MetadataLog::open(&disk, &dir, config, clock.wall())?;
    let snapshots = SnapshotStore::new(Arc::clone(&disk), &dir);
    let loaded = newest_snapshot(&snapshots, &log)?;
    let newest = loaded.as_ref().map(|(id, _)| *id);
    log.align_with_snapshot(newest, !voters.is_only(config.node_id), clock.wall())?;
    // Where the log begins later by now, older snapshots are leftovers.
    let ids = snapshots.recover(log.start_offset())?;
    let delivered = newest.map_or(log.start_offset(), |id| id.offset);
    log.verify(delivered, newest.map_or(LeaderEpoch::NONE, |id| id.epoch))?;

    let quorum_state = QuorumStateStore::new(disk, &dir);
    if voters.contains(config.node_id) {
        quorum_state.check_voters(&voters)?;
    }
    let election = quorum_state.load()?;
    if let Some(state) = &election {
        log.check_last_epoch(state.epoch)?;
    }
    // Not before the log is verified: what is remembered of a log that was refused must not change.
    log.remember_durable()?;
    let identity = Identity {
        local: ReplicaKey {
            id: config.node_id,
            directory_id: Some(config.directory_id),
        },
        voters,
        election,
        log: log.state(ids.clone()),
    };
    let node = RaftNode::new(identity, config.timeouts, Jitter::new(config.seed));
    Ok(Recovered {
        node,
        log,
        snapshots,
        quorum_state,
        loaded,
        ids,
        delivered,
    })
}

/// The newest snapshot, if there is one beside the bootstrap snapshot. A damaged one is removed where it
/// can be made again: where the log has everything since the snapshot before it.
fn newest_snapshot(
    snapshots: &SnapshotStore,
    log: &MetadataLog,
) -> Result<Option<(OffsetAndEpoch, Snapshot)>, SnapshotFileError> {
    let mut ids = snapshots.recover(log.start_offset())?;
    ids.retain(|id| *id != OffsetAndEpoch::BOOTSTRAP);
    while let Some(newest) = ids.pop() {
        let before = ids.last().map_or(Offset::ZERO, |id| id.offset);
        let is_in_log = log.start_offset() <= before && newest.offset <= log.end_offset();
        match snapshots.read(newest) {
            Err(error @ SnapshotFileError::Damaged { .. }) if is_in_log => {
                tracing::warn!(%error, "removing a snapshot that the log can do without");
                snapshots.delete(newest)?;
            }
            read => return Ok(Some((newest, read?))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
