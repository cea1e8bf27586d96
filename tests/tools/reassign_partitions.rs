//! `kafka-reassign-partitions.sh`: on one node what it refuses, on three moves that end, are throttled, cancelled
//! or changed, and on nodes with several log directories moves between these.

use std::sync::LazyLock;

use crate::call::{Call, PRODUCER, TOPICS, Tool, compare, compare_in_turn};
use crate::nodes::{Maker, Nodes};
use crate::support::path_text;

const REASSIGN: Tool = Tool {
    name: "reassign-partitions",
    class: "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
};
const CONFIGS: Tool = Tool {
    name: "configs",
    class: "kafka.admin.ConfigCommand",
};

const fn on(arguments: &'static str) -> Call {
    REASSIGN.call(arguments)
}

const fn execute(file: &'static str) -> Call {
    on("{on} --execute --reassignment-json-file {f}").with_file(file)
}

const fn verify(file: &'static str) -> Call {
    on("{on} --verify --reassignment-json-file {f}").with_file(file)
}

const fn cancel(file: &'static str) -> Call {
    on("{on} --cancel --reassignment-json-file {f}").with_file(file)
}

const fn generate(file: &'static str) -> Call {
    on("{on} --generate --broker-list 1 --topics-to-move-json-file {f}").with_file(file)
}

/// What Kafka's tool tells of the configs of broker 1 and of the topic.
fn throttles() -> [Call; 3] {
    [
        CONFIGS.call("{on} --describe --entity-type brokers --entity-name 1"),
        CONFIGS.call("{on} --describe --entity-type brokers --entity-name 3"),
        CONFIGS.call("{on} --describe --entity-type topics --entity-name {t}"),
    ]
    .map(|call| call.in_any_order().by_kafkas())
}

/// The JSON of partition 0 with these replicas, and more.
macro_rules! partition_0 {
    ($rest:literal) => {
        concat!(
            r#"{"version":1,"partitions":[{"topic":"{t}","partition":0,"#,
            $rest,
            "}]}"
        )
    };
}

#[test]
fn options_that_do_not_go_together_are_refused_as_by_kafkas_tool() {
    compare(
        &[
            on("{on}").told(),
            on("{on} --list --verify --reassignment-json-file x").told(),
            on("{on} --execute --generate").told(),
            on("--list").told(),
            on("--execute --reassignment-json-file x").told(),
            on("--list --bootstrap-server {b} --bootstrap-controller {c}").told(),
            on("{on} --execute").told(),
            on("{on} --verify").told(),
            on("{on} --cancel --preserve-throttles").told(),
            on("{on} --generate").told(),
            on("{on} --generate --topics-to-move-json-file x").told(),
            on("{on} --generate --broker-list 1").told(),
            on("{on} --execute --reassignment-json-file x --topics-to-move-json-file y").told(),
            on("{on} --execute --reassignment-json-file x --broker-list 1").told(),
            on("{on} --execute --reassignment-json-file x --preserve-throttles").told(),
            on("{on} --generate --broker-list 1 --topics-to-move-json-file y --throttle 1").told(),
            on("{on} --generate --broker-list 1 --topics-to-move-json-file y --additional").told(),
            on("{on} --verify --reassignment-json-file x --throttle 1 --broker-list 1").told(),
            on("{on} --broker-list 1 --verify --reassignment-json-file x --throttle 1").told(),
            on("{on} --verify --reassignment-json-file x --timeout 1").told(),
            on("{on} --cancel --reassignment-json-file x --additional").told(),
            on("{on} --cancel --reassignment-json-file x --disallow-replication-factor-change")
                .told(),
            on("{on} --list --reassignment-json-file x").told(),
            on("{on} --list --replica-alter-log-dirs-throttle 1").told(),
            on("{on} --list --disable-rack-aware").told(),
            on("--bootstrap-controller {c} --verify --reassignment-json-file x").told(),
            on("--bootstrap-controller {c} --execute --reassignment-json-file x").told(),
            on(
                "--bootstrap-controller {c} --generate --broker-list 1 --topics-to-move-json-file x",
            )
            .told(),
            on("{on} --list --no-such-option"),
            on("{on} --list --zookeeper x"),
            on("{on} --list --command-config /no/such/file"),
            on("--list --bootstrap-server no-port"),
            on("{on} --execute --reassignment-json-file /no/such/file"),
            on("{on} --execute --reassignment-json-file {f} --throttle x").with_file("{}"),
            on("{on} --execute --reassignment-json-file {f} --replica-alter-log-dirs-throttle 1.5"),
            on("{on} --cancel --reassignment-json-file {f} --timeout soon").with_file("{}"),
        ],
        220,
    );
}

/// Of three partitions two are not there.
const THREE_OF_TWO: &str = r#"{"partitions": [{"topic": "{t}", "partition": 1, "replicas": [1]},
                                              {"topic": "{t}", "partition": 7, "replicas": [1]},
                                              {"topic": "{t}-more", "partition": 8, "replicas": [1]}]}"#;

#[test]
fn files_that_say_nothing_good_are_refused_as_by_kafkas_tool() {
    let mut calls = vec![
        TOPICS.call("{on} --create --topic {t} --partitions 2"),
        TOPICS.call("{on} --create --topic {t}-more --partitions 1"),
    ];
    for call in [execute, verify, cancel] {
        calls.extend([
            call("[]"),
            call(" "),
            call("{}"),
            call(r#"{"version": 2}"#),
            call(r#"{"version": "1"}"#),
            call(r#"{"partitions": 7}"#),
            call(r#"{"partitions": [7]}"#),
            call(r#"{"partitions": []} and more"#),
            call(r#"{"partitions": [{"topic": "{t}"}]}"#),
            call(r#"{"partitions": [{"topic": 5, "partition": 0, "replicas": [1]}]}"#),
            call(partition_0!(r#""replicas": "1""#)),
            call(partition_0!(r#""replicas": ["1"]"#)),
            call(partition_0!(r#""replicas": [1.5]"#)),
            call(partition_0!(r#""replicas": [1], "log_dirs": [1]"#)),
            call(partition_0!(r#""replicas": [1], "log_dirs": ["a", "b"]"#)),
            call(r#"{"partitions": [{"topic": "missing", "partition": 0, "replicas": [1]}]}"#),
            call(r#"{"partitions": [{"topic": "", "partition": 0, "replicas": [1]}]}"#),
            call(r#"{"partitions": [{"topic": "not/good", "partition": 0, "replicas": [1]}]}"#),
            call(r#"{"partitions": [{"topic": "{t}", "partition": 2, "replicas": [1]}]}"#),
            call(r#"{"partitions": [{"topic": "{t}", "partition": 9, "replicas": [1]}]}"#),
            call(r#"{"partitions": [{"topic": "{t}", "partition": -1, "replicas": [1]}]}"#),
        ]);
    }
    calls.extend([
        // The words are those of the parser.
        execute("no JSON").with_foreign_words(),
        verify(r#"{"partitions": "#).with_foreign_words(),
        cancel("").with_foreign_words(),
        execute(""),
        verify(""),
        execute(partition_0!(r#""replicas": []"#)),
        execute(partition_0!(r#""replicas": [1, 1]"#)),
        execute(partition_0!(r#""replicas": [1, 9, 8, 33, 1, 9, 33]"#)),
        execute(partition_0!(r#""replicas": [33, 9, 1]"#)),
        execute(partition_0!(
            r#""replicas": [1], "log_dirs": ["/no/such/directory"]"#
        )),
        execute(
            r#"{"partitions": [{"topic": "b", "partition": 1, "replicas": [1]},
                               {"topic": "a", "partition": 0, "replicas": [1]},
                               {"topic": "b", "partition": 1, "replicas": [1]},
                               {"topic": "c", "partition": 15, "replicas": [1]},
                               {"topic": "c", "partition": 15, "replicas": [1]},
                               {"topic": "a", "partition": 0, "replicas": [1]}]}"#,
        ),
        verify(THREE_OF_TWO),
        cancel(THREE_OF_TWO),
        verify(partition_0!(r#""replicas": [1]"#)),
        verify(partition_0!(r#""replicas": []"#)),
        on("{on} --verify --preserve-throttles --reassignment-json-file {f}")
            .with_file(partition_0!(r#""replicas": [7, 1]"#)),
        on("{on} --verify --reassignment-json-file {f} --command-config {soon}")
            .with_file(partition_0!(r#""replicas": [7, 1]"#)),
        on("{on} --verify --reassignment-json-file {f} --command-config {soon}")
            .with_file(partition_0!(r#""replicas": [7], "log_dirs": ["/data"]"#)),
        verify(
            r#"{"partitions": [{"topic": "{t}-more", "partition": 0, "replicas": [1]},
                               {"topic": "{t}", "partition": 1, "replicas": [1]},
                               {"topic": "{t}", "partition": 0, "replicas": [1]},
                               {"topic": "{t}", "partition": 0, "replicas": []}]}"#,
        ),
        execute(partition_0!(r#""replicas": [1]"#)),
        on("{on} --list"),
    ]);
    compare(&calls, 222);
}

#[test]
fn proposals_for_one_broker_are_those_of_kafkas_tool() {
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 3"),
            TOPICS.call("{on} --create --topic {t}-more --partitions 1"),
            generate(r#"{"topics": [{"topic": "{t}"}], "version": 1}"#),
            generate(r#"{"topics": [{"topic": "{t}-more"}, {"topic": "{t}"}]}"#),
            generate(r#"{"topics": []}"#),
            generate("{}"),
            generate("[]"),
            generate(""),
            generate(" "),
            generate("no JSON"),
            generate(r#"{"topics": {}}"#),
            generate(r#"{"topics": ["{t}"]}"#),
            generate(r#"{"topics": [{"topic": 1}]}"#),
            generate(r#"{"topics": [{}]}"#),
            generate(r#"{"topics": [], "version": 3}"#),
            generate(r#"{"topics": [{"topic": "{t}"}, {"topic": "missing"}]}"#),
            generate(r#"{"topics": [{"topic": "a/b"}]}"#),
            generate(r#"{"topics": [{"topic": ""}]}"#),
            generate(
                r#"{"topics": [{"topic": "b"}, {"topic": "a"}, {"topic": "b"}, {"topic": "a"}]}"#,
            ),
            on("{on} --generate --broker-list 7,8 --topics-to-move-json-file {f}")
                .with_file(r#"{"topics": [{"topic": "{t}"}]}"#),
            on("{on} --generate --broker-list 7,1,, --topics-to-move-json-file {f}")
                .with_file(r#"{"topics": [{"topic": "{t}"}]}"#),
            on("{on} --generate --broker-list , --topics-to-move-json-file {f}")
                .with_file(r#"{"topics": [{"topic": "{t}"}]}"#),
            on("{on} --generate --broker-list 1,x --topics-to-move-json-file {f}"),
            on("{on} --generate --broker-list 33,2,1,33,2,1 --topics-to-move-json-file {f}"),
            on("{on} --generate --broker-list -1 --topics-to-move-json-file {f}")
                .with_file(r#"{"topics": [{"topic": "{t}"}]}"#),
            on(
                "{on} --generate --broker-list 1 --disable-rack-aware --topics-to-move-json-file /no/such/file",
            ),
        ],
        224,
    );
}

/// 3 MB in lines of 10 kB.
fn three_megabytes() -> &'static str {
    static LINES: LazyLock<String> = LazyLock::new(|| {
        let line = "x".repeat(10_000) + "\n";
        line.repeat(300)
    });
    &LINES
}

/// So little is fetched at once that what is throttled takes minutes.
const SMALL_FETCHES: (&str, &str) = ("replica.fetch.max.bytes", "65536");

fn three(maker: Maker, test: u8) -> Option<Nodes> {
    Nodes::combined(test, &[maker; 3], &[SMALL_FETCHES])
}

#[test]
fn partitions_move_to_other_brokers_as_with_kafkas_tool() {
    let all = r#"{"partitions": [{"topic": "{t}", "partition": 0, "replicas": [2, 3]},
                                 {"topic": "{t}", "partition": 1, "replicas": [3, 1]},
                                 {"topic": "{t}-more", "partition": 0, "replicas": [1, 2, 3]}]}"#;
    let back = r#"{"partitions": [{"topic": "{t}", "partition": 1, "replicas": [2, 1]},
                                  {"topic": "{t}-more", "partition": 0, "replicas": [2]}]}"#;
    compare_in_turn(
        &[
            TOPICS.call("{on} --create --topic {t} --replica-assignment 1:2,2:1"),
            TOPICS.call("{on} --create --topic {t}-more --replica-assignment 3"),
            PRODUCER
                .call("{on} --topic {t}")
                .with_input(three_megabytes()),
            PRODUCER.call("{on} --topic {t}-more").with_input("a\nb\n"),
            on("{on} --list"),
            verify(all),
            execute(all),
            verify(all).until(
                "Reassignment of partition {t}-0 is completed.\n\
                 Reassignment of partition {t}-1 is completed.\n\
                 Reassignment of partition {t}-more-0 is completed.\n\nClearing",
            ),
            on("{on} --generate --broker-list 1,3,2 --topics-to-move-json-file {f}")
                .with_file(r#"{"topics": [{"topic": "{t}-more"}]}"#)
                .with_proposal(),
            on("{on} --execute --throttle 100000000 --reassignment-json-file {f}").with_file(back),
            verify(back).until(
                "Reassignment of partition {t}-1 is completed.\n\
                 Reassignment of partition {t}-more-0 is completed.\n\nClearing",
            ),
            verify(all),
            on("{on} --execute --disallow-replication-factor-change --reassignment-json-file {f}")
                .with_file(all),
            on("{on} --list"),
        ],
        226,
        three,
    );
}

#[test]
fn moves_are_throttled_changed_and_cancelled_as_with_kafkas_tool() {
    let first = partition_0!(r#""replicas": [1, 3]"#);
    let second = r#"{"partitions": [{"topic": "{t}", "partition": 1, "replicas": [3]}]}"#;
    let both = r#"{"partitions": [{"topic": "{t}", "partition": 0, "replicas": [1, 3]},
                                  {"topic": "{t}", "partition": 1, "replicas": [3]}]}"#;
    let with_second =
        |arguments: &'static str| -> Call { REASSIGN.call(arguments).with_file(second) };
    let mut calls = vec![
        TOPICS.call("{on} --create --topic {t} --replica-assignment 1:2,2:1"),
        PRODUCER
            .call("{on} --topic {t} --reader-property parse.key=true --reader-property key.separator=:")
            .with_input(keyed()),
        on("{on} --execute --throttle 1 --reassignment-json-file {f}").with_file(first),
        on("{on} --list"),
        verify(first),
        verify(both),
    ];
    calls.extend(throttles());
    calls.extend([
        execute(second),
        with_second(
            "{on} --execute --additional --throttle 2 --replica-alter-log-dirs-throttle 3 \
             --reassignment-json-file {f}",
        ),
        on("{on} --list"),
    ]);
    calls.extend(throttles());
    calls.extend([
        // The same again changes the rate alone.
        with_second("{on} --execute --additional --throttle 5 --reassignment-json-file {f}"),
        // Elsewhere.
        on("{on} --execute --additional --disallow-replication-factor-change --reassignment-json-file {f}")
            .with_file(partition_0!(r#""replicas": [3, 2]"#)),
        on("{on} --execute --additional --disallow-replication-factor-change --reassignment-json-file {f}")
            .with_file(partition_0!(r#""replicas": [3]"#)),
        on("{on} --list"),
        with_second("{on} --cancel --preserve-throttles --reassignment-json-file {f}"),
        on("{on} --list"),
    ]);
    calls.extend(throttles());
    calls.extend([cancel(both), on("{on} --list")]);
    calls.extend(throttles());
    calls.extend([
        cancel(both),
        verify(both),
        with_second("{on} --cancel --preserve-throttles --reassignment-json-file {f}"),
    ]);
    compare_in_turn(&calls, 228, three);
}

/// 3 MB in records with two keys, which go to different partitions of two.
fn keyed() -> &'static str {
    static LINES: LazyLock<String> = LazyLock::new(|| {
        let value = "x".repeat(10_000);
        (0..300)
            .map(|number| format!("{number}:{value}\n"))
            .collect()
    });
    &LINES
}

/// Nodes with two log directories each.
struct WithDirectories(tempfile::TempDir);

impl WithDirectories {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn nodes(&self, maker: Maker, test: u8) -> Option<Nodes> {
        let place = self.0.path().join(test.to_string());
        let place = path_text(&place);
        let both = format!("{place}/{{id}}/a,{place}/{{id}}/b");
        Nodes::combined(test, &[maker; 2], &[SMALL_FETCHES, ("log.dirs", &both)])
    }
}

#[test]
fn replicas_move_between_directories_as_with_kafkas_tool() {
    let first = partition_0!(r#""replicas": [1], "log_dirs": ["{d1a}"]"#);
    let second = partition_0!(r#""replicas": [1], "log_dirs": ["{d1b}"]"#);
    let elsewhere = partition_0!(r#""replicas": [2], "log_dirs": ["{d2b}"]"#);
    let with_second = |arguments: &'static str| REASSIGN.call(arguments).with_file(second);
    let broker = CONFIGS.call("{on} --describe --entity-type brokers --entity-name 1");
    let broker = broker.in_any_order().by_kafkas();
    let place = WithDirectories::new();
    compare_in_turn(
        &[
            TOPICS.call("{on} --create --topic {t} --replica-assignment 1"),
            PRODUCER
                .call("{on} --topic {t}")
                .with_input(three_megabytes()),
            execute(first),
            verify(first).until("completed successfully"),
            verify(second),
            cancel(second),
            with_second(
                "{on} --execute --replica-alter-log-dirs-throttle 1 --reassignment-json-file {f}",
            ),
            broker,
            verify(second),
            verify(first),
            on("{on} --list"),
            with_second("{on} --cancel --preserve-throttles --reassignment-json-file {f}"),
            broker,
            verify(second).until("is not being moved"),
            broker,
            execute(second),
            verify(second).until("completed successfully"),
            // Its move between directories begins when the replica is there.
            execute(elsewhere),
            verify(elsewhere).until(
                "Reassignment of partition {t}-0 is completed.\n\
                 Reassignment of replica {t}-0-2 completed successfully.\n",
            ),
            on("{on} --execute --reassignment-json-file {f}").with_file(partition_0!(
                r#""replicas": [2], "log_dirs": ["/no/such/directory"]"#
            )),
        ],
        230,
        |maker, test| place.nodes(maker, test),
    );
}

#[test]
fn proposals_look_at_racks_as_those_of_kafkas_tool() {
    fn nodes(maker: Maker, test: u8) -> Option<Nodes> {
        let mut nodes = Nodes::combined(test, &[maker; 3], &[("broker.rack", "{id}")])?;
        nodes.unset(3, "broker.rack");
        Some(nodes)
    }
    let topic = r#"{"topics": [{"topic": "{t}"}]}"#;
    compare_in_turn(
        &[
            TOPICS.call("{on} --create --topic {t} --replica-assignment 1:3,3:2,2:1"),
            on("{on} --generate --broker-list 1,2,3 --topics-to-move-json-file {f}")
                .with_file(topic),
            on("{on} --generate --broker-list 1,2 --topics-to-move-json-file {f}")
                .with_file(topic)
                .with_proposal(),
            on("{on} --generate --broker-list 1,3 --disable-rack-aware --topics-to-move-json-file {f}")
                .with_file(topic)
                .with_proposal(),
            on("{on} --generate --broker-list 3 --topics-to-move-json-file {f}").with_file(topic),
        ],
        232,
        nodes,
    );
}
