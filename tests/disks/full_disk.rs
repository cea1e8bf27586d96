//! A full disk refuses writes, goes on serving reads, and takes writes again once it has room; topics
//! can be deleted on it, and a broker started, by the room that was reserved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};

use crate::client::{LIMIT, config, consumer, receive, watermarks};
use crate::mounts::Mount;
use crate::support::{Broker, path_text};

/// Counts what became of the messages.
#[derive(Clone, Default)]
struct Fate {
    acknowledged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Fate {}

impl ProducerContext for Fate {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() {
            &self.acknowledged
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

fn produce_until(broker: &Broker, done: impl Fn(&Fate) -> bool) -> Fate {
    let fate = Fate::default();
    let producer: BaseProducer<_> = config(
        broker,
        &[("message.timeout.ms", "3000"), ("linger.ms", "1")],
    )
    .create_with_context(fate.clone())
    .expect("valid settings");
    let payload = "x".repeat(100_000);
    let started = Instant::now();
    while !done(&fate) {
        assert!(started.elapsed() < 2 * LIMIT, "nothing happened");
        // A full queue drains, or its messages time out.
        let _ = producer.send(
            BaseRecord::<(), str>::to("full")
                .partition(0)
                .payload(&payload),
        );
        producer.poll(Duration::from_millis(1));
    }
    fate
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let Some(disk) = Mount::tmpfs(24) else { return };
    let metadata = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start_with(&[
        ("log.dirs", path_text(disk.path())),
        ("metadata.log.dir", path_text(metadata.path())),
        ("disk.reserve.bytes", "1048576"),
    ]);

    let fate = produce_until(&broker, |fate| fate.failed.load(Ordering::SeqCst) > 0);
    let acknowledged = fate.acknowledged.load(Ordering::SeqCst);
    let (first, next) = watermarks(&broker, "full", 0);
    let readable = usize::try_from(next).expect("an offset");
    let received = receive(&consumer(&broker, "full", 0, Offset::Beginning), readable);

    assert!(acknowledged > 100, "only {acknowledged} messages fit");
    assert!(
        first == 0 && next >= i64::try_from(acknowledged).expect("few"),
        "{next} of {acknowledged}"
    );
    assert!(
        received
            .iter()
            .zip(0..)
            .all(|(message, offset)| message.offset == offset)
    );

    disk.grow(64);
    produce_until(&broker, |fate| {
        fate.acknowledged.load(Ordering::SeqCst) > 10
    });
    assert!(watermarks(&broker, "full", 0).1 > next);
}

#[tokio::test]
async fn on_a_full_disk_a_broker_starts_and_stops_and_a_deleted_topic_makes_room() {
    let Some(disk) = Mount::tmpfs(32) else { return };
    let mut broker = Broker::start_with(&[
        ("log.dirs", path_text(disk.path())),
        ("disk.reserve.bytes", "4194304"),
        ("log.segment.delete.delay.ms", "100"),
        // The metadata log soon needs another block.
        ("metadata.max.idle.interval.ms", "20"),
    ]);
    let fate = produce_until(&broker, |fate| fate.failed.load(Ordering::SeqCst) > 0);
    disk.fill();
    broker.wait_for_log("the disk is full");
    let acknowledged = fate.acknowledged.load(Ordering::SeqCst);
    let acknowledged = i64::try_from(acknowledged).expect("few");
    assert!(acknowledged > 100, "only {acknowledged} messages fit");

    // Neither a crash nor a stop in order needs room that is not there.
    broker.crash_and_restart();
    assert!(watermarks(&broker, "full", 0).1 >= acknowledged);
    let stopped = broker.stop();
    assert!(stopped.status.success(), "{}", stopped.output);
    let failures = ["closing the logs failed", "no space left"];
    assert!(
        !failures.iter().any(|text| stopped.output.contains(text)),
        "{}",
        stopped.output
    );
    broker.start_again();
    assert!(broker.log().contains("clean=true"), "{}", broker.log());
    assert!(watermarks(&broker, "full", 0).1 >= acknowledged);
    produce_until(&broker, |fate| fate.failed.load(Ordering::SeqCst) > 0);

    let admin: AdminClient<DefaultClientContext> =
        config(&broker, &[]).create().expect("valid settings");
    let options = AdminOptions::new().request_timeout(Some(LIMIT));
    let deleted = admin.delete_topics(&["full"], &options).await;
    assert_eq!(deleted.expect("an answer"), [Ok("full".to_owned())]);

    broker.wait_for_log("there is room on the disk again");
    produce_until(&broker, |fate| {
        fate.acknowledged.load(Ordering::SeqCst) > 10
    });
}
