//! Planted anomalies: each rule finds what breaks it, and nothing else.

use super::*;
use crate::history::Poll;

fn sent(value: u64, fate: Fate) -> Sent {
    Sent {
        producer: 1,
        partition: 0,
        value,
        fate,
    }
}

fn poll(consumer: u32, goes_on: bool, messages: &[(i64, u64)]) -> Poll {
    Poll {
        consumer,
        partition: 0,
        goes_on,
        messages: messages.to_vec(),
    }
}

/// Four values, of which the third has an unknown fate, and two consumers that read all.
fn sound() -> History {
    History {
        sent: vec![
            sent(10, Fate::Acknowledged(0)),
            sent(11, Fate::Acknowledged(1)),
            sent(12, Fate::Unknown),
            sent(13, Fate::Acknowledged(4)),
            sent(14, Fate::Refused),
        ],
        polls: vec![
            poll(1, false, &[(0, 10), (1, 11)]),
            poll(2, false, &[(0, 10)]),
            poll(1, true, &[(3, 12), (4, 13)]),
            poll(2, false, &[(3, 12)]),
            poll(2, false, &[(1, 11), (3, 12), (4, 13)]),
        ],
    }
}

#[test]
fn a_sound_history_breaks_no_rule() {
    assert_eq!(check(&sound()), []);
    let mut empty_offset = sound();
    empty_offset.sent.push(sent(15, Fate::Unknown));
    assert_eq!(
        check(&empty_offset),
        [],
        "an unknown message may be missing"
    );
}

#[test]
fn a_value_that_was_acknowledged_somewhere_has_the_place_where_it_was_read() {
    let mut history = sound();
    history.sent[2].fate = Fate::AcknowledgedSomewhere;
    assert_eq!(check(&history), []);

    history.sent.swap(2, 3);
    let swapped = Anomaly::NonmonotonicSend {
        producer: 1,
        partition: 0,
        offsets: (4, 3),
    };
    assert_eq!(check(&history), [swapped]);
}

#[test]
fn a_value_that_was_acknowledged_somewhere_and_never_read_is_found() {
    let mut history = sound();
    history.sent.push(sent(15, Fate::AcknowledgedSomewhere));
    let missing = Anomaly::Missing {
        partition: 0,
        value: 15,
    };
    assert_eq!(check(&history), [missing]);
}

#[test]
fn two_values_at_one_offset_are_found() {
    let mut history = sound();
    history.sent[2].fate = Fate::Acknowledged(3);
    history.polls[2].messages = vec![(3, 12), (4, 13)];
    history.polls.push(poll(3, false, &[(3, 13)]));
    let found = check(&history);
    let inconsistent = Anomaly::InconsistentOffset {
        partition: 0,
        offset: 3,
        values: (12, 13),
    };
    assert!(found.contains(&inconsistent), "{found:?}");
}

#[test]
fn a_refused_value_that_is_read_is_found() {
    let mut history = sound();
    history.polls.push(poll(3, false, &[(5, 14)]));
    let expected = Anomaly::RefusedRead {
        partition: 0,
        value: 14,
    };
    assert_eq!(check(&history), [expected]);
}

#[test]
fn an_acknowledged_value_that_nobody_reads_is_lost_or_unseen() {
    let mut history = sound();
    history.sent.push(sent(20, Fate::Acknowledged(9)));
    let unseen = Anomaly::Unseen {
        partition: 0,
        offset: 9,
        value: 20,
    };
    assert_eq!(check(&history), [unseen]);
    history.sent.push(sent(21, Fate::Acknowledged(10)));
    history.polls.push(poll(3, false, &[(10, 21)]));
    let lost = Anomaly::LostWrite {
        partition: 0,
        offset: 9,
        value: 20,
    };
    assert_eq!(check(&history), [lost]);
}

#[test]
fn a_value_at_two_offsets_is_found() {
    let mut history = sound();
    history.polls.push(poll(3, false, &[(7, 12)]));
    let duplicate = Anomaly::Duplicate {
        partition: 0,
        value: 12,
        offsets: (3, 7),
    };
    assert_eq!(check(&history), [duplicate]);
}

#[test]
fn a_value_that_nobody_sent_is_found() {
    let mut history = sound();
    history.polls.push(poll(3, false, &[(7, 99)]));
    let invented = Anomaly::Invented {
        partition: 0,
        value: 99,
    };
    assert_eq!(check(&history), [invented]);
}

#[test]
fn a_consumer_that_leaves_something_out_is_found_unless_it_was_moved() {
    let mut history = sound();
    history.polls.push(poll(1, false, &[(0, 10)]));
    assert_eq!(check(&history), [], "it was moved");
    history.polls.push(poll(1, true, &[(3, 12)]));
    let skip = Anomaly::PollSkip {
        consumer: 1,
        partition: 0,
        skipped: 1,
    };
    assert_eq!(check(&history), [skip]);
}

#[test]
fn a_consumer_that_goes_back_is_found() {
    let mut history = sound();
    history.polls.push(poll(1, true, &[(4, 13)]));
    let again = Anomaly::NonmonotonicPoll {
        consumer: 1,
        partition: 0,
        offsets: (4, 4),
    };
    assert_eq!(check(&history), [again]);
}

#[test]
fn sends_out_of_order_are_found() {
    let mut history = sound();
    history.sent.swap(0, 1);
    let swapped = Anomaly::NonmonotonicSend {
        producer: 1,
        partition: 0,
        offsets: (1, 0),
    };
    assert_eq!(check(&history), [swapped]);
}
