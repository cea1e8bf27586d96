//! Offsets that a transaction commits.

use super::script::{Script, TOPIC_ID};
use crate::coordinator::shard::{Shard as _, TransactionOutcome};
use crate::model::{ProducerId, Uuid};
use crate::protocol::messages::offsets_records::{
    OffsetCommitKey, OffsetCommitValue, OffsetsRecord,
};

fn pending(script: &mut Script, offset: i64, producer: i64) {
    pending_of(script, Uuid::ZERO, offset, producer);
}

pub(super) fn pending_of(script: &mut Script, topic_id: Uuid, offset: i64, producer: i64) {
    let key = OffsetCommitKey {
        group: "g".into(),
        topic: "t".into(),
        partition: 0,
    };
    let value = OffsetCommitValue {
        offset,
        topic_id,
        ..OffsetCommitValue::default()
    };
    let at = script.shard.next_offset();
    let record = OffsetsRecord::OffsetCommit(key, Some(value));
    script.shard.replay(at, ProducerId(producer), &record);
}

pub(super) fn end(script: &mut Script, producer: i64, outcome: TransactionOutcome) {
    let at = script.shard.next_offset();
    script
        .shard
        .replay_transaction_end(at, ProducerId(producer), outcome);
}

#[test]
fn offsets_of_a_transaction_count_from_its_marker_on() {
    let mut script = Script::new();
    pending(&mut script, 5, 1);
    script.fetch(TOPIC_ID, true);
    script.fetch(TOPIC_ID, false);
    end(&mut script, 1, TransactionOutcome::Commit);
    script.fetch(TOPIC_ID, true);

    script.check(
        "1: fetch
         -> 1 after 0: NONE t-0:-1:UNSTABLE_OFFSET_COMMIT
         2: fetch
         -> 2 after 0: NONE t-0:-1:NONE
         3: fetch
         -> 3 after 1: NONE t-0:5:NONE",
    );
}

#[test]
fn offsets_of_an_aborted_transaction_never_were() {
    let mut script = Script::new();
    script.commit(8, -1, "", 3);
    pending(&mut script, 5, 1);
    pending(&mut script, 6, 2);
    end(&mut script, 1, TransactionOutcome::Abort);
    end(&mut script, 2, TransactionOutcome::Abort);
    script.silence();
    script.fetch(TOPIC_ID, true);

    script.check("2: fetch\n-> 2 after 4: NONE t-0:3:NONE");
}

#[test]
fn an_offset_that_was_committed_after_the_pending_one_stays() {
    let mut script = Script::new();
    pending(&mut script, 5, 1);
    script.commit(8, -1, "", 9);
    end(&mut script, 1, TransactionOutcome::Commit);
    script.silence();
    script.fetch(TOPIC_ID, true);

    script.check("2: fetch\n-> 2 after 2: NONE t-0:9:NONE");
}
