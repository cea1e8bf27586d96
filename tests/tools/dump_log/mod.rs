//! `kafka-dump-log.sh`: of the same files, those of our broker, those of Apache's, and damaged ones, it tells what
//! Kafka's tool tells.

mod damage;
mod data;

use std::path::{Path, PathBuf};

use crate::call::{Call, Outcome, Tool};
use crate::java::Java;
use crate::nodes::Maker;
use crate::ours;
use crate::support::path_text;

const DUMP: Tool = Tool {
    name: "dump-log",
    class: "org.apache.kafka.tools.DumpLogSegments",
};

/// Calls both tools on the same files, and holds what they tell against each other.
struct Pair {
    java: Java,
    compared: usize,
    differences: Vec<String>,
}

impl Pair {
    fn start() -> Option<Self> {
        Some(Self {
            java: Java::start()?,
            compared: 0,
            differences: Vec::new(),
        })
    }

    /// Makes a call; `{f}` stands for the path of the file.
    fn call(&mut self, flags: &'static str, file: &Path) -> Outcome {
        let call = DUMP.call(flags);
        let filled = flags.replace("{f}", path_text(file));
        let arguments: Vec<String> = filled.split_whitespace().map(str::to_owned).collect();
        // Kafka's tool cuts off what lies behind the last whole entry of an index.
        let own = ours::call(&call, &arguments);
        let theirs = self.java.call(&call, &arguments);
        self.compared += 1;
        if shown(&theirs) != shown(&own) {
            self.differences.push(format!(
                "{}\n--- Kafka's\n{}\n--- ours\n{}",
                arguments.join(" "),
                difference(&shown(&theirs), &shown(&own)),
                difference(&shown(&own), &shown(&theirs)) + &own.errors,
            ));
        }
        own
    }

    /// Looks at each file that ends so in a directory.
    fn all(&mut self, directory: &Path, suffix: &str, flags: &[&'static str]) -> usize {
        let found = files(directory, suffix);
        for file in &found {
            for flags in flags {
                self.call(flags, file);
            }
        }
        found.len()
    }

    fn check(self) {
        let count = self.differences.len();
        let first = &self.differences[..count.min(5)];
        let all = self.compared;
        assert!(
            first.is_empty(),
            "{count} of {all} differ\n{}",
            first.join("\n\n")
        );
    }
}

/// The files in a directory whose names end so, in order.
fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("it is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path_text(path).ends_with(suffix))
        .collect();
    found.sort();
    found
}

/// What is compared. Of a call that fails Kafka's tool tells what Java throws, and of a record that can't be read
/// why, in the words of its readers of messages.
fn shown(outcome: &Outcome) -> String {
    let Outcome {
        code,
        output,
        errors,
    } = outcome;
    let before_reason = |line: &str| {
        let reasons = ["'s buffer due to: ", "newLimit > ", "malformed wrapper"];
        let ends = reasons.iter().filter_map(|reason| line.find(reason));
        line[..ends.min().unwrap_or(line.len())].to_owned() + "\n"
    };
    let output: String = output.lines().map(before_reason).collect();
    match code {
        0 => format!("exit code 0\n{output}--- errors\n{errors}"),
        code => format!("exit code {code}\n{output}"),
    }
}

/// The lines from the first one that another text does not have there.
fn difference(text: &str, other: &str) -> String {
    let lines = text.lines().zip(other.lines());
    let same = lines.take_while(|(one, other)| one == other).count();
    let lines = text.lines().skip(same).take(4);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

const LOG_FLAGS: [&str; 6] = [
    "--files {f}",
    "--files {f} --deep-iteration",
    "--files {f} --print-data-log",
    "--files {f} --print-data-log --skip-record-metadata",
    "--files {f} --deep-iteration --max-bytes 500",
    "--files {f} --value-decoder-class --key-decoder-class org.apache.kafka.tools.api.IntegerDecoder",
];
const INDEX_FLAGS: [&str; 4] = [
    "--files {f}",
    "--files {f} --verify-index-only",
    "--files {f} --index-sanity-check",
    "--files {f} --max-message-size 300",
];

/// Looks at all that a broker has left.
fn compare_files_of(maker: Maker, test: u8) {
    let Some(left) = data::of(maker, test) else {
        return;
    };
    let Some(mut pair) = Pair::start() else {
        return;
    };
    let mut seen = Vec::new();
    for folder in left.folders() {
        let decoder: &[&str] = match left.kind(&folder) {
            "__cluster_metadata" => &[
                "--files {f} --cluster-metadata-decoder",
                "--files {f} --cluster-metadata-decoder --skip-record-metadata",
            ],
            "__consumer_offsets" => &["--files {f} --offsets-decoder"],
            "__transaction_state" => &["--files {f} --transaction-log-decoder"],
            "__share_group_state" => &["--files {f} --share-group-state-decoder"],
            _ => &[],
        };
        for suffix in [".log", ".checkpoint"] {
            seen.push((suffix, pair.all(&folder, suffix, &LOG_FLAGS)));
            pair.all(&folder, suffix, decoder);
        }
        for suffix in [".index", ".timeindex"] {
            seen.push((suffix, pair.all(&folder, suffix, &INDEX_FLAGS)));
        }
        for suffix in [".snapshot", ".txnindex"] {
            seen.push((suffix, pair.all(&folder, suffix, &["--files {f}"])));
        }
    }
    let count = |suffix| {
        let found = seen.iter().filter(|(found, _)| *found == suffix);
        found.map(|(_, count)| count).sum::<usize>()
    };
    for suffix in [".log", ".checkpoint", ".index", ".timeindex", ".snapshot"] {
        assert!(count(suffix) > 0, "there is no {suffix}");
    }
    assert_eq!(count(".txnindex") > 0, maker == Maker::Apache);
    pair.check();
}

#[test]
fn the_files_of_our_broker_are_told_as_by_kafkas_tool() {
    compare_files_of(Maker::Ours, 100);
}

#[test]
fn the_files_of_apaches_broker_are_told_as_by_kafkas_tool() {
    compare_files_of(Maker::Apache, 101);
}

#[test]
fn damaged_files_are_told_as_by_kafkas_tool() {
    let Some(left) = data::of(Maker::Apache, 102) else {
        return;
    };
    let Some(mut pair) = Pair::start() else {
        return;
    };
    for folder in left.folders() {
        let is_data = left.kind(&folder) == "t";
        let rounds = if is_data { 150 } else { 30 };
        damage::compare(&mut pair, &folder, rounds);
    }
    assert!(pair.compared > 300, "{} calls", pair.compared);
    pair.check();
}

#[test]
fn bad_calls_fail_as_with_kafkas_tool() {
    let Some(mut pair) = Pair::start() else {
        return;
    };
    let place = tempfile::tempdir().expect("a directory");
    let file = |name: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, b"not what it should be").expect("a file");
        path
    };
    let paths: Vec<PathBuf> = [
        "no-suffix",
        "some.txt",
        "letters.log",
        "00000000000000000000.log",
        "00000000000000000000.snapshot",
        "00000000000000000000.txnindex",
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        "00000000000000000000-0000000001.checkpoint",
        "other.checkpoint",
        "bootstrap.checkpoint",
    ]
    .map(file)
    .into();
    for path in &paths {
        for flags in [
            "--files {f}",
            "--files {f},{f}, --print-data-log",
            "--files {f} --index-sanity-check",
            "--files {f} --verify-index-only",
            "--files /no/such/{f}",
            "--files {f} --value-decoder-class no.such.Decoder",
            "--files {f} --cluster-metadata-decoder --max-bytes -3",
        ] {
            pair.call(flags, path);
        }
    }
    for flags in [
        "--print-data-log",
        "--files",
        "--files {f} --no-such-option",
    ] {
        let call = DUMP.call(flags).told();
        let arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let (theirs, own) = (
            pair.java.call(&call, &arguments),
            ours::call(&call, &arguments),
        );
        assert_eq!(
            (theirs.code, theirs.output),
            (own.code, own.output),
            "{flags}"
        );
        if flags == "--print-data-log" {
            assert_eq!(theirs.errors.lines().next(), own.errors.lines().next());
        }
    }
    pair.check();
}
