//! What was acknowledged is there after a stop, and after a kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use crate::client::{config, consumer, flush, producer, receive, watermarks};
use crate::support::Broker;

#[test]
fn a_stopped_broker_comes_back_with_its_topics_and_messages() {
    let mut broker = Broker::start();
    let sending = producer(&broker, &[]);
    for n in 0..1000 {
        let value = n.to_string();
        sending
            .send(BaseRecord::<(), str>::to("kept").payload(&value))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    flush(&sending);
    drop(sending);

    let stopped = broker.stop();
    assert!(stopped.status.success(), "{}", stopped.output);
    assert!(broker.data_dir().join(".kafka_cleanshutdown").exists());
    broker.start_again();

    assert_eq!(watermarks(&broker, "kept", 0), (0, 1000));
    let received = receive(&consumer(&broker, "kept", 0, Offset::Beginning), 1000);
    assert!(
        received
            .iter()
            .zip(0..)
            .all(|(message, n)| message.value == Some(n.to_string()))
    );
}

/// Counts acknowledgements.
#[derive(Clone)]
struct Acknowledged(Arc<AtomicU64>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let mut broker = Broker::start_with(&[("log.segment.bytes", "1048576")]);
    for round in 0..3 {
        let acknowledged = Acknowledged(Arc::default());
        let topic = format!("killed-{round}");
        let sending: ThreadedProducer<_> = config(
            &broker,
            &[("message.timeout.ms", "5000"), ("linger.ms", "1")],
        )
        .create_with_context(acknowledged.clone())
        .unwrap();
        let payload = "x".repeat(1000);
        while acknowledged.0.load(Ordering::SeqCst) < 20_000 {
            // A full queue means that the broker is behind: the next turn looks again.
            let _ = sending.send(
                BaseRecord::<(), str>::to(&topic)
                    .partition(0)
                    .payload(&payload),
            );
        }
        let promised = acknowledged.0.load(Ordering::SeqCst);
        broker.kill();
        sending.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        drop(sending);
        broker.start_again();

        let (first, next) = watermarks(&broker, &topic, 0);
        assert_eq!(first, 0);
        assert!(
            next >= i64::try_from(promised).unwrap(),
            "round {round}: {next} of {promised}"
        );
        let received = receive(
            &consumer(&broker, &topic, 0, Offset::Beginning),
            usize::try_from(next).unwrap(),
        );
        assert!(
            received
                .iter()
                .zip(0..)
                .all(|(message, offset)| message.offset == offset)
        );
    }
}

/// One segment holds all of it, and nobody asked for a sync.
#[test]
fn a_kill_leaves_at_most_128_mib_of_a_log_to_check() {
    const MESSAGES: i64 = 300;
    const MESSAGE_BYTES: i64 = 900_000;
    const MOST_UNFLUSHED: i64 = 128 << 20;
    let mut broker = Broker::start();
    let sending = producer(&broker, &[("message.max.bytes", "1000000")]);
    let payload = "x".repeat(usize::try_from(MESSAGE_BYTES).unwrap());
    for _ in 0..MESSAGES {
        sending
            .send(BaseRecord::<(), str>::to("large").payload(&payload))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    flush(&sending);
    drop(sending);

    let least = MESSAGES - MOST_UNFLUSHED / MESSAGE_BYTES - 1;
    let deadline = Instant::now() + Duration::from_secs(60);
    while recovery_point(&broker, "large 0") < least {
        assert!(Instant::now() < deadline, "the recovery point stays behind");
        std::thread::yield_now();
    }
    broker.kill();
    broker.start_again();
    assert_eq!(watermarks(&broker, "large", 0), (0, MESSAGES));
}

/// What the checkpoint says of a partition, named as in the file; 0 if nothing.
fn recovery_point(broker: &Broker, partition: &str) -> i64 {
    let path = broker.data_dir().join("recovery-point-offset-checkpoint");
    // Before the first checkpoint there is no file.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let entry = lines.find_map(|line| line.strip_prefix(partition)?.strip_prefix(' '));
    entry.map_or(0, |offset| offset.parse().expect("an offset"))
}

#[test]
fn an_idempotent_producer_goes_on_after_the_broker_was_killed() {
    let mut broker = Broker::start();
    let sending = producer(&broker, &[("enable.idempotence", "true")]);
    let send = |range: std::ops::Range<u32>| {
        for n in range {
            let value = n.to_string();
            sending
                .send(BaseRecord::<(), str>::to("once").payload(&value))
                .map_err(|(error, _)| error)
                .unwrap();
        }
        sending
            .flush(Duration::from_secs(60))
            .expect("all is acknowledged after the restart");
    };
    // The port must stay the same for the producer to find the broker again.
    send(0..500);
    let address = broker.bootstrap().to_owned();
    broker.set(
        "listeners",
        &format!("PLAINTEXT://{address},CONTROLLER://127.0.0.1:0"),
    );
    broker.crash_and_restart();
    send(500..1000);

    let received = receive(&consumer(&broker, "once", 0, Offset::Beginning), 1000);
    assert!(
        received
            .iter()
            .zip(0..)
            .all(|(message, n)| message.value == Some(n.to_string()))
    );
    assert_eq!(watermarks(&broker, "once", 0), (0, 1000));
}
