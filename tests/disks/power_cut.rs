//! The power is cut under a broker on ext4: with `flush.messages=1` nothing acknowledged is lost;
//! without it the unsynced tail may be, and never more than the tail.

use rdkafka::Offset;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::BaseRecord;

use crate::client::{config, consumer, flush, producer, receive, watermarks};
use crate::mounts::Mount;
use crate::support::{Broker, path_text};

const MESSAGES: i64 = 2_000;

#[test]
fn a_power_cut_takes_nothing_that_was_synced_and_leaves_no_holes() {
    let Some(disk) = Mount::ext4() else { return };
    let data = disk.path().join("data");
    let mut broker = Broker::start_with(&[
        ("log.dirs", path_text(&data)),
        ("log.segment.bytes", "1048576"),
    ]);
    create_topics(&broker);
    for topic in ["synced", "cached"] {
        produce(&broker, topic);
    }

    disk.cut_power();
    broker.kill();
    disk.power_on();
    broker.start_again();

    assert_eq!(watermarks(&broker, "synced", 0), (0, MESSAGES));
    for topic in ["synced", "cached"] {
        let (first, next) = watermarks(&broker, topic, 0);
        assert!(first == 0 && next <= MESSAGES, "{topic}: {first} to {next}");
        let count = usize::try_from(next).expect("an offset");
        let received = receive(&consumer(&broker, topic, 0, Offset::Beginning), count);
        let whole = received
            .iter()
            .zip(0_i64..)
            .all(|(message, n)| message.value == Some(payload(n)));
        assert!(
            whole,
            "{topic} has a hole, or other messages than were sent"
        );
        produce(&broker, topic);
    }
}

fn create_topics(broker: &Broker) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let admin: AdminClient<DefaultClientContext> =
        config(broker, &[]).create().expect("valid settings");
    let topic = |name| NewTopic::new(name, 1, TopicReplication::Fixed(1));
    let topics = [topic("synced").set("flush.messages", "1"), topic("cached")];
    let created = runtime
        .block_on(admin.create_topics(&topics, &AdminOptions::new()))
        .expect("an answer");
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

fn payload(n: i64) -> String {
    format!("{n} {}", "x".repeat(500))
}

fn produce(broker: &Broker, topic: &str) {
    let producer = producer(broker, &[("linger.ms", "1"), ("batch.num.messages", "50")]);
    for n in 0..MESSAGES {
        let value = payload(n);
        let record = BaseRecord::<(), str>::to(topic)
            .partition(0)
            .payload(&value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    flush(&producer);
}
