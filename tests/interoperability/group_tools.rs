//! Apache Kafka's own tools for consumer groups, and what they print.

use std::fs;

use crate::apache::Apache;
use crate::support::{Broker, path_text};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const DUMP_LOG: &str = "org.apache.kafka.tools.DumpLogSegments";

/// A broker with a topic `walk` of two partitions.
struct Walk {
    apache: Apache,
    broker: Broker,
}

impl Walk {
    fn start() -> Option<Self> {
        let walk = Self {
            apache: Apache::find()?,
            broker: Broker::start_with(&[("group.initial.rebalance.delay.ms", "0")]),
        };
        walk.run(
            TOPICS,
            &["--create", "--topic", "walk", "--partitions", "2"],
        );
        Some(walk)
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["--bootstrap-server", self.broker.bootstrap()], arguments].concat()
    }

    fn run(&self, class: &str, arguments: &[&str]) -> String {
        self.apache
            .run(class, &self.arguments(arguments))
            .expect_success()
    }

    /// What the tool says, also where it fails.
    fn tell(&self, class: &str, arguments: &[&str]) -> String {
        let ran = self.apache.run(class, &self.arguments(arguments));
        format!("{}{}", ran.output, ran.errors)
    }

    fn produce(&self, lines: &str) {
        let arguments = self.arguments(&["--topic", "walk", "--reader-property", "parse.key=true"]);
        self.apache
            .run_with_input(PRODUCER, &arguments, lines)
            .expect_success();
    }

    /// The lines that a member of `group` reads, sorted.
    fn consume(&self, group: &str, count: usize) -> Vec<String> {
        let count = count.to_string();
        let arguments = [
            "--topic",
            "walk",
            "--group",
            group,
            "--from-beginning",
            "--max-messages",
            &count,
            "--timeout-ms",
            "30000",
        ];
        let output = self.run(CONSUMER, &arguments);
        let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Offset, end and lag of each partition, as `--describe` prints them.
    fn lag(&self, group: &str) -> Vec<[String; 4]> {
        let output = self.run(GROUPS, &["--describe", "--group", group]);
        offsets_of(&output)
    }

    fn reset(&self, group: &str, how: &[&str]) -> Vec<[String; 4]> {
        let to = ["--reset-offsets", "--group", group, "--execute"];
        self.run(GROUPS, &[&to[..], how].concat());
        self.lag(group)
    }
}

/// The columns PARTITION, CURRENT-OFFSET, LOG-END-OFFSET and LAG of a table, by partition.
fn offsets_of(table: &str) -> Vec<[String; 4]> {
    let rows = table.lines().map(|line| line.split_whitespace().collect());
    let rows = rows.filter(|row: &Vec<&str>| row.get(1) == Some(&"walk"));
    let mut rows: Vec<_> = rows
        .map(|row| [2, 3, 4, 5].map(|column| row[column].to_owned()))
        .collect();
    rows.sort();
    rows
}

fn row(partition: u32, current: u32, end: u32, lag: u32) -> [String; 4] {
    [partition, current, end, lag].map(|number| number.to_string())
}

#[test]
fn groups_share_read_resume_and_show_their_lag() {
    let Some(walk) = Walk::start() else { return };
    walk.produce("a\tone\nb\ttwo\nc\tthree\nd\tfour\n");

    let first = walk.consume("readers", 4);
    let other = walk.consume("others", 4);
    let up_to_date = walk.lag("readers");
    walk.produce("a\tfive\n");
    let behind = walk.lag("readers");
    let resumed = walk.consume("readers", 1);

    assert_eq!(first, ["four", "one", "three", "two"]);
    assert_eq!(other, first);
    assert!(up_to_date.iter().all(|row| row[3] == "0"), "{up_to_date:?}");
    let lags: u32 = behind
        .iter()
        .map(|row| row[3].parse::<u32>().unwrap())
        .sum();
    assert_eq!(lags, 1);
    assert_eq!(resumed, ["five"]);
}

#[test]
fn groups_are_listed_described_and_deleted() {
    let Some(walk) = Walk::start() else { return };
    walk.produce("a\tone\nb\ttwo\n");
    walk.consume("readers", 2);
    walk.consume("others", 2);
    let describe = |more: &[&str]| {
        let arguments = ["--describe", "--group", "readers"];
        walk.tell(GROUPS, &[&arguments[..], more].concat())
    };

    let listed = walk.run(GROUPS, &["--list"]);
    let by_state = walk.run(GROUPS, &["--list", "--state", "Empty"]);
    let state = describe(&["--state"]);
    let members = describe(&["--members", "--verbose"]);
    let verbose = describe(&["--verbose"]);
    let deleted_offsets = walk.run(
        GROUPS,
        &["--delete-offsets", "--group", "readers", "--topic", "walk"],
    );
    let without_offsets = describe(&[]);
    let deleted = walk.run(GROUPS, &["--delete", "--group", "others"]);
    let again = walk.tell(GROUPS, &["--delete", "--group", "others"]);
    let listed_after = walk.run(GROUPS, &["--list"]);

    let mut names: Vec<&str> = listed.split_whitespace().collect();
    names.sort_unstable();
    assert_eq!(names, ["others", "readers"]);
    assert!(
        by_state.contains("readers") && by_state.contains("Empty"),
        "{by_state}"
    );
    assert!(state.contains("Empty"), "{state}");
    assert!(members.contains("has no active members"), "{members}");
    assert_eq!(offsets_of(&verbose).len(), 2, "{verbose}");
    assert!(deleted_offsets.contains("Successful"), "{deleted_offsets}");
    assert_eq!(offsets_of(&without_offsets), Vec::<[String; 4]>::new());
    assert!(
        deleted.contains("Deletion of requested consumer groups ('others') was successful."),
        "{deleted}"
    );
    assert!(again.contains("GroupIdNotFoundException"), "{again}");
    assert!(!listed_after.contains("others"), "{listed_after}");
}

#[test]
fn configs_of_groups_are_described_as_apache_describes_them() {
    let Some(walk) = Walk::start() else { return };
    walk.produce("a\tone\n");
    walk.consume("readers", 1);
    let describe = |more: &[&str]| {
        let arguments = ["--describe", "--entity-type", "groups"];
        walk.run(CONFIGS, &[&arguments[..], more].concat())
    };
    let alter = |change: &[&str]| {
        let arguments = ["--alter", "--entity-type", "groups", "--entity-name", "set"];
        walk.run(CONFIGS, &[&arguments[..], change].concat())
    };

    let before = describe(&[]);
    let absent = describe(&["--entity-name", "absent"]);
    alter(&["--add-config", "consumer.session.timeout.ms=50000"]);
    let set = describe(&["--entity-name", "set"]);
    let all = describe(&[]);
    alter(&["--delete-config", "consumer.session.timeout.ms"]);
    let after = describe(&[]);

    // What Apache Kafka 4.3.1 was seen to answer, to the letter.
    assert_eq!(before, "Dynamic configs for group readers are:\n");
    assert_eq!(
        absent,
        "The group 'absent' doesn't exist and doesn't have dynamic config.\n"
    );
    assert_eq!(
        set,
        "Dynamic configs for group set are:\n  \
         consumer.session.timeout.ms=50000 sensitive=false \
         synonyms={DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000, \
         DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000}\n"
    );
    assert!(all.contains(&before) && all.contains(&set), "{all}");
    assert_eq!(after, before);
}

#[test]
fn offsets_are_reset_in_every_way() {
    let Some(walk) = Walk::start() else { return };
    let lines: String = (0..20).map(|n| format!("{n}\tvalue {n}\n")).collect();
    walk.produce(&lines);
    walk.consume("readers", 20);
    let ends: Vec<u32> = walk
        .lag("readers")
        .iter()
        .map(|row| row[2].parse().unwrap())
        .collect();
    let at = |offsets: [u32; 2]| {
        let [first, second] = offsets;
        vec![
            row(0, first, ends[0], ends[0] - first),
            row(1, second, ends[1], ends[1] - second),
        ]
    };
    let topic = ["--topic", "walk"];
    let reset = |how: &[&str]| walk.reset("readers", &[&topic[..], how].concat());

    assert_eq!(ends.iter().sum::<u32>(), 20);
    assert_eq!(reset(&["--to-earliest"]), at([0, 0]));
    assert_eq!(reset(&["--to-latest"]), at([ends[0], ends[1]]));
    assert_eq!(reset(&["--to-offset", "3"]), at([3, 3]));
    assert_eq!(reset(&["--shift-by", "-2"]), at([1, 1]));
    assert_eq!(
        reset(&["--to-datetime", "2001-01-01T00:00:00.000"]),
        at([0, 0])
    );
    assert_eq!(reset(&["--by-duration", "PT0S"]), at([ends[0], ends[1]]));
    assert_eq!(reset(&["--to-current"]), at([ends[0], ends[1]]));
    let file = walk.broker.directory().join("reset.csv");
    fs::write(&file, "walk,0,2\nwalk,1,1\n").expect("it can be written");
    let from_file = walk.reset("readers", &["--from-file", path_text(&file)]);
    assert_eq!(from_file, at([2, 1]));
    let one = walk.reset("readers", &["--topic", "walk:1", "--to-earliest"]);
    assert_eq!(one, at([2, 0]));
    let all = walk.reset("readers", &["--all-topics", "--to-latest"]);
    assert_eq!(all, at([ends[0], ends[1]]));
}

#[test]
fn kafka_dump_log_reads_our_groups_and_offsets() {
    let Some(mut walk) = Walk::start() else {
        return;
    };
    walk.produce("a\tone\nb\ttwo\n");
    walk.consume("readers", 2);
    assert!(walk.broker.stop().status.success());

    let mut dumped = String::new();
    for entry in fs::read_dir(walk.broker.data_dir()).expect("it is there") {
        let folder = entry.expect("it is there").path();
        let log = folder.join("00000000000000000000.log");
        let is_offsets = path_text(&folder).contains("__consumer_offsets-");
        if is_offsets && fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            let arguments = ["--offsets-decoder", "--files", path_text(&log)];
            dumped.push_str(&walk.apache.run(DUMP_LOG, &arguments).expect_success());
        }
    }

    assert!(
        dumped.contains(r#""group":"readers","topic":"walk","partition":0"#),
        "{dumped}"
    );
    assert!(dumped.contains(r#""protocolType":"consumer""#), "{dumped}");
    assert!(!dumped.contains("isvalid: false"), "{dumped}");
}
