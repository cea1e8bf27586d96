//! What a real broker makes of damage to the small files of its log directory, after a stop in order
//! and after a kill: it starts with all messages, or says which file is wrong and what to do.
//!
//! | file                               | damage                              | outcome               |
//! | ---------------------------------- | ----------------------------------- | --------------------- |
//! | `meta.properties`                  | missing, empty, zeros, other node,  | the node refuses      |
//! |                                    | other cluster                       |                       |
//! |                                    | last byte cut, other directory id   | all messages          |
//! | `recovery-point-offset-checkpoint` | an offset behind the log's end      | the partition refuses |
//! |                                    | any other                           | all messages          |
//! | the other three checkpoints        | any                                 | all messages          |
//! | `.kafka_cleanshutdown`             | any                                 | all messages          |
//! | `.last-use`, `.applied-metadata`   | any                                 | all messages          |
//! | a synced segment inside, at the    | emptied, missing with its indexes   | the partition refuses |
//! | beginning                          |                                     |                       |
//! | `bootstrap.checkpoint`             | one flipped bit, zeros              | the node refuses      |
//! |                                    | missing                             | all messages          |

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::producer::BaseRecord;

use crate::client::{consumer, flush, producer, receive, watermarks};
use crate::support::{Broker, path_text};

const TOPIC: &str = "kept";
const COUNT: usize = 30;
const LIMIT: Duration = Duration::from_secs(60);

/// What a broker left that took some segments of messages, and was stopped or killed.
struct Left {
    broker: Broker,
    how: &'static str,
}

fn left_behind() -> [Left; 2] {
    ["stopped", "killed"].map(|how| {
        let mut broker = Broker::start_with(&[("log.segment.bytes", "1048576")]);
        let producer = producer(&broker, &[]);
        let payload = "x".repeat(100_000);
        for number in 0..COUNT {
            let key = number.to_string();
            let record = BaseRecord::to(TOPIC)
                .partition(0)
                .key(&key)
                .payload(&payload);
            producer.send(record).expect("the queue has room");
        }
        flush(&producer);
        // So that the checkpoints of the killed one say something.
        drop(broker.stop());
        if how == "killed" {
            broker.start_again();
            broker.kill();
        }
        Left { broker, how }
    })
}

impl Left {
    /// A broker, not started, with a copy of the directory in which `damage` was done to `file`.
    fn with(&self, file: &str, damage: impl Fn(&Path)) -> Broker {
        let broker = Broker::stopped(&[("log.segment.bytes", "1048576")]);
        let (from, to) = (self.broker.data_dir(), broker.data_dir());
        let copied = Command::new("cp")
            .args(["-a", path_text(&from), path_text(&to)])
            .status();
        assert!(copied.expect("cp starts").success());
        damage(&to.join(file));
        broker
    }

    fn has_all(&self, file: &str, what: &str, damage: impl Fn(&Path)) {
        let mut broker = self.with(file, damage);
        broker.start_again();

        let all = i64::try_from(COUNT).expect("few");
        assert_eq!(
            watermarks(&broker, TOPIC, 0),
            (0, all),
            "{file}, {what}, {}",
            self.how
        );
        let received = receive(&consumer(&broker, TOPIC, 0, Offset::Beginning), COUNT);
        let keys: Vec<_> = received
            .iter()
            .map(|it| it.key.clone().expect("a key"))
            .collect();
        let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
        assert_eq!(keys, expected, "{file}, {what}, {}", self.how);
    }

    fn refuses(&self, file: &str, what: &str, damage: impl Fn(&Path)) {
        let broker = self.with(file, damage);

        let ended = broker.spawn().wait(LIMIT);

        assert!(!ended.status.success(), "{file}, {what}, {}", self.how);
        assert!(ended.output.contains(file), "{what}: {}", ended.output);
    }
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{text:?} has no {from:?}");
    fs::write(path, text.replace(from, to)).expect("it can be written");
}

fn zero(path: &Path) {
    let length = fs::read(path).unwrap_or_default().len();
    fs::write(path, vec![0; length]).expect("it can be written");
}

fn empty(path: &Path) {
    fs::write(path, "").expect("it can be written");
}

fn cut(path: &Path) {
    let mut bytes = fs::read(path).unwrap_or_default();
    bytes.pop();
    fs::write(path, bytes).expect("it can be written");
}

fn remove(path: &Path) {
    // Some are not there after a kill.
    let _ = fs::remove_file(path);
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap_or_default();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn a_damaged_identity_of_a_directory_is_not_that_of_an_empty_one() {
    let file = "meta.properties";
    for left in left_behind() {
        left.refuses(file, "missing", remove);
        left.refuses(file, "empty", empty);
        left.refuses(file, "zeros", zero);
        left.refuses(file, "another node", |path| {
            replace(path, "node.id=1", "node.id=3")
        });
        left.refuses(file, "another cluster", |path| {
            let text = fs::read_to_string(path).expect("it is there");
            let (before, id) = text.split_once("cluster.id=").expect("it says so");
            let first = if id.starts_with('x') { "y" } else { "x" };
            let other = format!("{before}cluster.id={first}{}", &id[1..]);
            fs::write(path, other).expect("it can be written");
        });
        left.refuses(file, "another version", |path| {
            replace(path, "version=1", "version=0")
        });
        left.has_all(file, "cut", cut);
        left.has_all(file, "no directory id", |path| {
            replace(path, "directory.id", "eirectory.id");
        });
    }
}

#[test]
fn what_checkpoints_and_the_mark_of_a_clean_stop_say_is_not_needed_to_read_all() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 5] = [
        ("missing", remove),
        ("empty", empty),
        ("zeros", zero),
        ("cut", cut),
        ("flipped", flip),
    ];
    for left in left_behind() {
        for file in [
            "recovery-point-offset-checkpoint",
            "replication-offset-checkpoint",
            "log-start-offset-checkpoint",
            "cleaner-offset-checkpoint",
        ] {
            for (what, damage) in damages {
                left.has_all(file, what, damage);
            }
        }
        if left.how == "stopped" {
            for (what, damage) in damages {
                left.has_all(".kafka_cleanshutdown", what, damage);
            }
        }
        let file = "replication-offset-checkpoint";
        left.has_all(file, "too high", |path| {
            replace(path, "kept 0 30", "kept 0 70")
        });
        left.has_all(file, "too low", |path| {
            replace(path, "kept 0 30", "kept 0 10")
        });
    }
}

#[test]
fn lost_segments_take_the_partition_offline_and_the_line_says_what_to_do() {
    for left in left_behind() {
        let mut segments: Vec<_> = fs::read_dir(left.broker.data_dir().join("kept-0"))
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").path())
            .filter(|path| path.extension() == Some("log".as_ref()))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        segments.sort();
        for name in [&segments[0], &segments[1]] {
            for is_emptied in [true, false] {
                let mut broker = left.with("kept-0", |folder| {
                    let file = |suffix: &str| folder.join(format!("{name}{suffix}"));
                    if is_emptied {
                        empty(&file(".log"));
                    } else {
                        for suffix in [".log", ".index", ".timeindex", ".snapshot"] {
                            remove(&file(suffix));
                        }
                    }
                });

                broker.start_again();

                let log = broker.log();
                let mut lines = log.lines();
                let line = lines.find(|line| line.contains("cannot open the log"));
                let line =
                    line.unwrap_or_else(|| panic!("{name}, {is_emptied}, {}: {log}", left.how));
                assert!(line.contains(&format!("{name}.log")), "{line}");
                assert!(line.contains("remove .inventory"), "{line}");
            }
        }
    }
}

#[test]
fn what_we_note_beside_kafkas_files_is_not_needed_to_read_all() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 4] = [
        ("missing", remove),
        ("empty", empty),
        ("zeros", zero),
        ("flipped", flip),
    ];
    for left in left_behind() {
        for file in [".last-use", ".applied-metadata", "kept-0/.inventory"] {
            for (what, damage) in damages {
                left.has_all(file, what, damage);
            }
        }
    }
}

#[test]
fn a_recovery_point_behind_the_end_takes_the_partition_offline_and_says_what_to_do() {
    for left in left_behind() {
        let file = "recovery-point-offset-checkpoint";
        let mut broker = left.with(file, |path| replace(path, "kept 0 30", "kept 0 70"));

        broker.start_again();

        let log = broker.log();
        assert!(log.contains("were durable up to 70"), "{log}");
        assert!(log.contains("remove the line of the partition"), "{log}");
        broker.stop();
        replace(&broker.data_dir().join(file), "kept 0 70", "kept 0 30");
        broker.start_again();
        assert_eq!(watermarks(&broker, TOPIC, 0), (0, 30));
    }
}

#[test]
fn damaged_bootstrap_records_are_told_and_missing_ones_not_needed() {
    let file = "bootstrap.checkpoint";
    for left in left_behind() {
        left.refuses(file, "flipped", flip);
        left.refuses(file, "zeros", zero);
        left.has_all(file, "missing", remove);
    }
}
