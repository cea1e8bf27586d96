//! The loader's thread: replays what the quorum commits, gives a controller that begins to lead its
//! image, gives the publisher what changed whenever that has nothing to do, and has snapshots written.
//!
//! It waits for no disk: a controller that begins to lead gets its image as soon as the log up to there is
//! replayed, however busy the publisher is.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::controller_driver::ControllerInput;
use super::delta::MetadataDelta;
use super::driver::Published;
use super::image::{MetadataImage, Provenance, ReplayError};
use super::loader::Loader;
use crate::model::Offset;
use crate::raft::{CommittedBatch, OffsetAndEpoch, Raft, RaftEvent};
use crate::storage::applied_metadata::APPLIED_METADATA_FILE;

/// After so many events, what they changed is handed to the publisher, even if more wait.
const MAX_EVENTS_PER_DELTA: usize = 1_000;

/// The records of one batch of a snapshot, as in Kafka.
const SNAPSHOT_BATCH_RECORDS: usize = 1_024;

/// How often the loader looks whether it has caught up for the first time. It cannot wait for one event,
/// since the quorum tells commits and its high watermark in two ways.
const CATCH_UP_POLL: Duration = Duration::from_millis(2);

/// The inputs of the loader's thread.
pub(super) enum LoaderInput {
    Log(RaftEvent),
    /// The publisher has acted on its last delta.
    Published,
    Stop,
}

/// When snapshots are written.
#[derive(Debug)]
pub(super) struct SnapshotSchedule {
    max_bytes: u64,
    max_interval: Option<Duration>,
    last: Instant,
    writer: Option<thread::JoinHandle<()>>,
}

impl SnapshotSchedule {
    pub(super) fn new(max_bytes: u64, max_interval: Option<Duration>) -> Self {
        Self {
            max_bytes,
            max_interval,
            last: Instant::now(),
            writer: None,
        }
    }

    /// Whether a snapshot is to be written after so many bytes of the log. A full disk takes those
    /// only that make the log shorter than it was allowed to grow.
    fn is_due(&self, bytes: u64, is_disk_full: bool) -> bool {
        let is_old = !is_disk_full
            && self
                .max_interval
                .is_some_and(|max| self.last.elapsed() >= max);
        bytes >= self.max_bytes || (is_old && bytes > 0)
    }

    fn is_writing(&self) -> bool {
        self.writer
            .as_ref()
            .is_some_and(|writer| !writer.is_finished())
    }
}

/// The state of the loader's thread.
pub(super) struct LoaderThread {
    inputs: mpsc::Receiver<LoaderInput>,
    raft: Raft,
    controller: mpsc::Sender<ControllerInput>,
    published: Arc<Published>,
    publisher: mpsc::Sender<MetadataDelta>,
    is_publishing: bool,
    snapshots: SnapshotSchedule,
    loader: Loader,
    /// The newest offset of the metadata log on which this node's replicas acted in earlier runs.
    acted_on: Option<Offset>,
    has_caught_up: bool,
}

impl LoaderThread {
    pub(super) fn new(
        inputs: mpsc::Receiver<LoaderInput>,
        raft: Raft,
        controller: mpsc::Sender<ControllerInput>,
        published: Arc<Published>,
        publisher: mpsc::Sender<MetadataDelta>,
        snapshots: SnapshotSchedule,
        acted_on: Option<Offset>,
    ) -> Self {
        Self {
            inputs,
            raft,
            controller,
            published,
            publisher,
            is_publishing: false,
            snapshots,
            loader: Loader::default(),
            acted_on,
            has_caught_up: false,
        }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// The log cannot be followed any further; the text says why.
    pub(super) fn run(mut self) -> Result<(), String> {
        let outcome = self.serve();
        // Nobody tells the controller of commits any more: what waits for one must not wait for ever.
        self.tell(ControllerInput::Stop);
        if let Some(writer) = self.snapshots.writer.take() {
            // The writer has logged its own failure.
            let _ = writer.join();
        }
        outcome
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            let first = if self.has_caught_up {
                self.inputs.recv().ok()
            } else {
                match self.inputs.recv_timeout(CATCH_UP_POLL) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.publish()?;
                        continue;
                    }
                    received => received.ok(),
                }
            };
            let mut next = first;
            let mut count = 0;
            loop {
                match next {
                    None | Some(LoaderInput::Stop) => {
                        // An answer may wait to see what was committed: the delta of that comes after the
                        // one that the publisher is busy with.
                        self.is_publishing = false;
                        return self.publish();
                    }
                    Some(LoaderInput::Log(event)) => self.take(event)?,
                    Some(LoaderInput::Published) => self.is_publishing = false,
                }
                count += 1;
                if count == MAX_EVENTS_PER_DELTA {
                    break;
                }
                let Ok(waiting) = self.inputs.try_recv() else {
                    break;
                };
                next = Some(waiting);
            }
            self.publish()?;
            self.write_snapshot_if_due();
        }
    }

    fn take(&mut self, event: RaftEvent) -> Result<(), String> {
        match event {
            RaftEvent::Committed(batch) => self.load(&batch)?,
            RaftEvent::LoadSnapshot {
                id,
                last_contained_log_timestamp,
                batches,
            } => {
                let provenance = Provenance {
                    offset: id.offset + -1,
                    epoch: id.epoch,
                    timestamp: last_contained_log_timestamp,
                };
                let loaded = self.loader.load_snapshot(id, provenance, &batches);
                loaded.map_err(|error| unreadable("the snapshot", id.offset, &error))?;
                tracing::info!(
                    offset = id.offset.0,
                    epoch = id.epoch.0,
                    "loaded a snapshot"
                );
            }
            RaftEvent::BecameLeader {
                epoch,
                start_offset,
            } => self.tell(ControllerInput::Activate {
                epoch,
                image: Box::new(self.loader.image().clone()),
                next_offset: start_offset + 1,
                has_open_transaction: self.loader.has_open_transaction(),
            }),
            // The quorum tells the controller itself.
            RaftEvent::Resigned { .. } => {}
            RaftEvent::LeaderChanged { leader, epoch } => {
                self.published.leader.send_replace((leader, epoch));
            }
            RaftEvent::Failed(reason) => {
                // Nobody waits for a controller that is gone, while the node stops.
                let (_, epoch) = self.published.leader();
                self.published.leader.send_replace((None, epoch));
                return Err(reason);
            }
        }
        Ok(())
    }

    fn load(&mut self, batch: &CommittedBatch) -> Result<(), String> {
        let loaded = self.loader.load(batch);
        loaded.map_err(|error| unreadable("the batch", batch.base_offset, &error))
    }

    fn tell(&self, input: ControllerInput) {
        // The controller's thread is gone only when the process stops.
        let _ = self.controller.send(input);
    }

    /// Hands the publisher what changed. While it is busy with the delta before, changes add up to one
    /// delta.
    fn publish(&mut self) -> Result<(), String> {
        if self.is_publishing || !self.loader.has_news() || !self.may_publish()? {
            return Ok(());
        }
        // The publisher is gone only when the process stops.
        let _ = self.publisher.send(self.loader.take());
        self.is_publishing = true;
        Ok(())
    }

    /// Whether images may be published: not before everything was replayed that is committed, by a high
    /// watermark learned in this run. Acting on a past state would set aside what later records create.
    ///
    /// # Errors
    /// All of it is older than what this node's replicas acted on in earlier runs.
    fn may_publish(&mut self) -> Result<bool, String> {
        if self.has_caught_up {
            return Ok(true);
        }
        let committed = self.raft.learned_high_watermark();
        let next = self.loader.last_read() + 1;
        if committed.is_none_or(|end| next < end) {
            return Ok(false);
        }
        let known = self.loader.image().provenance().offset;
        match self.acted_on {
            Some(acted_on) if known < acted_on => Err(older_than_the_replicas(known, acted_on)),
            _ => {
                self.has_caught_up = true;
                Ok(true)
            }
        }
    }

    fn write_snapshot_if_due(&mut self) {
        let bytes = self.loader.bytes_since_snapshot();
        let is_due = self.snapshots.is_due(bytes, self.raft.lives_on_reserve());
        // Within a transaction the image is older than the log that was read: a snapshot of it would lose
        // the beginning of the transaction.
        let may_write = self.has_caught_up && !self.loader.has_open_transaction();
        if !is_due || !may_write || self.snapshots.is_writing() {
            return;
        }
        // The image of all that is committed, whether or not this node acts on it yet.
        let image = self.loader.image().clone();
        self.loader.snapshot_begun();
        self.snapshots.last = Instant::now();
        let raft = self.raft.clone();
        let write = move || write_snapshot(&raft, &image);
        match thread::Builder::new()
            .name("metadata-snapshot".to_owned())
            .spawn(write)
        {
            Ok(writer) => self.snapshots.writer = Some(writer),
            Err(error) => tracing::error!(%error, "no thread to write a metadata snapshot"),
        }
    }
}

fn write_snapshot(raft: &Raft, image: &MetadataImage) {
    let provenance = image.provenance();
    let end = OffsetAndEpoch {
        offset: provenance.offset + 1,
        epoch: provenance.epoch,
    };
    let begun = Instant::now();
    match raft.write_snapshot(end, provenance.timestamp, snapshot_batches(image)) {
        Ok(true) => tracing::info!(
            offset = end.offset.0,
            epoch = end.epoch.0,
            milliseconds = begun.elapsed().as_millis() as u64,
            "wrote a metadata snapshot"
        ),
        Ok(false) => {}
        Err(error) => tracing::error!(%error, offset = end.offset.0, "no metadata snapshot"),
    }
}

/// The image as the batches of a snapshot, encoded one at a time.
fn snapshot_batches(image: &MetadataImage) -> impl Iterator<Item = Vec<Bytes>> {
    let version = image.metadata_version();
    let mut records = image
        .records()
        .map(move |record| record.encode(version.record_version(&record)));
    std::iter::from_fn(move || {
        let batch: Vec<Bytes> = records.by_ref().take(SNAPSHOT_BATCH_RECORDS).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

fn unreadable(what: &str, offset: Offset, error: &ReplayError) -> String {
    format!("the metadata log cannot be followed beyond {what} at offset {offset}: {error}")
}

fn older_than_the_replicas(known: Offset, acted_on: Offset) -> String {
    format!(
        "the metadata log ends at offset {known}, but the replicas of this node have acted on it up to \
         offset {acted_on}: it lost its end, or an older copy was put in its place. By its word topics \
         would be missing, and their logs would be set aside, so nothing is touched. Restore the newer \
         metadata log; or, to go on without what it knew, remove the file {APPLIED_METADATA_FILE} from \
         each of log.dirs"
    )
}
