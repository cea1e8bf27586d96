//! Faults that no node may have. Each is planted between a node's quorum and its disk: the disk says that it
//! has done what it was asked, and has not, or not yet. What is shipped has no trace of them.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The disk keeps the epoch of a vote, but not whom it was for.
    VoteNotPersisted,
    /// The disk says that it has synced a log, and has not.
    LostFsync,
    /// What is synced is so only after the messages that rest on it have left.
    ToldBeforeFlush,
    /// An older `quorum-state` is written late, over a newer one.
    OlderStateOverwrites,
    /// A log is cut, and what remembers how far it was synced still says that there is more.
    CutWithoutMark,
    /// A log is not cut where it should be.
    CutForgotten,
    /// A snapshot is taken of what is in the log, committed or not.
    SnapshotBeyondCommit,
}
