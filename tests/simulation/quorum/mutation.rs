//! Faults that no replica may have. Each is planted where a core meets its world: in what a message
//! says when it arrives, in what the disk does with an effect, in which deadlines pass. The core
//! that is shipped has no trace of them.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The disk keeps the epoch of a vote, but not whom it was for.
    VoteNotPersisted,
    /// A refused vote is told as granted.
    TwoVotesInAnEpoch,
    /// A leader takes what a majority has of earlier epochs for committed.
    OldEpochCommitted,
    /// The disk keeps what diverges from the leader's log.
    DivergenceKept,
    /// A leader commits what it alone has flushed.
    MinorityCommits,
    /// Each candidate's log looks longer than any other.
    VoteWithoutLogCheck,
    /// The disk says that it has synced, and has not.
    LostFsync,
    /// A leader that hears of no majority goes on leading.
    NoResignation,
    /// The disk gives back the election state before the last.
    EpochGoesBack,
    /// A voter whose disk was wiped votes at once, as Apache's static voters do.
    WipedVoterVotes,
    /// A leader sends a newcomer what is committed, and takes that for all it has.
    CommittedIsAll,
    /// A newcomer that stands persists first the epoch that it is in, and crashes.
    FirstEpochIsFree,
    /// A snapshot is taken of all that is in the log.
    SnapshotBeyondCommit,
}
