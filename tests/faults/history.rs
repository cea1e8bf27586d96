//! What clients did and saw.

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was acknowledged at this offset.
    Acknowledged(i64),
    /// It was acknowledged, and nobody said where: a client whose connection broke may conclude that from the
    /// answer to a later one.
    AcknowledgedSomewhere,
    /// It was surely not written.
    Refused,
    /// It may have been written.
    Unknown,
}

impl Fate {
    /// Acknowledged at this offset, which is negative where a client was told none.
    pub fn acknowledged_at(offset: i64) -> Self {
        if offset < 0 {
            Self::AcknowledgedSomewhere
        } else {
            Self::Acknowledged(offset)
        }
    }
}

/// A message that was sent. The values of a history are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who sent it. What one producer sends to a partition is listed in the order in which it was sent.
    pub producer: u32,
    pub partition: i32,
    pub value: u64,
    pub fate: Fate,
}

/// What one look at a partition brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Who looked. What one consumer sees of a partition is listed in the order in which it was seen.
    pub consumer: u32,
    pub partition: i32,
    /// Whether it goes on where this consumer's last look at the partition ended, so that nothing may be
    /// left out and nothing come again.
    pub goes_on: bool,
    /// Offsets and values.
    pub messages: Vec<(i64, u64)>,
}

/// What clients did and saw.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub sent: Vec<Sent>,
    pub polls: Vec<Poll>,
}
