//! The segments of a log, and how often the log was cut. Readers outside the lock must know: what they find
//! in a log that is cut beneath them is no damage.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::storage::segment::Segment;

/// Segments in order; the last is the active one.
#[derive(Clone, Debug, Default)]
pub(super) struct SegmentList {
    segments: Vec<Arc<Segment>>,
    /// The count, which all states of the list share.
    cuts: Arc<AtomicU32>,
}

impl SegmentList {
    pub(super) fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self {
            segments,
            cuts: Arc::default(),
        }
    }

    /// How often batches were taken away from the end of the log.
    pub(super) fn cuts(&self) -> u32 {
        self.cuts.load(Ordering::Acquire)
    }

    /// Notes that batches are about to be taken away.
    pub(super) fn note_cut(&self) {
        self.cuts.fetch_add(1, Ordering::AcqRel);
    }
}

impl Deref for SegmentList {
    type Target = Vec<Arc<Segment>>;

    fn deref(&self) -> &Self::Target {
        &self.segments
    }
}

impl DerefMut for SegmentList {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.segments
    }
}
