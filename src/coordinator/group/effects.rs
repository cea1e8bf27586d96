//! What a shard of groups wants done, as values.

use super::answer::Answer;
use crate::coordinator::shard;
use crate::protocol::messages::offsets_records::OffsetsRecord;

/// Records to be appended, and answers to be sent.
pub type Effects = shard::Effects<OffsetsRecord, Answer>;
