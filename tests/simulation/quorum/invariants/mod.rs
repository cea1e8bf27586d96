//! What must hold in every run, one property a file.

mod committed_records_survive;
mod epochs_never_go_back;
mod high_watermark_never_retreats;
mod leaders_have_a_majority;
mod logs_match;
mod one_vote_per_epoch;
mod single_leader_per_epoch;

pub use high_watermark_never_retreats::HighWatermarkNeverRetreats;

/// All of them, with what each has seen so far.
#[derive(Default)]
pub struct Invariants {
    pub committed: committed_records_survive::CommittedRecordsSurvive,
    pub epochs: epochs_never_go_back::EpochsNeverGoBack,
    pub watermarks: HighWatermarkNeverRetreats,
    pub majorities: leaders_have_a_majority::LeadersHaveAMajority,
    pub logs: logs_match::LogsMatch,
    pub votes: one_vote_per_epoch::OneVotePerEpoch,
    pub leaders: single_leader_per_epoch::SingleLeaderPerEpoch,
}
