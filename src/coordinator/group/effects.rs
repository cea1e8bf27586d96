//! What a shard wants done, as values. It never does it itself.

use super::answer::Answer;
use crate::model::Offset;
use crate::protocol::messages::offsets_records::OffsetsRecord;

/// Names a request that waits for its answer. The driver gives it, and keeps who it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// An answer, and when it may leave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Whose answer it is. Every token is answered once.
    pub token: Token,
    /// The answer leaves when the high watermark is above this offset; [`Offset::NONE`]: at once.
    pub after: Offset,
    /// The answer, as it is if nothing fails until then; [`Answer::fail`] if something does.
    pub answer: Answer,
}

/// What came of one or more inputs; the driver empties it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// To be appended in this order, each in the version of
    /// [`value_version`](super::value_version). They may be split over batches: each is whole.
    pub records: Vec<OffsetsRecord>,
    /// To be sent, each after its offset.
    pub replies: Vec<Reply>,
}

impl Effects {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty()
    }

    pub(super) fn reply(&mut self, token: Token, after: Offset, answer: impl Into<Answer>) {
        self.replies.push(Reply {
            token,
            after,
            answer: answer.into(),
        });
    }
}
