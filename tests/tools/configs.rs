//! `kafka-configs.sh`.

use crate::call::{Call, TOPICS, Tool, compare};

const CONFIGS: Tool = Tool {
    name: "configs",
    class: "kafka.admin.ConfigCommand",
};

const fn on(arguments: &'static str) -> Call {
    CONFIGS.call(arguments)
}

/// A change of a topic's configs.
macro_rules! alter {
    ($rest:literal) => {
        on(concat!("{on} --alter --topic {t} ", $rest)).told_twice()
    };
}

fn topics() -> Vec<Call> {
    let topic = "{on} --describe --topic {t}";
    vec![
        TOPICS.call("{on} --create --topic {t} --partitions 1"),
        on(topic),
        on("{on} --describe --topic {t} --all"),
        alter!("--add-config retention.ms=1000,cleanup.policy=[compact,delete]"),
        on(topic),
        on("{on} --describe --entity-type topics --entity-name {t}"),
        on("{on} --describe --entity-type topics --entity-name {t} --all"),
        on("{on} --describe --entity-type=topics --entity-name={t}"),
        alter!("--delete-config retention.ms --add-config max.message.bytes=2000"),
        on(topic),
        alter!("--delete-config retention.ms"),
        alter!("--delete-config cleanup.policy,,max.message.bytes"),
        on(topic),
        alter!("--add-config-file {f}").with_file("retention.ms = 5\n# no\nsegment.ms: 7\n"),
        on(topic),
        alter!("--add-config retention.ms=5,retention.ms=6 --delete-config segment.ms"),
        on(topic),
        alter!("--add-config retention.ms=,segment.ms="),
        alter!("--add-config ,"),
        alter!("--add-config retention.ms=-5"),
        alter!("--add-config retention.ms=long"),
        alter!("--add-config no.such.config=1"),
        alter!("--delete-config no.such.config"),
        alter!("--add-config segment.ms=1 --delete-config segment.ms"),
        alter!("--add-config cleanup.policy=wrong"),
        alter!("--add-config retention.ms"),
        alter!("--add-config retention.ms=1=2"),
        alter!("--add-config retention.ms=1,2"),
        alter!("--add-config re/tention=1"),
        alter!("--add-config-file /no/such/file"),
        on("{on} --alter --topic {t}-missing --add-config retention.ms=1").told_twice(),
        on("{on} --alter --topic not/good --add-config retention.ms=1").told_twice(),
        on("{on} --describe --topic {t}-missing"),
        on("{on} --describe --topic {t}-missing --all").told_twice(),
        on("{on} --describe --topic not/good").told_twice(),
        on("{on} --describe --topic not/good --all").told_twice(),
        on("{on} --describe --entity-type topics").in_any_order(),
    ]
}

fn groups_and_client_metrics() -> Vec<Call> {
    vec![
        on("{on} --describe --group {t}"),
        on("{on} --describe --group {t} --all").told_twice(),
        on("{on} --alter --group {t} --add-config consumer.session.timeout.ms=50000").told_twice(),
        on("{on} --describe --group {t}"),
        on("{on} --describe --group {t} --all"),
        on("{on} --describe --entity-type groups").in_any_order(),
        on("{on} --alter --group {t} --delete-config consumer.session.timeout.ms").told_twice(),
        on("{on} --alter --group {t} --add-config consumer.session.timeout.ms=1").told_twice(),
        on("{on} --alter --group {t} --add-config nothing=1").told_twice(),
        on("{on} --describe --group {t}"),
        on("{on} --describe --client-metrics {t}"),
        on("{on} --describe --client-metrics {t} --all"),
        on("{on} --alter --client-metrics {t} --add-config interval.ms=2000,metrics=[a,b]")
            .told_twice(),
        on("{on} --describe --client-metrics {t}"),
        on("{on} --describe --client-metrics {t} --all"),
        on("{on} --describe --entity-type client-metrics").in_any_order(),
        on("{on} --alter --client-metrics {t} --add-config interval.ms=x").told_twice(),
        on("{on} --alter --client-metrics {t} --add-config nothing=x").told_twice(),
        on("{on} --alter --client-metrics {t} --delete-config interval.ms,metrics").told_twice(),
        on("{on} --describe --entity-type client-metrics"),
    ]
}

fn brokers() -> Vec<Call> {
    vec![
        on("{on} --describe --broker 1"),
        on("{on} --describe --broker 1 --all"),
        on("{on} --describe --broker-defaults"),
        on("{on} --describe --broker-defaults --all"),
        on("{on} --alter --broker 1 --add-config log.cleaner.threads=2").told_twice(),
        on("{on} --alter --broker-defaults --add-config log.cleaner.threads=3,log.retention.ms=77777").told_twice(),
        on("{on} --describe --broker 1"),
        on("{on} --describe --broker-defaults"),
        on("{on} --describe --entity-type brokers"),
        on("{on} --describe --entity-type brokers --entity-default"),
        on("{on} --describe --entity-type brokers --all"),
        on("{on} --alter --entity-type brokers --entity-name 1 --delete-config log.cleaner.threads").told_twice(),
        on("{on} --alter --entity-type brokers --entity-default --delete-config log.cleaner.threads,log.retention.ms")
            .told_twice(),
        on("{on} --describe --entity-type brokers"),
        on("{on} --alter --broker 1 --add-config broker.id=7").told_twice(),
        on("{on} --alter --broker 1 --add-config log.cleaner.threads=x").told_twice(),
        on("{on} --describe --broker 99"),
        on("{on} --describe --broker-logger 99"),
        on("{on} --describe --broker-logger 1").told_twice(),
        on("{on} --describe --broker-logger 1 --all").told_twice(),
        on("{on} --alter --broker-logger 1 --add-config no.such.logger=DEBUG").told_twice(),
        on("{on} --alter --broker-logger 1 --delete-config no.such.logger --add-config no.such.either=INFO")
            .told_twice(),
        on("{on} --alter --broker-logger 1 --add-config root=WARN").told_twice(),
        on("{on} --alter --broker-logger 1 --add-config root=LOUD").told_twice(),
        on("{on} --describe --entity-type broker-loggers --entity-name 1"),
        on("{on} --alter --broker-logger 1 --delete-config root").told_twice(),
    ]
}

#[test]
fn configs_are_told_and_changed_as_by_kafkas_tool() {
    let calls = [topics(), groups_and_client_metrics(), brokers()];
    compare(&calls.concat(), 180);
}

#[test]
fn quotas_are_told_and_changed_as_by_kafkas_tool() {
    compare(
        &[
            on("{on} --describe --entity-type clients"),
            on("{on} --describe --client {t}"),
            on("{on} --alter --client {t} --add-config \
                producer_byte_rate=1024,consumer_byte_rate=20000000,request_percentage=12.5,controller_mutation_rate=0.0001"),
            on("{on} --describe --client {t}"),
            on("{on} --describe --entity-type clients").in_any_order(),
            on("{on} --alter --client {t} --delete-config request_percentage,controller_mutation_rate"),
            on("{on} --describe --client {t}"),
            on("{on} --alter --client-defaults --add-config consumer_byte_rate=5"),
            on("{on} --describe --client-defaults"),
            on("{on} --describe --entity-type clients --entity-default"),
            on("{on} --alter --user {t} --client {t} --add-config producer_byte_rate=1e3"),
            on("{on} --describe --user {t} --client {t}"),
            on("{on} --describe --client {t} --user {t}"),
            on("{on} --alter --entity-type users --entity-name {t} --entity-type clients --entity-default \
                --add-config consumer_byte_rate=7d"),
            on("{on} --describe --entity-type users --entity-name {t} --entity-type clients --entity-default"),
            on("{on} --alter --entity-type users --entity-default --entity-type clients --entity-name {t} \
                --add-config consumer_byte_rate=8"),
            on("{on} --describe --entity-type users --entity-default --entity-type clients --entity-name {t}"),
            on("{on} --describe --entity-type users --entity-type clients").in_any_order(),
            on("{on} --describe --entity-type users --entity-name {t} --entity-type clients").in_any_order(),
            on("{on} --alter --user-defaults --add-config consumer_byte_rate=9"),
            on("{on} --describe --user-defaults"),
            on("{on} --alter --user-defaults --delete-config consumer_byte_rate")
                .after("{on} --alter --user-defaults --add-config consumer_byte_rate=9"),
            on("{on} --describe --user-defaults"),
            on("{on} --alter --ip 127.0.0.9 --add-config connection_creation_rate=100"),
            on("{on} --describe --ip 127.0.0.9"),
            on("{on} --alter --ip-defaults --add-config connection_creation_rate=50"),
            on("{on} --describe --ip-defaults"),
            on("{on} --describe --entity-type ips").in_any_order(),
            on("{on} --alter --ip 127.0.0.9 --delete-config connection_creation_rate")
                .after("{on} --alter --ip 127.0.0.9 --add-config connection_creation_rate=1"),
            on("{on} --alter --ip-defaults --delete-config connection_creation_rate")
                .after("{on} --alter --ip-defaults --add-config connection_creation_rate=1"),
            on("{on} --describe --entity-type ips"),
            on("{on} --alter --client {t} --delete-config request_percentage").told(),
            on("{on} --alter --client {t} --add-config producer_byte_rate=fast").told(),
            on("{on} --alter --client {t} --add-config producer_byte_rate=-1").told_twice(),
            on("{on} --alter --client {t} --add-config producer_byte_rate=").told(),
            on("{on} --alter --client {t} --add-config producer_byte_rate=1.5").told_twice(),
            on("{on} --alter --client {t} --add-config retention.ms=1").told(),
            on("{on} --alter --client {t} --delete-config retention.ms").told(),
            on("{on} --alter --client {t} --add-config SCRAM-SHA-256=[password=x]").told(),
            on("{on} --alter --user {t} --client {t} --delete-config SCRAM-SHA-256").told(),
            on("{on} --alter --user {t} --add-config retention.ms=1").told(),
            on("{on} --alter --user {t} --delete-config retention.ms,x").told(),
            on("{on} --alter --ip 127.0.0.1 --add-config producer_byte_rate=1").told(),
            on("{on} --alter --ip 127.0.0.1 --add-config connection_creation_rate=-1").told_twice(),
            on("{on} --alter --ip not.a.host.at.all --add-config connection_creation_rate=1").told(),
            on("{on} --describe --entity-type clients --entity-name {t} --entity-default").told(),
            on("{on} --alter --entity-type users --entity-type clients --entity-name {t} --add-config a=1").told(),
        ],
        182,
    );
}

#[test]
fn credentials_are_told_and_changed_as_by_kafkas_tool() {
    // Our broker does not serve them: both tools tell so.
    compare(
        &[
            on("{on} --describe --user {t}").told_twice(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-256=[iterations=8192,password=a-secret]").told_twice(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-512=[password=a=secret,more]").told_twice(),
            on("{on} --describe --user {t}").told_twice(),
            on("{on} --describe --entity-type users").in_any_order(),
            on("{on} --alter --user {t} --add-config producer_byte_rate=7").told_twice(),
            on("{on} --describe --entity-type users --entity-name {t}").told_twice(),
            on("{on} --alter --user {t} --delete-config SCRAM-SHA-512 --add-config SCRAM-SHA-256=[password=x]")
                .told_twice(),
            on("{on} --describe --user {t}").told_twice(),
            on("{on} --alter --user {t} --delete-config SCRAM-SHA-512").told_twice(),
            on("{on} --alter --user {t} --delete-config SCRAM-SHA-256").told_twice(),
            on("{on} --describe --user {t}").told_twice(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-256=[password=]").told_twice(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-256=[iterations=99999,password=x]").told_twice(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-256=[iterations=1,password=x]").told(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-256=[iterations=,password=x]").told(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-512=secret").told(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-1=[password=x]").told(),
            on("{on} --alter --user-defaults --add-config SCRAM-SHA-256=[password=x]").told(),
            on("{on} --alter --user {t} --add-config SCRAM-SHA-256=[password=x],producer_byte_rate=1").told(),
        ],
        184,
    );
}

#[test]
fn bad_calls_fail_as_with_kafkas_tool() {
    compare(
        &[
            on("").told(),
            on("{on}").told(),
            on("{on} --alter --describe --topic t").told(),
            on("{on} --describe").told(),
            on("--describe --topic t").told(),
            on("{on} --bootstrap-controller {c} --describe --topic t").told(),
            on("{on} --describe --topic t --add-config a=1").told(),
            on("{on} --describe --topic t --delete-config a").told(),
            on("{on} --describe --entity-type topics --entity-type topics --entity-type ips --entity-type topics")
                .told(),
            on("{on} --describe --entity-type topics --topic t").told(),
            on("{on} --describe --entity-type thing").told(),
            on("{on} --describe --entity-type topics --entity-type brokers").told(),
            on("{on} --describe --entity-type users --entity-type brokers").told(),
            on("{on} --describe --topic t --group g").told(),
            on("{on} --describe --entity-name x --topic t").told(),
            on("{on} --describe --entity-default --topic t").told(),
            on("{on} --describe --broker x").told(),
            on("{on} --describe --entity-type broker-loggers --entity-name x").told(),
            on("{on} --describe --entity-type broker-loggers").told(),
            on("{on} --describe --entity-type topics --entity-default").told(),
            on("{on} --describe --entity-type groups --entity-default").told(),
            on("{on} --describe --ip not.a.host.at.all").told(),
            on("{on} --alter --entity-type users --add-config a=1").told(),
            on("{on} --alter --entity-type topics --add-config a=1").told(),
            on("{on} --alter --entity-type topics --entity-default --add-config a=1").told(),
            on("{on} --alter --topic t").told(),
            on("{on} --alter --topic t --add-config a=1 --add-config-file f").told(),
            on("{on} --describe --topic t --command-config /no/such/file").told_twice(),
            on("--bootstrap-server nonsense --describe --topic t").told(),
            on("--bootstrap-server localhost:1 --describe --topic t --command-config {f}")
                .with_file("default.api.timeout.ms=300\nrequest.timeout.ms=200\n")
                .told_twice(),
            on("--bootstrap-server localhost:1 --describe --client c --command-config {f}")
                .with_file("default.api.timeout.ms=300\nrequest.timeout.ms=200\n")
                .told_twice(),
            on("{on} --describe --topic"),
            on("{on} --desc --topic t"),
            on("--zookeeper {b} --describe --topic t"),
        ],
        186,
    );
}

#[test]
fn controllers_are_asked_as_by_kafkas_tool() {
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 1"),
            on("--bootstrap-controller {c} --alter --topic {t} --add-config retention.ms=1000").told_twice(),
            on("--bootstrap-controller {c} --alter --topic {t} --add-config retention.ms=x").told_twice(),
            on("{on} --describe --topic {t}"),
            on("--bootstrap-controller {c} --describe --topic {t}").told_twice(),
            on("--bootstrap-controller {c} --describe --topic {t} --all").told_twice(),
            on("--bootstrap-controller {c} --describe --broker 1"),
            on("--bootstrap-controller {c} --describe --broker-defaults"),
            on("--bootstrap-controller {c} --alter --broker 1 --add-config log.cleaner.threads=2").told_twice(),
            on("--bootstrap-controller {c} --describe --broker 1"),
            on("--bootstrap-controller {c} --alter --broker 1 --delete-config log.cleaner.threads").told_twice(),
            on("--bootstrap-controller {c} --alter --group {t} --add-config consumer.session.timeout.ms=50000")
                .told_twice(),
            on("--bootstrap-controller {c} --describe --group {t}").told_twice(),
            on("--bootstrap-controller {c} --describe --client-metrics {t}").told_twice(),
            on("--bootstrap-controller {c} --describe --client {t}").told_twice(),
            on("--bootstrap-controller {c} --alter --user {t} --add-config SCRAM-SHA-256=[password=x]").told_twice(),
            on("--bootstrap-controller {b} --describe --broker 1").told_twice(),
            on("--bootstrap-server {c} --describe --broker 1").told_twice(),
            on("--bootstrap-controller localhost:1 --describe --broker 1 --command-config {f}")
                .with_file("default.api.timeout.ms=300\nrequest.timeout.ms=200\n")
                .told_twice(),
        ],
        188,
    );
}
