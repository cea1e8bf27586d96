//! The harness finds what it is for: with each planted fault some run fails, and says why.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::mutation::Mutation;
use super::{number, run};

/// What a run of some seed said, the first that failed, and how many there were.
fn first_failure(mutation: Mutation) -> Option<(u64, String)> {
    if let Some(seed) = number("SEED") {
        run(seed, 3, Some(mutation));
    }
    // So many at the most until it is found.
    let runs = number("RUNS").unwrap_or(100);
    (0..runs).find_map(|number| {
        let run = || run(27_000_000 + number, 3, Some(mutation));
        let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Some((number + 1, text?))
    })
}

#[allow(
    clippy::print_stderr,
    reason = "how soon a fault is found is worth knowing"
)]
fn check(mutation: Mutation, expected: &[&str]) {
    let found = first_failure(mutation);
    let (runs, found) = found.unwrap_or_else(|| panic!("{mutation:?} was not found"));
    eprintln!("{mutation:?} was found in run {runs}: {found}");
    assert!(
        expected.iter().any(|text| found.contains(text)),
        "{mutation:?} was found as something else: {found}"
    );
}

#[test]
fn a_vote_that_the_disk_does_not_keep_is_found() {
    check(Mutation::VoteNotPersisted, &["has forgotten its vote"]);
}

/// What is told when a log has lost what it had synced.
const LOST: [&str; 4] = [
    "is damaged",
    "lacks what is committed",
    "truncates what is committed",
    "one of the two",
];

#[test]
fn a_sync_that_the_disk_does_not_do_is_found() {
    check(Mutation::LostFsync, &LOST);
}

#[test]
fn messages_that_leave_before_the_sync_that_they_rest_on_are_found() {
    let mut expected = LOST.to_vec();
    expected.extend(["has forgotten its vote", "went back to epoch"]);
    check(Mutation::ToldBeforeFlush, &expected);
}

#[test]
fn an_older_election_state_over_a_newer_one_is_found() {
    check(
        Mutation::OlderStateOverwrites,
        &["became", "went back to epoch", "has forgotten its vote"],
    );
}

#[test]
fn a_cut_that_the_mark_of_the_last_sync_does_not_follow_is_found() {
    check(Mutation::CutWithoutMark, &["durable up to"]);
}

#[test]
fn a_cut_that_the_disk_does_not_do_is_found() {
    check(
        Mutation::CutForgotten,
        &["is not at the end of its log", "does not start"],
    );
}

#[test]
fn a_snapshot_beyond_what_is_committed_is_found() {
    check(
        Mutation::SnapshotBeyondCommit,
        &["is above what is committed"],
    );
}
