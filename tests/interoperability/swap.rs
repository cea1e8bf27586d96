//! The proof that our disks are Kafka's: ours, then Apache Kafka 4.3.1, then ours again on one log
//! directory, with the same settings; each sees all that the others left, and goes on writing.

use std::fs;
use std::path::PathBuf;

use crate::apache::Apache;
use crate::support::{Broker, path_text};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// One log directory, and both brokers' configuration for it.
struct Disk {
    apache: Apache,
    ours: Broker,
    properties: PathBuf,
    bootstrap: String,
}

impl Disk {
    fn new(test: u8) -> Option<Self> {
        let apache = Apache::find()?;
        let host = own_address(test);
        let listeners = format!("PLAINTEXT://{host}:19092,CONTROLLER://{host}:19093");
        let voters = format!("1@{host}:19093");
        let settings = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", voters.as_str()),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", listeners.as_str()),
            ("offsets.topic.replication.factor", "1"),
        ];
        let ours = Broker::stopped(&settings);
        let mut text = format!("log.dirs={}\n", path_text(&ours.data_dir()));
        for (key, value) in settings {
            text.push_str(&format!("{key}={value}\n"));
        }
        let properties = ours.directory().join("server.properties");
        fs::write(&properties, text).expect("the properties can be written");
        Some(Self {
            apache,
            ours,
            properties,
            bootstrap: format!("{host}:19092"),
        })
    }

    fn with_ours(&mut self, work: impl FnOnce(&Self)) {
        self.ours.start_again();
        work(self);
        let stopped = self.ours.stop();
        assert!(stopped.status.success(), "{}", stopped.output);
    }

    fn with_apache(&self, work: impl FnOnce(&Self)) {
        let running = self.apache.start(&self.properties);
        work(self);
        running.stop(&self.ours.data_dir());
    }

    fn run(&self, class: &str, arguments: &[&str]) -> String {
        let mut all = vec!["--bootstrap-server", self.bootstrap.as_str()];
        all.extend(arguments);
        self.apache.run(class, &all).expect_success()
    }

    fn produce(&self, topic: &str, lines: &str) {
        let arguments = [
            "--bootstrap-server",
            &self.bootstrap,
            "--topic",
            topic,
            "--reader-property",
            "parse.key=true",
        ];
        self.apache
            .run_with_input(PRODUCER, &arguments, lines)
            .expect_success();
    }

    fn consume(&self, topic: &str, count: usize) -> String {
        let count = count.to_string();
        self.run(
            CONSUMER,
            &[
                "--topic",
                topic,
                "--partition",
                "0",
                "--offset",
                "earliest",
                "--max-messages",
                &count,
                "--formatter-property",
                "print.key=true",
                "--formatter-property",
                "print.offset=true",
                "--formatter-property",
                "print.timestamp=true",
                "--timeout-ms",
                "20000",
            ],
        )
    }

    /// What a member of `group` reads next.
    fn consume_as(&self, group: &str, count: usize) -> String {
        let count = count.to_string();
        self.run(
            CONSUMER,
            &[
                "--topic",
                "read",
                "--group",
                group,
                "--from-beginning",
                "--max-messages",
                &count,
                "--timeout-ms",
                "40000",
            ],
        )
    }

    /// Where `group` stands, as the tool prints it.
    fn offsets_of(&self, group: &str) -> String {
        self.run(GROUPS, &["--describe", "--offsets", "--group", group])
    }

    fn cluster_id(&self) -> String {
        let arguments = ["cluster-id", "--bootstrap-server", &self.bootstrap];
        self.apache
            .run("org.apache.kafka.tools.ClusterTool", &arguments)
            .expect_success()
    }

    /// What must be the same before and after a swap: id, topics with ids and configs, messages.
    fn observe(&self, counts: &[(&str, usize)]) -> String {
        let mut seen = self.cluster_id();
        seen.push_str(&self.run(TOPICS, &["--describe"]));
        for (topic, count) in counts {
            seen.push_str(&self.consume(topic, *count));
        }
        seen
    }
}

/// An address of 127/8 that no other test uses (`test` differs within this process), so that ports
/// can be fixed.
fn own_address(test: u8) -> String {
    let pid = std::process::id();
    format!("127.{test}.{}.{}", (pid >> 8) & 0xff, pid & 0xff)
}
#[test]
fn apache_kafka_takes_over_our_disks_and_gives_them_back() {
    let Some(mut disk) = Disk::new(11) else {
        return;
    };
    let mut left_by_ours = String::new();
    let mut left_by_apache = String::new();

    disk.with_ours(|disk| {
        disk.run(
            TOPICS,
            &[
                "--create",
                "--topic",
                "kept",
                "--config",
                "segment.bytes=1048576",
            ],
        );
        disk.run(TOPICS, &["--create", "--topic", "deleted"]);
        disk.run(TOPICS, &["--delete", "--topic", "deleted"]);
        disk.produce("kept", "a\tone\nb\ttwo\n");
        left_by_ours = disk.observe(&[("kept", 2)]);
    });
    disk.with_apache(|disk| {
        assert_eq!(disk.observe(&[("kept", 2)]), left_by_ours);
        disk.produce("kept", "c\tthree\n");
        disk.run(
            TOPICS,
            &[
                "--create",
                "--topic",
                "theirs",
                "--config",
                "retention.ms=86400000",
            ],
        );
        disk.produce("theirs", "d\tfour\n");
        left_by_apache = disk.observe(&[("kept", 3), ("theirs", 1)]);
    });
    disk.with_ours(|disk| {
        assert_eq!(disk.observe(&[("kept", 3), ("theirs", 1)]), left_by_apache);
        disk.produce("theirs", "e\tfive\n");
        disk.run(TOPICS, &["--alter", "--topic", "kept", "--partitions", "3"]);
        left_by_ours = disk.observe(&[("kept", 3), ("theirs", 2)]);
    });
    disk.with_apache(|disk| {
        assert_eq!(disk.observe(&[("kept", 3), ("theirs", 2)]), left_by_ours);
    });
}

/// What the compacted topic `table` has: the last values of the keys.
fn last_values(disk: &Disk, end: usize) -> std::collections::BTreeMap<String, String> {
    let mut values = std::collections::BTreeMap::new();
    let bootstrap = &disk.bootstrap;
    let arguments = [
        ["--bootstrap-server", bootstrap.as_str()],
        ["--topic", "table"],
        ["--partition", "0"],
        ["--offset", "earliest"],
        ["--formatter-property", "print.key=true"],
        ["--formatter-property", "print.offset=true"],
        ["--timeout-ms", "5000"],
    ];
    // It ends when no more messages come, and says so by its status.
    let read = disk.apache.run(CONSUMER, &arguments.concat());
    let mut last = 0;
    for line in read
        .output
        .lines()
        .filter(|line| line.starts_with("Offset:"))
    {
        let words: Vec<_> = line.split('\t').collect();
        last = words[0]["Offset:".len()..].parse().expect("an offset");
        values.insert(words[1].to_owned(), words[2].to_owned());
    }
    assert_eq!(last + 1, end, "{}", read.output);
    values
}

/// Waits until the log of `table` is clean beyond `offset`.
fn wait_until_clean(disk: &Disk, offset: u64) {
    let checkpoint = disk.ours.data_dir().join("cleaner-offset-checkpoint");
    let started = std::time::Instant::now();
    let is_clean = || {
        let text = fs::read_to_string(&checkpoint).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("table 0 "));
        line.and_then(|line| line.parse::<u64>().ok())
            .is_some_and(|clean| clean > offset)
    };
    while !is_clean() {
        assert!(started.elapsed().as_secs() < 60, "it does not compact");
    }
}

#[test]
fn each_compacts_what_the_other_wrote_and_compacted() {
    let Some(mut disk) = Disk::new(13) else {
        return;
    };
    let cleaner = [
        ("log.cleaner.backoff.ms", "100"),
        ("log.cleaner.min.cleanable.ratio", "0.01"),
    ];
    let mut text = fs::read_to_string(&disk.properties).expect("it was written");
    for (key, value) in cleaner {
        disk.ours.set(key, value);
        text.push_str(&format!("{key}={value}\n"));
    }
    fs::write(&disk.properties, text).expect("the properties can be written");
    let padding = "x".repeat(1_000);
    let line = |number: usize| format!("key-{}\t{number}-{padding}\n", number % 97);
    let lines = |from: usize| (from..from + 3_000).map(line).collect::<String>();
    let expected = |end: usize| -> std::collections::BTreeMap<String, String> {
        let values = (0..end).map(|number| {
            (
                format!("key-{}", number % 97),
                format!("{number}-{padding}"),
            )
        });
        values.collect()
    };

    disk.with_ours(|disk| {
        let policy = [
            "--config",
            "cleanup.policy=compact",
            "--config",
            "segment.bytes=1048576",
        ];
        let create = ["--create", "--topic", "table"];
        disk.run(TOPICS, &[&create[..], &policy[..]].concat());
        disk.produce("table", &lines(0));
        wait_until_clean(disk, 1_000);
        assert_eq!(last_values(disk, 3_000), expected(3_000));
    });
    disk.with_apache(|disk| {
        assert_eq!(last_values(disk, 3_000), expected(3_000));
        disk.produce("table", &lines(3_000));
        wait_until_clean(disk, 4_000);
        assert_eq!(last_values(disk, 6_000), expected(6_000));
    });
    disk.with_ours(|disk| {
        assert_eq!(last_values(disk, 6_000), expected(6_000));
        disk.produce("table", &lines(6_000));
        wait_until_clean(disk, 7_000);
        assert_eq!(last_values(disk, 9_000), expected(9_000));
    });
}

#[test]
fn we_take_over_what_apache_kafka_formatted_and_filled() {
    let Some(mut disk) = Disk::new(12) else {
        return;
    };
    let mut left_by_apache = String::new();
    disk.apache
        .format(&disk.properties, "JLLkEA6XQ0C3ANB0bHMI-g");

    disk.with_apache(|disk| {
        disk.run(
            TOPICS,
            &["--create", "--topic", "first", "--partitions", "2"],
        );
        disk.produce("first", "a\tone\n");
        left_by_apache = disk.observe(&[("first", 1)]);
    });
    disk.with_ours(|disk| {
        assert_eq!(disk.observe(&[("first", 1)]), left_by_apache);
        disk.produce("first", "b\ttwo\n");
    });
}

#[test]
fn groups_and_their_offsets_survive_the_swap_both_ways() {
    let Some(mut disk) = Disk::new(15) else {
        return;
    };
    let mut left = String::new();

    disk.with_ours(|disk| {
        disk.run(TOPICS, &["--create", "--topic", "read"]);
        disk.produce("read", "a\tone\nb\ttwo\nc\tthree\n");
        assert_eq!(disk.consume_as("readers", 2), "one\ntwo\n");
        left = disk.offsets_of("readers");
    });
    disk.with_apache(|disk| {
        assert_eq!(disk.offsets_of("readers"), left);
        assert_eq!(disk.consume_as("readers", 1), "three\n");
        disk.produce("read", "d\tfour\n");
        assert_eq!(disk.consume_as("theirs", 4), "one\ntwo\nthree\nfour\n");
        left = format!(
            "{}{}",
            disk.offsets_of("readers"),
            disk.offsets_of("theirs")
        );
    });
    disk.with_ours(|disk| {
        let kept = format!(
            "{}{}",
            disk.offsets_of("readers"),
            disk.offsets_of("theirs")
        );
        assert_eq!(kept, left);
        assert_eq!(disk.consume_as("readers", 1), "four\n");
        disk.run(GROUPS, &["--delete", "--group", "theirs"]);
        left = disk.offsets_of("readers");
    });
    disk.with_apache(|disk| {
        assert_eq!(disk.offsets_of("readers"), left);
        assert_eq!(disk.run(GROUPS, &["--list"]).trim(), "readers");
    });
}

#[test]
fn we_take_over_groups_of_a_topic_that_apache_kafka_made() {
    let Some(mut disk) = Disk::new(14) else {
        return;
    };
    disk.apache
        .format(&disk.properties, "JLLkEA6XQ0C3ANB0bHMI-g");

    disk.with_apache(|disk| {
        disk.run(TOPICS, &["--create", "--topic", "read"]);
        disk.produce("read", "a\tone\nb\ttwo\n");
        assert_eq!(disk.consume_as("readers", 1), "one\n");
    });
    disk.with_ours(|disk| {
        assert_eq!(disk.consume_as("readers", 1), "two\n");
    });
    disk.with_apache(|disk| {
        disk.produce("read", "c\tthree\n");
        assert_eq!(disk.consume_as("readers", 1), "three\n");
    });
}
