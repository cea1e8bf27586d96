//! A call of a tool, what came of it, and how two of these are compared.

use std::fs;
use std::path::Path;

use crate::java::Java;
use crate::nodes::{Maker, Nodes};
use crate::ours;
use crate::support::path_text;

/// A tool, by our name and by Kafka's class.
#[derive(Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    pub class: &'static str,
}

pub const TOPICS: Tool = Tool {
    name: "topics",
    class: "org.apache.kafka.tools.TopicCommand",
};

pub const PRODUCER: Tool = Tool {
    name: "console-producer",
    class: "org.apache.kafka.tools.ConsoleProducer",
};

pub const OFFSETS: Tool = Tool {
    name: "get-offsets",
    class: "org.apache.kafka.tools.GetOffsetShell",
};

/// A call. In arguments, which are words with spaces between them, and input `{t}` stands for the name that the
/// tool's topics begin with, in a file, too; in arguments `{on}` for the option that names the broker, `{b}` for
/// its address, and `{f}` for the path of the file.
#[derive(Clone, Copy)]
pub struct Call {
    pub tool: Tool,
    pub arguments: &'static str,
    pub input: &'static str,
    pub file: &'static str,
    /// Which line of what is printed to standard error is Kafka's, too.
    pub error_line: Option<usize>,
    /// Whether Kafka's tool prints its lines in the order of a Java hash map.
    pub is_in_any_order: bool,
}

impl Tool {
    pub const fn call(self, arguments: &'static str) -> Call {
        Call {
            tool: self,
            arguments,
            input: "",
            file: "",
            error_line: None,
            is_in_any_order: false,
        }
    }
}

impl Call {
    /// With text on standard input.
    pub const fn with_input(mut self, input: &'static str) -> Self {
        self.input = input;
        self
    }

    /// With a file that holds this text.
    pub const fn with_file(mut self, text: &'static str) -> Self {
        self.file = text;
        self
    }

    /// With the same first line on standard error.
    pub const fn told(mut self) -> Self {
        self.error_line = Some(0);
        self
    }

    /// With the same line on standard error after an empty one.
    pub const fn told_after_blank(mut self) -> Self {
        self.error_line = Some(1);
        self
    }

    /// With lines in any order.
    pub const fn in_any_order(mut self) -> Self {
        self.is_in_any_order = true;
        self
    }

    /// The arguments for topics that begin with `prefix`.
    pub fn arguments(&self, bootstrap: &str, prefix: &str, file: &Path) -> Vec<String> {
        let text = self.file.replace("{t}", prefix);
        fs::write(file, text).expect("a file");
        let filled = self.arguments.replace("{on}", "--bootstrap-server {b}");
        let filled = filled.replace("{t}", prefix).replace("{b}", bootstrap);
        let filled = filled.replace("{f}", path_text(file));
        filled.split_whitespace().map(str::to_owned).collect()
    }
}

/// What came of a call.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub output: String,
    pub errors: String,
}

/// Makes the calls with both tools, on our broker and on Apache's, and compares.
///
/// # Panics
/// Something differs.
pub fn compare(calls: &[Call], test: u8) {
    compare_beside(calls, test, |_, _| ());
}

/// As [`compare`], beside what `begin` starts on each broker, by its maker and its address; it ends with its value.
///
/// # Panics
/// Something differs.
pub fn compare_beside<Begun>(calls: &[Call], test: u8, begin: impl Fn(Maker, &str) -> Begun) {
    for (maker, test) in [(Maker::Ours, test), (Maker::Apache, test + 1)] {
        let settings = [("group.initial.rebalance.delay.ms", "0")];
        let Some(mut nodes) = Nodes::combined(test, &[maker], &settings) else {
            return;
        };
        nodes.start_all();
        let bootstrap = nodes.bootstrap(nodes.ids()[0]);
        let Some(mut java) = Java::start() else {
            return;
        };
        let _begun = begin(maker, &bootstrap);
        let mut differences = Vec::new();
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("file");
        for call in calls {
            let theirs = java.call(call, &call.arguments(&bootstrap, "of-java", &file));
            let own = ours::call(call, &call.arguments(&bootstrap, "of-ours", &file));
            let (theirs, own) = (shown(&theirs, call), shown(&own, call));
            if theirs != own {
                let arguments = call.arguments;
                differences.push(format!(
                    "{} {arguments}\n--- Kafka's\n{theirs}\n--- ours\n{own}",
                    call.tool.name
                ));
            }
        }
        assert!(
            differences.is_empty(),
            "on {}:\n{}",
            if maker == Maker::Ours {
                "our broker"
            } else {
                "Apache's"
            },
            differences.join("\n\n")
        );
    }
}

/// What is compared of an outcome: names and ids that differ by design are masked, and configs are sorted, as
/// Kafka's tool prints them in the order of a Java hash map.
fn shown(outcome: &Outcome, call: &Call) -> String {
    let mut text = format!("exit code {}\n", outcome.code);
    // Where Java's parser of CSV has found an error, by its own classes.
    let is_compared = |line: &&str| !line.starts_with(" at [Source: ");
    let lines = outcome.output.lines().filter(is_compared);
    let mut lines: Vec<String> = lines.map(masked).collect();
    if call.is_in_any_order {
        lines.sort();
    }
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    if let Some(line) = call.error_line {
        let line = outcome.errors.lines().nth(line).unwrap_or_default();
        text.push_str(&masked(line));
    }
    text
}

fn masked(line: &str) -> String {
    let line = line.replace("of-java", "T").replace("of-ours", "T");
    let columns = line.split('\t').map(|column| {
        if column.starts_with("TopicId: ") {
            return "TopicId: ID".to_owned();
        }
        match column.strip_prefix("Configs: ") {
            Some(configs) => {
                let mut configs: Vec<&str> = configs.split(',').collect();
                configs.sort_unstable();
                format!("Configs: {}", configs.join(","))
            }
            None => column.to_owned(),
        }
    });
    columns.collect::<Vec<_>>().join("\t")
}
