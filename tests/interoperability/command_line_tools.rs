//! The walk of a first tutorial with Apache Kafka's own command-line tools, and what they print.

use crate::apache::Apache;
use crate::support::{Broker, path_text};

pub const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
pub const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// Apache's tools, and a broker for them.
pub struct Tools {
    pub apache: Apache,
    pub broker: Broker,
}

impl Tools {
    pub fn start() -> Option<Self> {
        Some(Self {
            apache: Apache::find()?,
            broker: Broker::start(),
        })
    }

    /// The output of a tool that must succeed.
    pub fn run(&self, class: &str, arguments: &[&str]) -> String {
        let mut all = vec!["--bootstrap-server", self.broker.bootstrap()];
        all.extend(arguments);
        self.apache.run(class, &all).expect_success()
    }

    /// All that a tool prints that must fail.
    pub fn fails(&self, class: &str, arguments: &[&str]) -> String {
        let mut all = vec!["--bootstrap-server", self.broker.bootstrap()];
        all.extend(arguments);
        let ran = self.apache.run(class, &all);
        assert!(!ran.success, "it succeeded: {}", ran.output);
        format!("{}{}", ran.output, ran.errors)
    }
}

#[test]
fn kafka_topics_creates_describes_grows_and_deletes() {
    let Some(tools) = Tools::start() else { return };

    let created = tools.run(
        TOPICS,
        &[
            "--create",
            "--topic",
            "walk",
            "--partitions",
            "2",
            "--config",
            "retention.ms=86400000",
        ],
    );
    let again = tools.fails(TOPICS, &["--create", "--topic", "walk"]);
    let described = tools.run(TOPICS, &["--describe", "--topic", "walk"]);
    tools.run(TOPICS, &["--alter", "--topic", "walk", "--partitions", "4"]);
    let fewer = tools.fails(TOPICS, &["--alter", "--topic", "walk", "--partitions", "3"]);
    let grown = tools.run(TOPICS, &["--describe", "--topic", "walk"]);
    let listed = tools.run(TOPICS, &["--list"]);
    tools.run(TOPICS, &["--delete", "--topic", "walk"]);
    let listed_after = tools.run(TOPICS, &["--list"]);

    assert!(created.contains("Created topic walk."), "{created}");
    assert!(again.contains("Topic 'walk' already exists."), "{again}");
    assert!(
        described.contains("PartitionCount: 2\tReplicationFactor: 1"),
        "{described}"
    );
    assert!(described.contains("retention.ms=86400000"), "{described}");
    assert!(
        fewer.contains("The topic walk currently has 4 partition(s); 3 would not be an increase."),
        "{fewer}"
    );
    assert_eq!(grown.matches("Leader: ").count(), 4, "{grown}");
    assert_eq!(listed.trim(), "walk");
    assert_eq!(listed_after.trim(), "");
}

#[test]
fn console_producer_and_consumer_carry_keys_headers_and_every_compression() {
    let Some(tools) = Tools::start() else { return };
    let bootstrap = tools.broker.bootstrap();

    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let arguments = [
            "--bootstrap-server",
            bootstrap,
            "--topic",
            "console",
            "--compression-codec",
            codec,
            "--reader-property",
            "parse.key=true",
            "--reader-property",
            "parse.headers=true",
        ];
        let line = format!("h:1,h:2\tkey\t{codec}\n");
        tools
            .apache
            .run_with_input(PRODUCER, &arguments, &line)
            .expect_success();
    }
    let consumed = tools.run(
        CONSUMER,
        &[
            "--topic",
            "console",
            "--partition",
            "0",
            "--offset",
            "earliest",
            "--max-messages",
            "5",
            "--formatter-property",
            "print.key=true",
            "--formatter-property",
            "print.headers=true",
            "--formatter-property",
            "print.offset=true",
        ],
    );

    let expected = ["none", "gzip", "snappy", "lz4", "zstd"]
        .iter()
        .enumerate()
        .map(|(offset, codec)| format!("Offset:{offset}\th:1,h:2\tkey\t{codec}\n"))
        .collect::<String>();
    assert_eq!(consumed, expected);
}

#[test]
fn kafka_configs_sets_shows_and_deletes_a_topics_settings() {
    let Some(tools) = Tools::start() else { return };
    tools.run(TOPICS, &["--create", "--topic", "configured"]);
    let entity = ["--entity-type", "topics", "--entity-name", "configured"];
    let with = |more: &[&'static str]| [&entity[..], more].concat();

    tools.run(
        CONFIGS,
        &with(&[
            "--alter",
            "--add-config",
            "retention.ms=1000,cleanup.policy=[compact,delete]",
        ]),
    );
    let set = tools.run(CONFIGS, &with(&["--describe"]));
    tools.run(
        CONFIGS,
        &with(&["--alter", "--delete-config", "retention.ms"]),
    );
    let unset = tools.run(CONFIGS, &with(&["--describe"]));
    let refused = tools.fails(
        CONFIGS,
        &with(&["--alter", "--add-config", "retention.ms=soon"]),
    );
    let unknown = tools.fails(CONFIGS, &with(&["--alter", "--add-config", "retention=1"]));

    assert!(
        set.contains(
            "retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000"
        ),
        "{set}"
    );
    assert!(set.contains("cleanup.policy=compact,delete"), "{set}");
    assert!(!unset.contains("retention.ms"), "{unset}");
    assert!(
        refused.contains("Invalid value soon for configuration retention.ms"),
        "{refused}"
    );
    assert!(
        unknown.contains("Unknown topic config name: retention"),
        "{unknown}"
    );
}

#[test]
fn kafka_delete_records_moves_the_beginning_and_tells_what_it_cannot() {
    let Some(tools) = Tools::start() else { return };
    tools.run(TOPICS, &["--create", "--topic", "short"]);
    tools.run(
        TOPICS,
        &[
            "--create",
            "--topic",
            "compacted",
            "--config",
            "cleanup.policy=compact",
        ],
    );
    let to = ["--bootstrap-server", tools.broker.bootstrap()];
    tools
        .apache
        .run_with_input(
            PRODUCER,
            &[&to[..], &["--topic", "short"]].concat(),
            "a\nb\nc\n",
        )
        .expect_success();
    let delete = |topic: &str, offset: i64| {
        let file = tools.broker.directory().join("offsets.json");
        let wanted = format!(
            r#"{{"partitions": [{{"topic": "{topic}", "partition": 0, "offset": {offset}}}], "version": 1}}"#
        );
        std::fs::write(&file, wanted).expect("the file can be written");
        tools.run(
            "org.apache.kafka.tools.DeleteRecordsCommand",
            &["--offset-json-file", path_text(&file)],
        )
    };

    let two = delete("short", 2);
    let beyond = delete("short", 4);
    let compacted = delete("compacted", 0);
    let all = delete("short", -1);
    let offsets = tools.run(
        "org.apache.kafka.tools.GetOffsetShell",
        &["--topic", "short", "--time", "earliest"],
    );

    assert!(two.contains("short-0\tlow_watermark: 2"), "{two}");
    assert!(beyond.contains("OffsetOutOfRangeException"), "{beyond}");
    assert!(
        compacted.contains("PolicyViolationException"),
        "{compacted}"
    );
    assert!(all.contains("short-0\tlow_watermark: 3"), "{all}");
    assert_eq!(offsets, "short:0:3\n");
}

#[test]
fn the_tools_that_only_look_work() {
    let Some(tools) = Tools::start() else { return };
    tools.run(
        TOPICS,
        &["--create", "--topic", "looked-at", "--partitions", "2"],
    );

    let offsets = tools.run(
        "org.apache.kafka.tools.GetOffsetShell",
        &["--topic", "looked-at"],
    );
    let dirs = tools.run(
        "org.apache.kafka.tools.LogDirsCommand",
        &["--describe", "--topic-list", "looked-at"],
    );
    let versions = tools.run("org.apache.kafka.tools.BrokerApiVersionsCommand", &[]);
    let cluster = tools.apache.run(
        "org.apache.kafka.tools.ClusterTool",
        &["cluster-id", "--bootstrap-server", tools.broker.bootstrap()],
    );
    let broker_configs = tools.run(
        CONFIGS,
        &[
            "--entity-type",
            "brokers",
            "--entity-name",
            "1",
            "--describe",
            "--all",
        ],
    );

    assert_eq!(offsets, "looked-at:0:0\nlooked-at:1:0\n");
    assert!(dirs.contains("looked-at-1"), "{dirs}");
    assert!(versions.contains("Produce(0): 0 to 13"), "{versions}");
    assert!(cluster.expect_success().contains("Cluster ID: "));
    assert!(
        broker_configs.contains("log.retention.hours=168"),
        "{broker_configs}"
    );
}

#[test]
fn producer_performance_reaches_the_broker_idempotently() {
    let Some(tools) = Tools::start() else { return };

    let report = tools.apache.run(
        "org.apache.kafka.tools.ProducerPerformance",
        &[
            "--topic",
            "performance",
            "--num-records",
            "20000",
            "--record-size",
            "100",
            "--throughput",
            "-1",
            "--bootstrap-server",
            tools.broker.bootstrap(),
        ],
    );
    let offsets = tools.run(
        "org.apache.kafka.tools.GetOffsetShell",
        &["--topic", "performance"],
    );

    assert!(report.expect_success().contains("20000 records sent"));
    assert_eq!(offsets, "performance:0:20000\n");
}
