//! The harness finds what it is for: with each planted fault some run fails, and says why.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faults::Temper;
use super::mutation::Mutation;
use super::{number, run};

/// So many runs at the most until it is found, unless `RUNS` says otherwise.
fn runs() -> u64 {
    number("RUNS").unwrap_or(150)
}

/// The first run of the search for a fault; others are found soon from the first one on.
fn begins_at(mutation: Mutation) -> u64 {
    match mutation {
        // Of 476 runs the last one was the first to find it: an older process must be heard late, just when its
        // successor has lost what it had.
        Mutation::OlderBrokerEpochCounts => 800,
        _ => 0,
    }
}

/// What a run of some seed said, the first that failed, and how many there were.
fn first_failure(mutation: Mutation, temper: Temper) -> Option<(u64, String)> {
    if let Some(seed) = number("SEED") {
        run(seed, temper, Some(mutation));
    }
    let first = begins_at(mutation);
    (first..first + runs()).find_map(|seed| {
        let run = || run(14_000_000 + seed, temper, Some(mutation));
        let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Some((seed + 1, text?))
    })
}

#[allow(
    clippy::print_stderr,
    reason = "how soon a fault is found is worth knowing"
)]
fn check(mutation: Mutation, temper: Temper, expected: &[&str]) {
    let found = first_failure(mutation, temper);
    let (runs, found) = found.unwrap_or_else(|| panic!("{mutation:?} was not found"));
    eprintln!("{mutation:?} was found in run {runs}: {found}");
    assert!(
        expected.iter().any(|text| found.contains(text)),
        "{mutation:?} was found as something else: {found}"
    );
}

#[test]
fn an_older_broker_epoch_that_counts_is_found() {
    check(
        Mutation::OlderBrokerEpochCounts,
        Temper::Power,
        &["is in sync for", "which is not committed"],
    );
}

#[test]
fn an_unknown_outcome_that_is_taken_for_a_refusal_is_found() {
    check(
        Mutation::UnknownIsRefused,
        Temper::Kills,
        &["is in sync for"],
    );
}

#[test]
#[ignore = "it takes some 300 runs: most late answers do no harm that the next fetch does not mend"]
fn a_late_answer_that_is_applied_is_found() {
    check(
        Mutation::LateAnswerApplies,
        Temper::Kills,
        &["logs do not match", "is in sync for", "is committed"],
    );
}

#[test]
fn a_recovery_point_that_stays_above_a_cut_is_found() {
    check(
        Mutation::RecoveryPointStays,
        Temper::Power,
        &["after a start"],
    );
}

#[test]
fn a_high_watermark_that_moves_before_a_cut_is_found() {
    check(
        Mutation::WatermarkBeforeCut,
        Temper::Kills,
        &["for committed"],
    );
}

#[test]
fn an_election_of_anybody_is_found() {
    check(
        Mutation::ElectionOfAnybody,
        Temper::Kills,
        &["from outside the in-sync set"],
    );
}

#[test]
fn unsynced_records_that_count_are_found() {
    check(
        Mutation::UnsyncedCounts,
        Temper::Power,
        &["is in sync for", "has no excuse", "after a start"],
    );
}

#[test]
fn a_leader_that_ignores_whom_it_asks_to_take_in_is_found() {
    check(
        Mutation::PendingExpansionIsIgnored,
        Temper::Kills,
        &["is in sync for"],
    );
}

#[test]
fn a_cut_to_the_high_watermark_is_found() {
    check(
        Mutation::CutToWatermark,
        Temper::Kills,
        // Logs that part for good never come in sync again.
        &["is in sync for", "logs do not match", "after the faults"],
    );
}
