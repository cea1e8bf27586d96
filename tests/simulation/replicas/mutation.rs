//! Faults that no replica may have. Each is planted where a broker meets its world: in what a message says
//! when it arrives, in what is done with a work of a fetcher, in what the disk does. What is shipped has no
//! trace of them.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A Fetch of an earlier process of a broker counts as one of the process that is there.
    OlderBrokerEpochCounts,
    /// An answer to AlterPartition that never came is taken for a refusal.
    UnknownIsRefused,
    /// What was fetched in an earlier leader epoch is done to the log in the one that is.
    LateAnswerApplies,
    /// A log is cut, and the checkpoints still say that more of it is on the disk.
    RecoveryPointStays,
    /// A follower takes over the high watermark before it cuts what its leader does not have.
    WatermarkBeforeCut,
    /// Whoever is alive leads.
    ElectionOfAnybody,
    /// A follower tells its leader of records that are not synced, where they must be.
    UnsyncedCounts,
    /// A leader counts without the follower that it asks the controller to take in.
    PendingExpansionIsIgnored,
    /// A follower cuts its log to its own high watermark, as before KIP-101.
    CutToWatermark,
}
