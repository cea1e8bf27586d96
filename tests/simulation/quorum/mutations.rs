//! The harness finds what it is for: with each planted fault some run fails, and says why.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faults::Wipes;
use super::mutation::Mutation;
use super::run;

/// Where a fault is looked for.
#[derive(Clone, Copy)]
struct Search {
    voters: i32,
    wipes: Wipes,
    /// Where the seeds begin: where a fault that shows rarely is found soon.
    first: u64,
    /// So many runs at the most until it is found.
    runs: u64,
}

const USUAL: Search = Search {
    voters: 3,
    wipes: Wipes::Rare,
    first: 0,
    runs: 400,
};

/// What a run of some seed said, the first that failed.
fn first_failure(mutation: Mutation, search: Search) -> Option<String> {
    let Search {
        voters,
        wipes,
        first,
        runs,
    } = search;
    (first..first + runs).find_map(|seed| {
        let run = || run(7_000_000 + seed, voters, wipes, Some(mutation));
        let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
    })
}

fn check(mutation: Mutation, expected: &[&str]) {
    check_in(mutation, USUAL, expected);
}

fn check_in(mutation: Mutation, search: Search, expected: &[&str]) {
    let found = first_failure(mutation, search);
    let runs = search.runs;
    let found = found.unwrap_or_else(|| panic!("{mutation:?} was not found in {runs} runs"));
    assert!(
        expected.iter().any(|text| found.contains(text)),
        "{mutation:?} was found as something else: {found}"
    );
}

#[test]
fn a_vote_that_is_not_persisted_is_found() {
    check(Mutation::VoteNotPersisted, &["has forgotten its vote"]);
}

#[test]
fn two_votes_in_an_epoch_are_found() {
    check(
        Mutation::TwoVotesInAnEpoch,
        &["voted twice", "two nodes lead", "has forgotten its vote"],
    );
}

#[test]
fn the_commit_of_an_older_epochs_record_is_found() {
    let expected = [
        "lacks what is committed",
        "is committed",
        "committed something else",
    ];
    check(Mutation::OldEpochCommitted, &expected);
}

#[test]
fn a_divergence_that_is_not_truncated_is_found() {
    check(Mutation::DivergenceKept, &["is not at the end of its log"]);
}

#[test]
fn a_high_watermark_from_a_minority_is_found() {
    let expected = [
        "lacks what is committed",
        "is committed",
        "committed something else",
    ];
    check(Mutation::MinorityCommits, &expected);
}

#[test]
fn a_vote_without_a_look_at_the_log_is_found() {
    let expected = [
        "lacks what is committed",
        "truncates what is committed",
        "one of the two",
    ];
    check(Mutation::VoteWithoutLogCheck, &expected);
}

#[test]
fn a_lost_fsync_that_is_taken_for_done_is_found() {
    let expected = [
        "lacks what is committed",
        "truncates what is committed",
        "was flushed",
        "the high watermark went from",
    ];
    check(Mutation::LostFsync, &expected);
}

#[test]
fn a_leader_that_does_not_resign_without_a_majority_is_found() {
    check(Mutation::NoResignation, &["leads without a majority"]);
}

#[test]
fn an_epoch_that_goes_back_is_found() {
    check(
        Mutation::EpochGoesBack,
        &["went back", "has forgotten its vote"],
    );
}

#[test]
fn a_wiped_voter_that_votes_at_once_is_found() {
    let expected = [
        "lacks what is committed",
        "truncates what is committed",
        "one of the two",
        "voted twice",
    ];
    check(Mutation::WipedVoterVotes, &expected);
}

#[test]
fn a_snapshot_beyond_the_commit_is_found() {
    check(
        Mutation::SnapshotBeyondCommit,
        &["is above what is committed"],
    );
}

/// What is told when a newcomer votes without what it had promised before.
const FORGOTTEN: [&str; 6] = [
    "lacks what is committed",
    "truncates what is committed",
    "one of the two",
    "voted twice",
    "two nodes lead",
    "has forgotten its vote",
];

#[test]
fn a_newcomer_that_votes_with_what_is_committed_is_found() {
    let search = Search {
        voters: 5,
        wipes: Wipes::Many,
        first: 5_900,
        runs: 5000,
    };
    check_in(Mutation::CommittedIsAll, search, &FORGOTTEN);
}

#[test]
fn a_newcomer_whose_first_epoch_is_free_is_found() {
    let search = Search {
        wipes: Wipes::Many,
        ..USUAL
    };
    check_in(Mutation::FirstEpochIsFree, search, &FORGOTTEN);
}
