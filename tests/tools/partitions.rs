//! The tools that change or describe partitions: `kafka-delete-records.sh`, `kafka-leader-election.sh` and
//! `kafka-log-dirs.sh`.

use crate::call::{Call, OFFSETS, PRODUCER, TOPICS, Tool, compare};

const DELETE_RECORDS: Tool = Tool {
    name: "delete-records",
    class: "org.apache.kafka.tools.DeleteRecordsCommand",
};
const ELECTION: Tool = Tool {
    name: "leader-election",
    class: "org.apache.kafka.tools.LeaderElectionCommand",
};
const LOG_DIRS: Tool = Tool {
    name: "log-dirs",
    class: "org.apache.kafka.tools.LogDirsCommand",
};

const fn delete(file: &'static str) -> Call {
    DELETE_RECORDS
        .call("{on} --offset-json-file {f}")
        .with_file(file)
}

#[test]
fn records_are_deleted_as_by_kafkas_tool() {
    let produce = PRODUCER.call("{on} --topic {t}");
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 1"),
            TOPICS.call("{on} --create --topic {t}-more --partitions 2"),
            produce.with_input("1\n2\n3\n4\n"),
            delete(
                r#"{"partitions": [{"topic": "{t}", "partition": 0, "offset": 1}], "version": 1}"#,
            ),
            OFFSETS.call("{on} --topic {t} --time earliest"),
            delete(
                r#"{"partitions": [{"topic": "{t}", "partition": 0, "offset": -1},
                                   {"topic": "{t}-more", "partition": 1, "offset": 77}]}"#,
            )
            .in_any_order(),
            OFFSETS.call("{on} --topic {t} --time earliest"),
            delete(r#"{"partitions": []}"#),
            delete(r#"{"partitions": [{"topic": "{t}", "partition": 0}]}"#).told(),
            delete(r#"{"partitions": [{"topic": 5, "partition": 0, "offset": 1}]}"#).told(),
            delete(r#"{"partitions": [{"topic": "t", "partition": "x", "offset": 1}]}"#).told(),
            delete(r#"{"partitions": [{"topic": "t", "partition": 0, "offset": "x"}]}"#).told(),
            delete(r#"{"partitions": [7]}"#).told(),
            delete(r#"{"partitions": 7}"#).told(),
            delete(r#"{"partitions": [], "version": 2}"#).told(),
            delete(r#"{"version": 1}"#).told(),
            delete("[]").told(),
            delete("no JSON").told(),
            delete(
                r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 1},
                                   {"topic": "t", "partition": 0, "offset": 2}]}"#,
            )
            .told(),
            DELETE_RECORDS
                .call("{on} --offset-json-file /no/such/file")
                .told(),
            DELETE_RECORDS.call("{on}").told(),
            DELETE_RECORDS.call("--offset-json-file x").told(),
        ],
        170,
    );
}

#[test]
fn leaders_are_elected_as_by_kafkas_tool() {
    const fn elect(arguments: &'static str) -> Call {
        ELECTION.call(arguments)
    }
    let of_file =
        |text| elect("{on} --election-type PREFERRED --path-to-json-file {f}").with_file(text);
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 2"),
            elect("{on} --election-type preferred --all-topic-partitions"),
            elect("{on} --election-type Preferred --topic {t} --partition 0"),
            elect("{on} --election-type unclean --topic {t} --partition 1"),
            elect("{on} --election-type preferred --topic {t} --partition 9").told(),
            elect("{on} --election-type unclean --topic missing --partition 0").told(),
            of_file(r#"{"partitions": [{"topic": "{t}", "partition": 1}]}"#),
            // Kafka's tool puts the name of a Java class before what is wrong.
            of_file(r#"{"partitions": [{"topic": "{t}"}]}"#),
            of_file(
                r#"{"partitions": [{"topic": "t", "partition": 1}, {"topic": "t", "partition": 1}]}"#,
            )
            .told(),
            of_file("{}").told(),
            of_file("no JSON").told(),
            elect("{on} --election-type mine --all-topic-partitions").told(),
            elect("{on} --election-type preferred").told(),
            elect("{on} --election-type preferred --topic {t}").told(),
            elect("{on} --election-type preferred --topic {t} --partition x").told(),
            elect("{on} --election-type preferred --all-topic-partitions --partition 1").told(),
            elect("{on} --election-type preferred --all-topic-partitions --topic {t}").told(),
            elect("{on} --all-topic-partitions").told(),
            elect("--all-topic-partitions").told(),
            elect("{on} --election-type preferred --topic {t} --admin.config a --command-config b")
                .told(),
            elect("{on} --election-type preferred --topic {t} --partition 0 --admin.config {f}"),
        ],
        172,
    );
}

#[test]
fn log_directories_are_told_as_by_kafkas_tool() {
    const fn on(arguments: &'static str) -> Call {
        LOG_DIRS.call(arguments)
    }
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 1"),
            PRODUCER.call("{on} --topic {t}").with_input("a\nb\n"),
            on("{on} --describe --topic-list {t}"),
            on("{on} --describe --topic-list {t},other --broker-list 1"),
            on("{on} --describe --topic-list nobody-has-this"),
            on("{on} --describe --broker-list 9").told(),
            on("{on} --describe --broker-list x").told(),
            on("{on}").told(),
            on("--describe").told(),
        ],
        174,
    );
}
