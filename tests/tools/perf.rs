//! `kafka-producer-perf-test.sh` and `kafka-consumer-perf-test.sh`: their lines look like those of Kafka's tools.

use crate::call::{Call, TOPICS, Tool, compare};
use crate::java::Java;
use crate::ours;
use crate::support::Broker;

const PRODUCER: Tool = Tool {
    name: "producer-perf-test",
    class: "org.apache.kafka.tools.ProducerPerformance",
};
const CONSUMER: Tool = Tool {
    name: "consumer-perf-test",
    class: "org.apache.kafka.tools.ConsumerPerformance",
};

const fn produce(arguments: &'static str) -> Call {
    PRODUCER.call(arguments).in_shape()
}

const fn consume(arguments: &'static str) -> Call {
    CONSUMER.call(arguments).in_shape()
}

#[test]
fn records_are_sent_and_read_and_told_of_as_by_kafkas_tools() {
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 2"),
            produce("{on} --topic {t} --num-records 1000 --record-size 100 --throughput -1"),
            produce(
                "{on} --topic {t} --num-records 900 --record-size 10 --throughput 600 --reporting-interval 200",
            ),
            produce(
                "{on} --topic {t} --num-records 900 --record-size 10 --throughput 600 --reporting-interval 200 \
                 --warmup-records 300",
            ),
            produce("{on} --topic {t} --num-records 50 --payload-monotonic --throughput 1000.5"),
            produce("{on} --topic {t} --num-records 50 --payload-file {f} --throughput -1")
                .with_file("a\nb\n\nc\n"),
            produce(
                "{on} --topic {t} --num-records 50 --payload-file {f} --throughput -1 --payload-delimiter ,",
            )
            .with_file("a,b"),
            produce(
                "--topic {t} --num-records 50 --record-size 9 --throughput -1 \
                 --command-property acks=1 bootstrap.servers={b} compression.type=lz4",
            ),
            produce(
                "--topic {t} --num-records 50 --record-size 9 --throughput -1 --producer-props acks=0 \
                 bootstrap.servers={b}",
            ),
            produce(
                "{on} --topic {t} --num-records 50 --record-size 9 --throughput -1 --producer.config {f}",
            )
            .with_file("linger.ms=0\nbatch.size=100\n"),
            consume("{on} --topic {t} --num-records 1500"),
            consume("{on} --topic {t} --num-records 900 --hide-header --group {t}"),
            consume("{on} --include {t}.* --messages 10 --date-format HH:mm"),
            consume("{on} --topic {t} --num-records 3000 --show-detailed-stats --reporting-interval 1"),
            consume("{on} --topic {t} --num-records 10 --from-latest --timeout 1500"),
            consume("{on} --topic {t} --num-records 100 --consumer.config {f} --fetch-size 1000")
                .with_file("fetch.max.wait.ms=10\n"),
        ],
        108,
    );
}

#[test]
fn bad_calls_fail_as_with_kafkas_tools() {
    compare(
        &[
            produce("{on} --topic t --num-records 0 --record-size 10 --throughput -1"),
            produce("{on} --topic t --num-records 10 --record-size 0 --throughput -1"),
            produce("{on} --topic t --num-records 10 --throughput -1"),
            produce("{on} --topic t --num-records 10 --record-size 10"),
            produce("{on} --num-records 10 --record-size 10 --throughput -1"),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --payload-monotonic --throughput -1",
            ),
            produce("--topic t --num-records 10 --record-size 10 --throughput -1"),
            produce("{on} --topic t --num-records 10 --payload-file /no/such --throughput -1"),
            produce("{on} --topic t --num-records 10 --payload-file {f} --throughput -1"),
            produce("{on} --topic t --num-records 10 --record-size 10 --throughput fast"),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --warmup-records 10",
            ),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --reporting-interval 0",
            ),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --command-property a",
            ),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --command-property acks=9",
            ),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --command-property a=b \
                 --producer-props a=b",
            ),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --command-config {f} \
                 --producer.config {f}",
            ),
            produce(
                "{on} --topic t --num-records 10 --record-size 10 --throughput -1 --transaction-duration-ms 0",
            ),
            consume("{on} --topic t").told(),
            consume("{on} --num-records 1").told(),
            consume("--topic t --num-records 1").told(),
            consume("{on} --topic t --include t --num-records 1").told(),
            consume("{on} --topic t --num-records 1 --messages 1").told(),
            consume("{on} --topic t --num-records 1 --consumer.config {f} --command-config {f}")
                .told(),
        ],
        244,
    );
}

/// What is told of metrics is by Kafka's names.
#[test]
fn metrics_have_the_names_that_kafkas_tools_tell() {
    let Some(mut java) = Java::start() else {
        return;
    };
    let broker = Broker::start();
    let bootstrap = broker.bootstrap();
    let common =
        format!("--bootstrap-server {bootstrap} --topic t --num-records 10 --print-metrics");
    for (tool, arguments) in [
        (
            PRODUCER,
            format!("{common} --record-size 10 --throughput -1"),
        ),
        (CONSUMER, common.clone()),
    ] {
        let call = tool.call("");
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let (own, theirs) = (ours::call(&call, &arguments), java.call(&call, &arguments));
        assert_eq!((own.code, theirs.code), (0, 0), "{own:?} {theirs:?}");
        let names = |output: &str| -> Vec<String> {
            let lines = output.lines().filter_map(|line| line.split_once(" : "));
            lines.map(|(name, _)| name.trim().to_owned()).collect()
        };
        let (own, theirs) = (names(&own.output), names(&theirs.output));
        assert!(own.len() >= 2, "{own:?}");
        for name in own {
            assert!(theirs.contains(&name), "{name} is not among {theirs:?}");
        }
    }
}

#[test]
fn transactions_are_refused_with_a_sentence() {
    for argument in [
        "--transactional-id=x",
        "--transaction-duration-ms=1",
        "--command-property=transactional.id=x",
    ] {
        let arguments = [
            "--bootstrap-server=127.0.0.1:1",
            "--topic=t",
            "--num-records=1",
            "--record-size=1",
            "--throughput=-1",
            argument,
        ];
        let ended = ours::call(&PRODUCER.call(""), &arguments.map(str::to_owned));
        assert_eq!(ended.code, 1);
        assert!(
            ended.errors.contains("Transactions are not served"),
            "{}",
            ended.errors
        );
    }
}
