//! Rules of sequences, epochs and transactions, each as a claim.

use super::*;

const PRODUCER: ProducerId = ProducerId(7);

/// A log of one partition: batches of one record a step, unless told otherwise.
#[derive(Default)]
struct Script {
    state: ProducerState,
}

impl Script {
    fn batch(&self, epoch: i16, first: i32, last: i32) -> ProducerBatch {
        let count = if last >= first {
            i64::from(last) - i64::from(first)
        } else {
            i64::from(i32::MAX) - i64::from(first) + i64::from(last) + 1
        };
        ProducerBatch {
            producer_id: PRODUCER,
            producer_epoch: epoch,
            first_sequence: first,
            last_sequence: last,
            first_offset: self.state.end_offset(),
            last_offset: self.state.end_offset() + count,
            max_timestamp: Timestamp(1_000),
            transactional: false,
        }
    }

    fn transactional(&self, producer: i64, epoch: i16, first: i32) -> ProducerBatch {
        ProducerBatch {
            producer_id: ProducerId(producer),
            transactional: true,
            ..self.batch(epoch, first, first)
        }
    }

    fn marker(&self, producer: i64, epoch: i16, coordinator_epoch: i32) -> TransactionMarker {
        TransactionMarker {
            producer_id: ProducerId(producer),
            producer_epoch: epoch,
            coordinator_epoch,
            offset: self.state.end_offset(),
            timestamp: Timestamp(2_000),
            aborted: true,
        }
    }

    /// Checks as for a client, and appends what passes.
    fn produce(&mut self, batch: ProducerBatch) -> Result<Verdict, ProducerRefusal> {
        let verdict = self.state.check(&batch, Origin::Client, false, None)?;
        if verdict == Verdict::Append {
            self.state.append(&batch);
        }
        Ok(verdict)
    }

    fn send(&mut self, epoch: i16, first: i32, last: i32) -> Result<Verdict, ProducerRefusal> {
        self.produce(self.batch(epoch, first, last))
    }

    fn end(&mut self, producer: i64, epoch: i16) -> Option<CompletedTransaction> {
        let marker = self.marker(producer, epoch, 0);
        self.state.append_marker(&marker)
    }
}

fn out_of_order(found: i32, expected_after: i32) -> Result<Verdict, ProducerRefusal> {
    Err(ProducerRefusal::OutOfOrderSequence {
        producer_id: PRODUCER,
        found,
        expected_after,
    })
}

fn invalid_epoch(found: i16, current: i16) -> ProducerRefusal {
    ProducerRefusal::InvalidProducerEpoch {
        producer_id: PRODUCER,
        found,
        current,
    }
}

#[test]
fn a_retried_batch_gets_the_offsets_of_the_first_write() {
    let mut script = Script::default();
    script.send(0, 0, 9).unwrap();
    script.send(0, 10, 14).unwrap();

    let Ok(Verdict::Duplicate(earlier)) = script.send(0, 0, 9) else {
        panic!("not found");
    };

    assert_eq!(
        (earlier.first_offset(), earlier.last_offset),
        (Offset(0), Offset(9))
    );
    assert_eq!(script.state.end_offset(), Offset(15));
}

#[test]
fn a_sequence_that_skips_or_overlaps_is_out_of_order() {
    let mut script = Script::default();
    script.send(0, 0, 9).unwrap();

    assert_eq!(script.send(0, 11, 12), out_of_order(11, 9));
    assert_eq!(script.send(0, 0, 4), out_of_order(0, 9));
    assert_eq!(script.send(0, 9, 12), out_of_order(9, 9));
    assert_eq!(script.send(0, 10, 10), Ok(Verdict::Append));
}

#[test]
fn a_retry_older_than_five_batches_is_out_of_order() {
    let mut script = Script::default();
    for sequence in 0..6 {
        script.send(0, sequence, sequence).unwrap();
    }

    assert_eq!(script.send(0, 0, 0), out_of_order(0, 5));
    assert!(matches!(script.send(0, 1, 1), Ok(Verdict::Duplicate(_))));
}

#[test]
fn sequences_wrap_to_zero_even_within_a_batch() {
    let mut script = Script::default();
    script.send(0, i32::MAX - 3, i32::MAX - 2).unwrap();

    assert_eq!(script.send(0, i32::MAX - 1, 1), Ok(Verdict::Append));
    assert!(matches!(
        script.send(0, i32::MAX - 1, 1),
        Ok(Verdict::Duplicate(_))
    ));
    assert_eq!(script.send(0, 2, 2), Ok(Verdict::Append));

    let mut script = Script::default();
    script.send(0, i32::MAX, i32::MAX).unwrap();
    assert_eq!(script.send(0, 0, 0), Ok(Verdict::Append));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old() {
    let mut script = Script::default();
    script.send(0, 0, 9).unwrap();

    assert_eq!(script.send(1, 10, 10), out_of_order(10, NO_SEQUENCE));
    assert_eq!(script.send(1, 0, 0), Ok(Verdict::Append));
    assert_eq!(script.send(0, 10, 10), Err(invalid_epoch(0, 1)));
}

#[test]
fn an_unknown_producer_starts_anywhere() {
    let mut script = Script::default();

    assert_eq!(script.send(3, 12_345, 12_350), Ok(Verdict::Append));
}

#[test]
fn an_unknown_producer_of_transactions_v2_starts_at_zero() {
    let mut script = Script::default();
    let producer = (PRODUCER, 0);
    script
        .state
        .start_verification(producer, 5, true, Timestamp(0))
        .unwrap();

    assert_eq!(script.send(0, 5, 5), out_of_order(5, NO_SEQUENCE));
}

#[test]
fn a_coordinators_batches_have_no_sequence_to_check() {
    let mut script = Script::default();
    for _ in 0..2 {
        let batch = script.batch(0, NO_SEQUENCE, NO_SEQUENCE);
        let verdict = script.state.check(&batch, Origin::Coordinator, false, None);
        assert_eq!(verdict, Ok(Verdict::Append));
        script.state.append(&batch);
    }
}

#[test]
fn a_plain_batch_is_refused_while_the_transaction_is_open() {
    let mut script = Script::default();
    script.produce(script.transactional(7, 0, 0)).unwrap();

    let refusal = ProducerRefusal::InTransaction {
        producer_id: PRODUCER,
    };
    assert_eq!(script.send(0, 1, 1), Err(refusal));

    script.end(7, 0);
    assert_eq!(script.send(0, 1, 1), Ok(Verdict::Append));
}

#[test]
fn the_oldest_open_transaction_holds_the_stable_offset() {
    let mut script = Script::default();
    script.produce(script.batch(0, 0, 9)).unwrap();
    script.produce(script.transactional(1, 0, 0)).unwrap();
    script.produce(script.transactional(2, 0, 0)).unwrap();
    assert_eq!(script.state.first_unstable_offset(), Some(Offset(10)));

    let completed = script.end(1, 0).unwrap();

    assert_eq!(
        completed,
        CompletedTransaction {
            producer_id: ProducerId(1),
            first_offset: Offset(10),
            last_offset: Offset(12),
            aborted: true,
            last_stable_offset: Offset(11),
        }
    );
    assert_eq!(script.state.first_open_offset(), Some(Offset(11)));
}

#[test]
fn a_marker_above_the_high_watermark_still_holds_the_stable_offset() {
    let mut script = Script::default();
    script.produce(script.transactional(1, 0, 0)).unwrap();
    let completed = script.end(1, 0).unwrap();
    assert_eq!(completed.last_stable_offset, Offset(2));

    script.state.on_high_watermark(Offset(1));
    assert_eq!(script.state.first_unstable_offset(), Some(Offset(0)));

    script.state.on_high_watermark(Offset(2));
    assert_eq!(script.state.first_unstable_offset(), None);
}

#[test]
fn a_marker_without_data_completes_nothing_but_raises_the_epoch() {
    let mut script = Script::default();
    script.send(0, 0, 9).unwrap();

    assert_eq!(script.end(7, 1), None);

    assert_eq!(script.send(0, 10, 10), Err(invalid_epoch(0, 1)));
    assert_eq!(script.send(1, 0, 0), Ok(Verdict::Append));
}

#[test]
fn a_marker_of_the_same_epoch_keeps_the_sequence_going() {
    let mut script = Script::default();
    script.produce(script.transactional(7, 0, 0)).unwrap();
    script.end(7, 0).unwrap();

    assert_eq!(
        script.produce(script.transactional(7, 0, 1)),
        Ok(Verdict::Append)
    );
}

#[test]
fn a_marker_of_an_older_coordinator_is_fenced() {
    let mut script = Script::default();
    script.produce(script.transactional(7, 0, 0)).unwrap();
    let marker = script.marker(7, 0, 5);
    script.state.append_marker(&marker);

    let late = script.marker(7, 0, 4);

    assert_eq!(
        script.state.check_marker(&late, 0),
        Err(ProducerRefusal::CoordinatorFenced {
            found: 4,
            current: 5
        })
    );
}

#[test]
fn with_transactions_v2_a_marker_must_raise_the_epoch_unless_it_is_a_retry() {
    let mut script = Script::default();
    script.produce(script.transactional(7, 3, 0)).unwrap();

    let late = script.marker(7, 3, 0);
    assert_eq!(
        script.state.check_marker(&late, 2),
        Err(invalid_epoch(3, 3))
    );
    assert_eq!(script.state.check_marker(&late, 1), Ok(()));
    let older = script.marker(7, 2, 0);
    assert_eq!(
        script.state.check_marker(&older, 1),
        Err(invalid_epoch(2, 3))
    );

    let marker = script.marker(7, 4, 0);
    assert_eq!(script.state.check_marker(&marker, 2), Ok(()));
    script.state.append_marker(&marker);
    assert_eq!(script.state.check_marker(&marker, 2), Ok(()));
}

#[test]
fn a_transaction_opens_only_with_the_guard_of_its_verification() {
    let mut script = Script::default();
    let batch = script.transactional(7, 0, 0);
    let refusal = Err(ProducerRefusal::NotVerified {
        producer_id: PRODUCER,
    });
    assert_eq!(
        script.state.check(&batch, Origin::Client, true, None),
        refusal
    );

    let now = Timestamp(0);
    let guard = script
        .state
        .start_verification((PRODUCER, 0), 0, false, now)
        .unwrap();
    assert!(guard.is_some());
    assert_eq!(
        script.state.check(&batch, Origin::Client, true, None),
        refusal
    );
    assert_eq!(
        script.state.check(&batch, Origin::Client, true, guard),
        Ok(Verdict::Append)
    );
    script.state.append(&batch);

    let again = script
        .state
        .start_verification((PRODUCER, 0), 1, false, now)
        .unwrap();
    assert_eq!(again, None);
    let next = script.transactional(7, 0, 1);
    assert_eq!(
        script.state.check(&next, Origin::Client, true, None),
        Ok(Verdict::Append)
    );
}

#[test]
fn a_marker_takes_the_guard_away() {
    let mut script = Script::default();
    let now = Timestamp(0);
    let guard = script
        .state
        .start_verification((PRODUCER, 0), 0, false, now)
        .unwrap();

    script.end(7, 0);

    let late = script.transactional(7, 0, 0);
    assert_eq!(
        script.state.check(&late, Origin::Client, true, guard),
        Err(ProducerRefusal::NotVerified {
            producer_id: PRODUCER
        })
    );
}

#[test]
fn a_marker_of_v2_keeps_the_guard_of_the_next_transaction() {
    let mut script = Script::default();
    let now = Timestamp(0);
    let guard = script
        .state
        .start_verification((PRODUCER, 1), 0, true, now)
        .unwrap();

    script.end(7, 1);

    let next = script.transactional(7, 1, 0);
    assert_eq!(
        script.state.check(&next, Origin::Client, true, guard),
        Ok(Verdict::Append)
    );
}

#[test]
fn a_higher_sequence_may_not_overtake_one_that_is_being_verified() {
    let mut script = Script::default();
    let now = Timestamp(0);
    script
        .state
        .start_verification((PRODUCER, 0), 4, false, now)
        .unwrap();
    let guard = script
        .state
        .start_verification((PRODUCER, 0), 9, false, now)
        .unwrap();

    let overtaking = script.transactional(7, 0, 9);

    let verdict = script.state.check(&overtaking, Origin::Client, true, guard);
    assert_eq!(verdict, out_of_order(9, 4));
}

#[test]
fn idle_producers_expire_unless_their_transaction_is_open() {
    let mut script = Script::default();
    script.send(0, 0, 0).unwrap();
    script.produce(script.transactional(8, 0, 0)).unwrap();

    script.state.expire(Timestamp(1_999), 1_000);
    assert_eq!(script.state.len(), 2);

    script.state.expire(Timestamp(2_000), 1_000);
    let left: Vec<_> = script.state.entries().iter().map(|&(id, _)| id).collect();
    assert_eq!(left, [ProducerId(8)]);
}
