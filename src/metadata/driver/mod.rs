//! Metadata at work: a thread that follows the committed log, a thread that acts on it and publishes
//! images, and a thread on which the controller decides while this node leads the quorum.
//!
//! The controller hears of commits from the quorum's own thread: no answer, and no heartbeat, waits
//! for an image to be made or acted on.
//!
//! To start, [`events`] makes the listener that the quorum is opened with, and then [`Metadata::start`]
//! takes the other end: no event is lost in between. To stop, [`Metadata::stop`] comes first, then the
//! quorum.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::watch;

use super::controller::ControllerSettings;
use super::controller_driver::{ControllerInput, ControllerThread};
use super::controller_handle_driver::ControllerHandle;
use super::delta::MetadataDelta;
use super::image::MetadataImage;
use super::loader_driver::{LoaderInput, LoaderThread, SnapshotSchedule};
use super::publisher_driver::PublisherThread;
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::protocol::messages::controller_registration::ControllerRegistrationRequest;
use crate::protocol::messages::metadata_records::MetadataRecord;
use crate::raft::{Raft, RaftEvent, RaftListener};

/// Acts on changes of the metadata. Called on the publisher's thread, one change after the other, in
/// the order of registration; requests see the new image once all publishers are done.
pub trait MetadataPublisher: Send {
    /// Acts on a change. The first delta is from the empty image to all that is committed.
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>);
}

/// Called with the reason when this node can go on no more: the process must stop.
pub type OnFatal = Arc<dyn Fn(String) + Send + Sync>;

/// The settings of the metadata threads.
#[derive(Clone, Debug)]
pub struct MetadataConfig {
    /// The settings of the controller.
    pub controller: ControllerSettings,
    /// The records that an empty log starts with.
    pub bootstrap: Vec<MetadataRecord>,
    /// The request by which this node registers as a controller, when it leads.
    pub registration: ControllerRegistrationRequest,
    /// After how long an idle log gets a record (`metadata.max.idle.interval.ms`); `None` for never.
    pub max_idle_interval: Option<Duration>,
    /// After how many bytes a snapshot is written (`metadata.log.max.record.bytes.between.snapshots`).
    pub max_bytes_between_snapshots: u64,
    /// After how long a snapshot is written (`metadata.log.max.snapshot.interval.ms`); `None` for never.
    pub max_snapshot_interval: Option<Duration>,
    /// The newest offset of the metadata log that this node's replicas acted on in earlier runs, as
    /// its log directories remember it; no image that is older is published.
    pub acted_on: Option<Offset>,
}

/// The listener of the quorum: it sends events to the two threads.
struct EventSender {
    loader: mpsc::Sender<LoaderInput>,
    controller: mpsc::Sender<ControllerInput>,
}

impl RaftListener for EventSender {
    fn on_event(&mut self, event: RaftEvent) {
        // Answers wait for the commit and not for the image, so the controller hears of both at once; and
        // one that leads no more must not wait for an image to hear of that.
        let at_once = match &event {
            RaftEvent::Committed(batch) => Some(ControllerInput::Committed(batch.last_offset)),
            RaftEvent::Resigned { epoch } => Some(ControllerInput::Resigned { epoch: *epoch }),
            _ => None,
        };
        // Both threads are gone only when the process stops.
        if let Some(input) = at_once {
            let _ = self.controller.send(input);
        }
        let _ = self.loader.send(LoaderInput::Log(event));
    }
}

/// The events of the quorum, from its opening on.
pub struct LogEvents {
    loader: (mpsc::Sender<LoaderInput>, mpsc::Receiver<LoaderInput>),
    controller: (
        mpsc::Sender<ControllerInput>,
        mpsc::Receiver<ControllerInput>,
    ),
}

/// Makes a listener to open the quorum with, and the end that gets its events.
pub fn events() -> (Box<dyn RaftListener>, LogEvents) {
    let (loader, controller) = (mpsc::channel(), mpsc::channel());
    let listener = Box::new(EventSender {
        loader: loader.0.clone(),
        controller: controller.0.clone(),
    });
    (listener, LogEvents { loader, controller })
}

/// How long an answer waits for publishers that are busy with something else, mostly. After that it leaves, as in
/// Kafka, which waits for no image at all.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_millis(100);

/// How long an answer waits for publishers that act on what it tells: well below the time-outs of clients.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many records of others, acted on together with one's own, make no difference.
const FEW_RECORDS: i64 = 32;

/// What this node knows of the cluster, for all to read.
#[derive(Debug)]
pub struct Published {
    pub(super) image: ArcSwap<MetadataImage>,
    pub(super) offset: watch::Sender<Offset>,
    /// The offset up to which the publishers have acted, or are acting now.
    pub(super) begun: watch::Sender<Offset>,
    pub(super) leader: watch::Sender<(Option<BrokerId>, LeaderEpoch)>,
}

impl Published {
    pub(super) fn new() -> Self {
        Self {
            image: ArcSwap::from_pointee(MetadataImage::default()),
            offset: watch::Sender::new(Offset::NONE),
            begun: watch::Sender::new(Offset::NONE),
            leader: watch::Sender::new((None, LeaderEpoch::NONE)),
        }
    }

    /// The current image. Reading it costs no reference count; don't hold it across an await.
    pub fn image(&self) -> arc_swap::Guard<Arc<MetadataImage>> {
        self.image.load()
    }

    /// The current image, to be held.
    pub fn image_full(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Follows who leads the quorum, and in which epoch.
    pub fn leader_changes(&self) -> watch::Receiver<(Option<BrokerId>, LeaderEpoch)> {
        self.leader.subscribe()
    }

    /// The offset up to which all publishers have acted; -1 before the first image.
    pub fn offset(&self) -> watch::Receiver<Offset> {
        self.offset.subscribe()
    }

    /// Waits until the publishers have acted on what is committed up to `offset`, `own` records of which
    /// are the caller's, but no longer than they may be expected to need: not while they are busy with
    /// something else, nor if acting takes them long.
    pub(super) async fn settled(&self, offset: Offset, own: usize) {
        let _ = tokio::time::timeout(PATIENCE, self.settled_or_busy(offset, own)).await;
    }

    /// Waits until the image is as a client expects it, which the active controller on another node has
    /// answered; not for long, as Kafka does not wait for that at all.
    pub(super) async fn seen(&self, is_seen: impl Fn(&MetadataImage) -> bool) {
        let mut acted = self.offset.subscribe();
        let seen = acted.wait_for(|_| is_seen(&self.image()));
        let _ = tokio::time::timeout(PATIENCE, seen).await;
    }

    async fn settled_or_busy(&self, offset: Offset, own: usize) {
        let (mut acted, mut begun) = (self.offset.subscribe(), self.begun.subscribe());
        // An error means that the process stops, so nothing is waited for.
        loop {
            tokio::select! {
                biased;
                _ = acted.wait_for(|acted| *acted >= offset) => return,
                _ = begun.wait_for(|begun| *begun >= offset) => break,
                () = tokio::time::sleep(PATIENCE_WITH_OTHERS) => {}
            }
            let is_busy = *begun.borrow() > *acted.borrow();
            if is_busy {
                return;
            }
        }
        let together = begun.borrow().0 - acted.borrow().0;
        let most_is_of_others = together > own as i64 + FEW_RECORDS;
        let patience = if most_is_of_others {
            PATIENCE_WITH_OTHERS
        } else {
            PATIENCE
        };
        let done = acted.wait_for(|acted| *acted >= offset);
        let _ = tokio::time::timeout(patience, done).await;
    }

    /// The leader of the quorum, if it is known, and its epoch.
    pub fn leader(&self) -> (Option<BrokerId>, LeaderEpoch) {
        *self.leader.borrow()
    }
}

/// The three threads, and the handles on them.
#[derive(Debug)]
pub struct Metadata {
    published: Arc<Published>,
    controller: ControllerHandle,
    loader_inputs: mpsc::Sender<LoaderInput>,
    controller_inputs: mpsc::Sender<ControllerInput>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Metadata {
    /// Starts the three threads.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        config: MetadataConfig,
        events: LogEvents,
        raft: &Raft,
        publishers: Vec<Box<dyn MetadataPublisher>>,
        on_fatal: &OnFatal,
    ) -> std::io::Result<Self> {
        let published = Arc::new(Published::new());
        let (controller_inputs, inputs) = events.controller;
        let (loader_inputs, events) = events.loader;
        let snapshots = SnapshotSchedule::new(
            config.max_bytes_between_snapshots,
            config.max_snapshot_interval,
        );
        let (publisher_inputs, deltas) = mpsc::channel();
        let publisher = PublisherThread::new(
            deltas,
            loader_inputs.clone(),
            Arc::clone(&published),
            publishers,
        );
        let loader = LoaderThread::new(
            events,
            raft.clone(),
            controller_inputs.clone(),
            Arc::clone(&published),
            publisher_inputs,
            snapshots,
            config.acted_on,
        );
        let controller = ControllerThread::new(inputs, raft.clone(), config);
        let threads = vec![
            spawn("metadata-loader", Arc::clone(on_fatal), move || {
                loader.run()
            })?,
            spawn("metadata-publisher", Arc::clone(on_fatal), move || {
                publisher.run();
                Ok(())
            })?,
            spawn("controller", Arc::clone(on_fatal), move || {
                controller.run();
                Ok(())
            })?,
        ];
        Ok(Self {
            controller: ControllerHandle::new(controller_inputs.clone(), Arc::clone(&published)),
            published,
            loader_inputs,
            controller_inputs,
            threads,
        })
    }

    /// What this node knows of the cluster.
    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// The handle to ask the controller.
    pub fn controller(&self) -> &ControllerHandle {
        &self.controller
    }

    /// Stops the threads. Requests that wait for the controller are refused.
    pub fn stop(self) {
        // A thread that has ended already has nothing to be told.
        let _ = self.controller_inputs.send(ControllerInput::Stop);
        let _ = self.loader_inputs.send(LoaderInput::Stop);
        for thread in self.threads {
            // The thread has told of its own failure.
            let _ = thread.join();
        }
    }
}

/// Starts a thread that the node cannot do without: its failure, or a panic, is fatal to the process.
pub(super) fn spawn(
    name: &'static str,
    on_fatal: OnFatal,
    run: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    let guarded = move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let failure = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => reason,
            Err(_) => format!("a bug in the thread {name}; the log tells where"),
        };
        tracing::error!(
            reason = failure,
            "a thread has ended that this node cannot do without"
        );
        on_fatal(failure);
    };
    thread::Builder::new().name(name.to_owned()).spawn(guarded)
}

#[cfg(test)]
mod tests;
