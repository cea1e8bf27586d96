//! A full disk refuses writes, goes on serving reads, and takes writes again once it has room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::client::ClientContext;
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
