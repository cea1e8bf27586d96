//! The publisher's thread: acts on what changed in the metadata, one delta after the other, and lets
//! readers see the image afterwards.
//!
//! All disk work that metadata leads to is done here: folders are made and set aside. It may take as long
//! as the disk does, because neither commits nor the controller nor the loader wait for it. What is
//! committed meanwhile comes as one delta.

use std::sync::Arc;
use std::sync::mpsc;

use super::delta::MetadataDelta;
use super::driver::{MetadataPublisher, Published};
use super::loader_driver::LoaderInput;

/// The state of the publisher's thread.
pub(super) struct PublisherThread {
    deltas: mpsc::Receiver<MetadataDelta>,
    loader: mpsc::Sender<LoaderInput>,
    published: Arc<Published>,
    publishers: Vec<Box<dyn MetadataPublisher>>,
}

impl PublisherThread {
    pub(super) fn new(
        deltas: mpsc::Receiver<MetadataDelta>,
        loader: mpsc::Sender<LoaderInput>,
        published: Arc<Published>,
        publishers: Vec<Box<dyn MetadataPublisher>>,
    ) -> Self {
        Self {
            deltas,
            loader,
            published,
            publishers,
        }
    }

    /// Runs until the loader has ended, and everything it handed over is published.
    pub(super) fn run(mut self) {
        while let Ok(delta) = self.deltas.recv() {
            self.publish(&delta);
            // The loader is gone only when the process stops.
            let _ = self.loader.send(LoaderInput::Published);
        }
    }

    fn publish(&mut self, delta: &MetadataDelta) {
        let image = Arc::new(delta.image().clone());
        let offset = image.provenance().offset;
        self.published.begun.send_replace(offset);
        // The publishers first, the image afterwards: a commit is checked against an image that the
        // group coordinator was told of before. So a shard that is loaded looks for orphaned offsets
        // in an image that is never behind the one by which any of them was accepted; the other way
        // round it would take those of a new topic for orphans, and remove them.
        if !delta.is_empty() {
            for publisher in &mut self.publishers {
                publisher.on_update(delta, &image);
            }
        }
        self.published.image.store(image);
        let before = self.published.offset.send_replace(offset);
        assert!(before <= offset, "the image never goes back");
    }
}
