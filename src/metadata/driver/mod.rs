//! Metadata at work: a thread that follows the committed log and publishes images, and a thread
//! on which the controller decides while this node leads the quorum.
//!
//! The order of starting: [`events`] gives the listener that the quorum is opened with; then
//! [`Metadata::start`] takes the other end. Nothing is lost in between. Stopping goes the other
//! way: first [`Metadata::stop`], then the quorum.

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
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::protocol::messages::controller_registration::ControllerRegistrationRequest;
use crate::protocol::messages::metadata_records::MetadataRecord;
use crate::raft::{Raft, RaftEvent, RaftListener};

/// Acts on changes of the metadata. Called on the loader's thread, one change after the other, in
/// the order of registration; requests see the new image once all publishers are done.
pub trait MetadataPublisher: Send {
    /// The metadata changed. The first delta is from the empty image to all that is committed.
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>);
}

/// Told when this node can follow the metadata no more, with the reason: the process must stop.
pub type OnFatal = Arc<dyn Fn(String) + Send + Sync>;

/// How metadata is driven.
#[derive(Clone, Debug)]
pub struct MetadataConfig {
    /// What the controller is told.
    pub controller: ControllerSettings,
    /// What an empty log starts with.
    pub bootstrap: Vec<MetadataRecord>,
    /// How this node makes itself known as a controller, when it leads.
    pub registration: ControllerRegistrationRequest,
    /// `metadata.max.idle.interval.ms`; `None` for no records when idle.
    pub max_idle_interval: Option<Duration>,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub max_bytes_between_snapshots: u64,
    /// `metadata.log.max.snapshot.interval.ms`; `None` for no limit.
    pub max_snapshot_interval: Option<Duration>,
    /// The newest offset of the metadata log that this node's replicas acted on in earlier runs, as
    /// its log directories remember it; no image that is older is published.
    pub acted_on: Option<Offset>,
}

/// The end of the channel that the quorum writes to.
struct EventSender(mpsc::Sender<LoaderInput>);

impl RaftListener for EventSender {
    fn on_event(&mut self, event: RaftEvent) {
        // The loader is gone only when the process stops.
        let _ = self.0.send(LoaderInput::Log(event));
    }
}

/// The quorum's events, from its opening on.
pub struct LogEvents {
    sender: mpsc::Sender<LoaderInput>,
    receiver: mpsc::Receiver<LoaderInput>,
}

/// A listener to open the quorum with, and what it hears.
pub fn events() -> (Box<dyn RaftListener>, LogEvents) {
    let (sender, receiver) = mpsc::channel();
    let listener = Box::new(EventSender(sender.clone()));
    (listener, LogEvents { sender, receiver })
}

/// What this node knows of the cluster, for everyone to read.
#[derive(Debug)]
pub struct Published {
    pub(super) image: ArcSwap<MetadataImage>,
    pub(super) offset: watch::Sender<Offset>,
    pub(super) leader: watch::Sender<(Option<BrokerId>, LeaderEpoch)>,
}

impl Published {
    pub(super) fn new() -> Self {
        Self {
            image: ArcSwap::from_pointee(MetadataImage::default()),
            offset: watch::Sender::new(Offset::NONE),
            leader: watch::Sender::new((None, LeaderEpoch::NONE)),
        }
    }

    /// The image of now. It costs no reference count; don't hold it across an await.
    pub fn image(&self) -> arc_swap::Guard<Arc<MetadataImage>> {
        self.image.load()
    }

    /// The image of now, to be held.
    pub fn image_full(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Up to which offset all publishers have acted; -1 before the first time.
    pub fn offset(&self) -> watch::Receiver<Offset> {
        self.offset.subscribe()
    }

    /// The leader of the quorum, if it is known, and its epoch.
    pub fn leader(&self) -> (Option<BrokerId>, LeaderEpoch) {
        *self.leader.borrow()
    }
}

/// The two threads, and the handles on them.
#[derive(Debug)]
pub struct Metadata {
    published: Arc<Published>,
    controller: ControllerHandle,
    loader_inputs: mpsc::Sender<LoaderInput>,
    controller_inputs: mpsc::Sender<ControllerInput>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Metadata {
    /// Starts both threads.
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
        let (controller_inputs, inputs) = mpsc::channel();
        let snapshots = SnapshotSchedule::new(
            config.max_bytes_between_snapshots,
            config.max_snapshot_interval,
        );
        let loader = LoaderThread::new(
            events.receiver,
            raft.clone(),
            controller_inputs.clone(),
            Arc::clone(&published),
            publishers,
            snapshots,
            config.acted_on,
        );
        let controller = ControllerThread::new(inputs, raft.clone(), config);
        let threads = vec![
            spawn("metadata-loader", Arc::clone(on_fatal), move || {
                loader.run()
            })?,
            spawn("controller", Arc::clone(on_fatal), move || {
                controller.run();
                Ok(())
            })?,
        ];
        Ok(Self {
            controller: ControllerHandle::new(controller_inputs.clone(), published.offset()),
            published,
            loader_inputs: events.sender,
            controller_inputs,
            threads,
        })
    }

    /// What this node knows of the cluster.
    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// Asks the controller.
    pub fn controller(&self) -> &ControllerHandle {
        &self.controller
    }

    /// Stops both threads: what waits for the controller is refused.
    pub fn stop(self) {
        // A thread that has ended already has nothing to be told.
        let _ = self.controller_inputs.send(ControllerInput::Stop);
        let _ = self.loader_inputs.send(LoaderInput::Stop);
        for thread in self.threads {
            // It has told of its own failure.
            let _ = thread.join();
        }
    }
}

/// A thread whose failure, also a panic, is fatal to the process.
fn spawn(
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
        tracing::error!(reason = failure, "metadata can be followed no more");
        on_fatal(failure);
    };
    thread::Builder::new().name(name.to_owned()).spawn(guarded)
}

#[cfg(test)]
mod tests;
