//! Consumer groups: who gets which partition, who takes over, and what a group remembers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::client::{LIMIT, config, flush, producer};
use crate::support::Broker;

/// Short enough to wait for the death of a member.
const SESSION: [(&str, &str); 2] = [
    ("session.timeout.ms", "2000"),
    ("heartbeat.interval.ms", "200"),
];
const PARTITIONS: usize = 6;

/// A broker that does not make the first members wait, and lets them die soon.
fn broker() -> Broker {
    Broker::start_with(&[
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1000"),
        ("num.partitions", "6"),
    ])
}

/// Counts the assignments that a member is given.
#[derive(Clone, Default)]
struct Assignments(Arc<AtomicUsize>);

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

type Member = BaseConsumer<Assignments>;

fn member(broker: &Broker, group: &str, topic: &str, settings: &[(&str, &str)]) -> Member {
    let mut config = config(broker, &SESSION);
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let member: Member = config
        .create_with_context(Assignments::default())
        .expect("the settings are librdkafka's");
    member.subscribe(&[topic]).expect("the topic is valid");
    member
}

fn assigned(member: &Member) -> BTreeSet<i32> {
    let assignment = member.assignment().expect("it can be told");
    let elements = assignment.elements();
    elements.iter().map(|it| it.partition()).collect()
}

/// Polls all members until each partition has one owner, and none is idle.
fn settle(members: &[&Member]) -> Vec<BTreeSet<i32>> {
    let deadline = Instant::now() + LIMIT;
    loop {
        for member in members {
            if let Some(Err(error)) = member.poll(Duration::from_millis(20)) {
                panic!("a member failed: {error}");
            }
        }
        let owned: Vec<_> = members.iter().map(|member| assigned(member)).collect();
        let all: BTreeSet<i32> = owned.iter().flatten().copied().collect();
        let count: usize = owned.iter().map(BTreeSet::len).sum();
        if count == PARTITIONS && all.len() == PARTITIONS && owned.iter().all(|it| !it.is_empty()) {
            return owned;
        }
        assert!(Instant::now() < deadline, "no agreement: {owned:?}");
    }
}

fn fill(broker: &Broker, topic: &str, partitions: i32, messages: i32) {
    let producer = producer(broker, &[]);
    for n in 0..messages {
        let value = n.to_string();
        let record = BaseRecord::<(), str>::to(topic)
            .partition(n % partitions)
            .payload(&value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    flush(&producer);
}

/// The values of the next `count` messages.
fn take(member: &Member, count: usize) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    let mut values = Vec::new();
    while values.len() < count {
        assert!(Instant::now() < deadline, "only {} came", values.len());
        if let Some(message) = member.poll(Duration::from_millis(100)) {
            let message = message.expect("the member goes on");
            let value = message.payload().expect("all have values");
            values.push(String::from_utf8_lossy(value).into_owned());
        }
    }
    values
}

#[test]
fn three_members_share_partitions_and_take_over_from_those_that_leave_or_die() {
    let broker = broker();
    fill(&broker, "shared", 6, 60);
    let first = member(&broker, "g", "shared", &[]);
    let leaving = member(&broker, "g", "shared", &[]);
    // A static member does not say goodbye: dropping it is a death.
    let dying = member(&broker, "g", "shared", &[("group.instance.id", "one")]);

    let three = settle(&[&first, &leaving, &dying]);
    assert!(three.iter().all(|owned| owned.len() == 2), "{three:?}");
    drop(leaving);
    let two = settle(&[&first, &dying]);
    assert!(two.iter().all(|owned| owned.len() == 3), "{two:?}");
    drop(dying);
    settle(&[&first]);
    let back = member(&broker, "g", "shared", &[]);
    let again = settle(&[&first, &back]);
    assert!(again.iter().all(|owned| owned.len() == 3), "{again:?}");
}

#[test]
fn every_group_gets_every_message() {
    let broker = broker();
    fill(&broker, "everything", 6, 120);

    for group in ["one", "two"] {
        let reader = member(&broker, group, "everything", &[]);
        let values: BTreeSet<String> = take(&reader, 120).into_iter().collect();
        assert_eq!(values.len(), 120, "group {group}");
    }
}

#[test]
fn committed_offsets_survive_a_restart_and_a_kill() {
    let mut broker = broker();
    fill(&broker, "kept", 1, 100);
    let committed = |broker: &Broker| {
        let reader = member(broker, "g", "kept", &[]);
        let mut asked = TopicPartitionList::new();
        asked.add_partition("kept", 0);
        let found = reader
            .committed_offsets(asked, LIMIT)
            .expect("they are told");
        found.elements()[0].offset()
    };
    for (round, crash) in [(1, false), (2, true), (3, true)] {
        let reader = member(&broker, "g", "kept", &[]);
        let values = take(&reader, 10);
        let from = (round - 1) * 10;
        let expected: Vec<_> = (from..from + 10).map(|n| n.to_string()).collect();
        assert_eq!(values, expected, "round {round}");
        let mut position = TopicPartitionList::new();
        let next = i64::from(round) * 10;
        position
            .add_partition_offset("kept", 0, Offset::Offset(next))
            .unwrap();
        reader
            .commit(&position, CommitMode::Sync)
            .expect("the commit is accepted");
        if crash {
            broker.kill();
        } else {
            assert!(broker.stop().status.success());
        }
        drop(reader);
        broker.start_again();
        assert_eq!(committed(&broker), Offset::Offset(next), "round {round}");
    }
}

#[test]
fn cooperative_members_share_partitions_without_giving_up_what_they_keep() {
    let broker = broker();
    fill(&broker, "cooperative", 6, 6);
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let first = member(&broker, "g", "cooperative", &settings);
    let before = settle(&[&first]);
    let second = member(&broker, "g", "cooperative", &settings);

    let after = settle(&[&first, &second]);

    assert_eq!(before[0].len(), PARTITIONS);
    assert!(after.iter().all(|owned| owned.len() == 3), "{after:?}");
    // What the first one has now it has had all along, and reads on.
    assert!(after[0].is_subset(&before[0]));
}

#[test]
fn a_static_member_that_restarts_gets_its_partitions_back_without_a_rebalance() {
    let broker = broker();
    fill(&broker, "static", 6, 6);
    let settings = |instance| {
        [
            ("group.instance.id", instance),
            ("session.timeout.ms", "30000"),
        ]
    };
    let restarting = member(&broker, "g", "static", &settings("one"));
    let staying = member(&broker, "g", "static", &settings("two"));
    let before = settle(&[&restarting, &staying]);
    let rebalances = staying.context().0.load(Ordering::SeqCst);

    drop(restarting);
    let restarted = member(&broker, "g", "static", &settings("one"));
    let after = settle(&[&restarted, &staying]);

    assert_eq!(after, before);
    assert_eq!(staying.context().0.load(Ordering::SeqCst), rebalances);
}

#[test]
fn a_stop_does_not_wait_for_members_that_wait_for_each_other() {
    let mut broker = Broker::start_with(&[
        ("group.initial.rebalance.delay.ms", "60000"),
        ("group.min.session.timeout.ms", "1000"),
    ]);
    fill(&broker, "waiting", 1, 1);
    let waiting = member(&broker, "g", "waiting", &[]);
    // The request that waits is on its way once the group knows the member.
    let deadline = Instant::now() + LIMIT;
    let members = || {
        let listed = waiting
            .fetch_group_list(Some("g"), LIMIT)
            .expect("it is told");
        listed
            .groups()
            .first()
            .map_or(0, |group| group.members().len())
    };
    while members() == 0 {
        assert!(waiting.poll(Duration::from_millis(20)).is_none());
        assert!(Instant::now() < deadline, "it does not join");
    }

    let started = Instant::now();
    assert!(broker.stop().status.success());

    assert!(started.elapsed() < Duration::from_secs(4), "it waited");
}

#[test]
fn a_transactional_producer_gives_up_at_once() {
    let broker = broker();
    let producer = producer(&broker, &[("transactional.id", "mine")]);

    let started = Instant::now();
    let refused = producer.init_transactions(LIMIT);

    assert!(refused.is_err());
    assert!(started.elapsed() < LIMIT / 3, "it went on trying");
}
