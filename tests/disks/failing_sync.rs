//! A failed fsync is never retried: nothing that depends on it is acknowledged.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};

use crate::client::{LIMIT, config, consumer, receive, watermarks};
use crate::support::process::Process;
use crate::support::{Broker, tools};

/// Counts acknowledgements.
#[derive(Clone, Default)]
struct Acknowledged(Arc<AtomicU64>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0
            .fetch_add(u64::from(result.is_ok()), Ordering::SeqCst);
    }
}

#[test]
fn nothing_is_acknowledged_after_a_failed_fsync_and_nothing_acknowledged_is_lost() {
    let Some(strace) = tools::program("strace") else {
        return;
    };
    let mut broker = Broker::start();
    create_synced_topic(&broker);
    let acknowledged = Acknowledged::default();
    let producer: BaseProducer<_> = config(
        &broker,
        &[("message.timeout.ms", "5000"), ("linger.ms", "0")],
    )
    .create_with_context(acknowledged.clone())
    .expect("valid settings");
    send_until(&producer, &acknowledged, 20);

    // From now on the tenth sync of any file fails; the broker must notice by itself.
    let mut tracer = Process::spawn_command(
        Command::new(strace)
            .args(["-f", "-q", "-e", "trace=fdatasync,fsync"])
            .args([
                "-e",
                "inject=fdatasync,fsync:error=EIO:when=10+",
                "-p",
                &broker.pid().to_string(),
            ]),
    );
    let stopped = send_until_the_broker_ends(&producer, &mut broker);
    tracer.wait(LIMIT);
    let promised = acknowledged.0.load(Ordering::SeqCst);

    assert!(
        !stopped.status.success(),
        "its last directory failed: {}",
        stopped.output
    );
    assert!(stopped.output.contains("offline"), "{}", stopped.output);
    broker.start_again();
    let (first, next) = watermarks(&broker, "synced", 0);
    assert!(
        first == 0 && next >= i64::try_from(promised).expect("few"),
        "{next} of {promised}"
    );
    receive(
        &consumer(&broker, "synced", 0, Offset::Beginning),
        usize::try_from(promised).expect("few"),
    );
}

fn create_synced_topic(broker: &Broker) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let admin: AdminClient<DefaultClientContext> =
        config(broker, &[]).create().expect("valid settings");
    let topic = NewTopic::new("synced", 1, TopicReplication::Fixed(1)).set("flush.messages", "1");
    let created = runtime
        .block_on(admin.create_topics(&[topic], &AdminOptions::new()))
        .expect("an answer");
    assert!(created[0].is_ok(), "{created:?}");
}

fn send(producer: &BaseProducer<Acknowledged>) {
    // A full queue drains, or its messages time out.
    let _ = producer.send(
        BaseRecord::<(), str>::to("synced")
            .partition(0)
            .payload("payload"),
    );
    producer.poll(Duration::from_millis(1));
}

fn send_until(producer: &BaseProducer<Acknowledged>, acknowledged: &Acknowledged, count: u64) {
    let started = Instant::now();
    while acknowledged.0.load(Ordering::SeqCst) < count {
        assert!(started.elapsed() < LIMIT, "nothing is acknowledged");
        send(producer);
    }
}

fn send_until_the_broker_ends(
    producer: &BaseProducer<Acknowledged>,
    broker: &mut Broker,
) -> crate::support::process::Stopped {
    let started = Instant::now();
    while !broker.has_ended() {
        assert!(
            started.elapsed() < 2 * LIMIT,
            "the broker goes on: {}",
            broker.log()
        );
        send(producer);
    }
    broker.ended()
}
