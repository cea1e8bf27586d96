//! A call of a tool, what came of it, and how two of these are compared.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

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

/// A call. In arguments, which are words with spaces between them, and in a file [`Place`] says what stands for
/// what; beside that `{f}` stands for the path of the file, and `{soon}` for that of one of properties by which a
/// client gives up soon.
#[derive(Clone, Copy)]
pub struct Call {
    pub tool: Tool,
    pub arguments: &'static str,
    /// What our tool is called with before each of both: so that both find the same. Nothing if empty.
    pub before: &'static str,
    pub input: &'static str,
    pub file: &'static str,
    /// Which lines of what is printed to standard error are Kafka's, too: how many are before, and how many.
    pub error_lines: (usize, usize),
    /// Whether Kafka's tool prints its lines in the order of a Java hash map.
    pub is_in_any_order: bool,
    /// The call is made again until this is in its output.
    pub until: Option<&'static str>,
    /// Whether only Kafka's tool makes it, also beside calls of our tools.
    pub is_kafkas: bool,
    /// Whether the tool proposes replicas, in an order that is chance.
    pub has_proposal: bool,
    /// Whether an error is told in words of a library.
    pub has_foreign_words: bool,
    /// Whether only the shapes of lines are compared: without numbers, and each once.
    pub has_shapes_alone: bool,
}

/// How long a call is made again at the most.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of what a client gives up soon.
const SOON: &str = "default.api.timeout.ms=2000\nrequest.timeout.ms=1500\n";

/// Where calls are made.
pub struct Place<'a> {
    /// What stands for what.
    meanings: Vec<(String, String)>,
    /// Where files are.
    directory: &'a Path,
}

impl<'a> Place<'a> {
    /// `{t}` stands for `prefix`, with which the tool's topics begin, `{b}` for the address of the first broker,
    /// `{on}` for the option that names it, and `{c}` for the address of its controller; `{d1a}` is the first log
    /// directory of node 1, `{d1b}` its second.
    fn new(nodes: &Nodes, prefix: &str, directory: &'a Path) -> Self {
        let ids = nodes.ids();
        let bootstrap = nodes.bootstrap(nodes.brokers()[0]);
        let mut meanings = vec![
            ("{on}".to_owned(), format!("--bootstrap-server {bootstrap}")),
            ("{b}".to_owned(), bootstrap),
            ("{c}".to_owned(), nodes.controller(ids[0])),
            ("{t}".to_owned(), prefix.to_owned()),
        ];
        for id in ids {
            for (letter, directory) in ('a'..).zip(nodes.data_dirs(id)) {
                let path = path_text(&directory).to_owned();
                meanings.push((format!("{{d{id}{letter}}}"), path));
            }
        }
        Self {
            meanings,
            directory,
        }
    }

    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, meaning) in &self.meanings {
            text = text.replace(word, meaning);
        }
        text
    }
}

impl Tool {
    pub const fn call(self, arguments: &'static str) -> Call {
        Call {
            tool: self,
            arguments,
            before: "",
            input: "",
            file: "",
            error_lines: (0, 0),
            is_in_any_order: false,
            until: None,
            is_kafkas: false,
            has_proposal: false,
            has_foreign_words: false,
            has_shapes_alone: false,
        }
    }
}

impl Call {
    /// After a call of our tool with these arguments.
    pub const fn after(mut self, before: &'static str) -> Self {
        self.before = before;
        self
    }

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
        self.error_lines = (0, 1);
        self
    }

    /// With the same first two lines on standard error.
    pub const fn told_twice(mut self) -> Self {
        self.error_lines = (0, 2);
        self
    }

    /// With the same line on standard error after an empty one.
    pub const fn told_after_blank(mut self) -> Self {
        self.error_lines = (1, 1);
        self
    }

    /// With lines in any order.
    pub const fn in_any_order(mut self) -> Self {
        self.is_in_any_order = true;
        self
    }

    /// Made again until this is in its output.
    pub const fn until(mut self, text: &'static str) -> Self {
        self.until = Some(text);
        self
    }

    /// Made by Kafka's tool alone, to see what calls of ours have come to, too.
    pub const fn by_kafkas(mut self) -> Self {
        self.is_kafkas = true;
        self
    }

    /// With the replicas of a proposal in any order.
    pub const fn with_proposal(mut self) -> Self {
        self.has_proposal = true;
        self
    }

    /// With an error that a library words.
    pub const fn with_foreign_words(mut self) -> Self {
        self.has_foreign_words = true;
        self
    }

    /// With other numbers, and lines that come more or less often.
    pub const fn in_shape(mut self) -> Self {
        self.has_shapes_alone = true;
        self
    }

    /// Makes the call with `tool`, and again until its output is as it shall be.
    fn made(&self, place: &Place<'_>, mut tool: impl FnMut(&[String]) -> Outcome) -> Outcome {
        let [file, soon] = ["file", "soon"].map(|name| place.directory.join(name));
        fs::write(&file, place.filled(self.file)).expect("a file");
        fs::write(&soon, SOON).expect("a file");
        let words = |text: &str| -> Vec<String> {
            let line = place.filled(text);
            let line = line.replace("{f}", path_text(&file));
            let line = line.replace("{soon}", path_text(&soon));
            line.split_whitespace().map(str::to_owned).collect()
        };
        if !self.before.is_empty() {
            let outcome = ours::call(self, &words(self.before));
            assert_eq!(outcome.code, 0, "{}: {outcome:?}", self.before);
        }
        let words = words(self.arguments);
        let begun = Instant::now();
        loop {
            let outcome = tool(&words);
            let Some(text) = self.until.map(|text| place.filled(text)) else {
                return outcome;
            };
            if outcome.output.contains(&text) {
                return outcome;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{words:?} never prints {text:?}: {outcome:?}"
            );
        }
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
    for (maker, test) in MAKERS.into_iter().zip([test, test + 1]) {
        let is_there = beside_broker(maker, test, |nodes, java| {
            let _begun = begin(maker, &nodes.bootstrap(nodes.ids()[0]));
            let made = calls.iter().map(|call| (call, outcomes(call, nodes, java)));
            expect_no_difference(maker, made);
        });
        if !is_there {
            return;
        }
    }
}

/// Starts a broker of this maker, and the JVM of Kafka's tools, for `act`. It says whether there is what it takes.
pub fn beside_broker(maker: Maker, test: u8, act: impl FnOnce(&Nodes, &mut Java)) -> bool {
    let settings = [("group.initial.rebalance.delay.ms", "0")];
    let started = started(Nodes::combined(test, &[maker], &settings));
    started
        .map(|(nodes, mut java)| act(&nodes, &mut java))
        .is_some()
}

/// What comes of a call by Kafka's tool, and of one by ours.
pub fn outcomes(call: &Call, nodes: &Nodes, java: &mut Java) -> [Outcome; 2] {
    let directory = tempfile::tempdir().expect("a directory");
    let places = PREFIXES.map(|prefix| Place::new(nodes, prefix, directory.path()));
    let theirs = call.made(&places[0], |words| java.call(call, words));
    let own = call.made(&places[1], |words| ours::call(call, words));
    [theirs, own]
}

/// As [`compare`], on clusters that `nodes` makes by their maker and a number, and in turn: Kafka's tools make all
/// calls before ours make any, so that the former may change what the whole cluster has, and have to put it back.
///
/// # Panics
/// Something differs.
pub fn compare_in_turn(calls: &[Call], test: u8, nodes: impl Fn(Maker, u8) -> Option<Nodes>) {
    for (maker, test) in MAKERS.into_iter().zip([test, test + 1]) {
        let Some((nodes, mut java)) = started(nodes(maker, test)) else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let places = PREFIXES.map(|prefix| Place::new(&nodes, prefix, directory.path()));
        let theirs: Vec<Outcome> = calls
            .iter()
            .map(|call| call.made(&places[0], |words| java.call(call, words)))
            .collect();
        let made = calls.iter().zip(theirs).map(|(call, theirs)| {
            let own = call.made(&places[1], |words| {
                if call.is_kafkas {
                    java.call(call, words)
                } else {
                    ours::call(call, words)
                }
            });
            (call, [theirs, own])
        });
        expect_no_difference(maker, made);
    }
}

/// On whose brokers calls are made, one after the other.
const MAKERS: [Maker; 2] = [Maker::Ours, Maker::Apache];
/// What the names of topics begin with: those of Kafka's tools and those of ours.
const PREFIXES: [&str; 2] = ["of-java", "of-ours"];

/// The nodes, which run, and Kafka's tools; `None`, said loudly, without Kafka.
fn started(nodes: Option<Nodes>) -> Option<(Nodes, Java)> {
    let mut nodes = nodes?;
    nodes.start_all();
    Some((nodes, Java::start()?))
}

fn expect_no_difference<'a>(maker: Maker, made: impl Iterator<Item = (&'a Call, [Outcome; 2])>) {
    let mut differences = Vec::new();
    for (call, outcomes) in made {
        let [theirs, own] = outcomes.map(|outcome| shown(&outcome, call));
        if theirs != own {
            differences.push(format!(
                "{} {}\n--- Kafka's\n{theirs}\n--- ours\n{own}",
                call.tool.name, call.arguments
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

/// What is compared of an outcome: names and ids that differ by design are masked, and configs are sorted, as
/// Kafka's tool prints them in the order of a Java hash map.
fn shown(outcome: &Outcome, call: &Call) -> String {
    let mut text = format!("exit code {}\n", outcome.code);
    // Where Java's parser of CSV has found an error, by its own classes.
    let is_compared = |line: &&str| !line.starts_with(" at [Source: ");
    let lines = before_trace(&outcome.output).into_iter();
    let mut lines: Vec<String> = lines.filter(is_compared).map(masked).collect();
    if call.has_proposal {
        sort_replicas(&mut lines);
    }
    if call.has_foreign_words {
        lines
            .iter_mut()
            .for_each(|line| line.truncate("Error: ".len()));
    }
    if call.has_shapes_alone {
        lines = lines.iter().map(|line| without_numbers(line)).collect();
        lines.dedup();
    }
    if call.is_in_any_order {
        lines.sort();
    }
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    let (before, count) = call.error_lines;
    for line in outcome.errors.lines().skip(before).take(count) {
        text.push_str(&masked(line));
        text.push('\n');
    }
    text
}

/// The lines up to an error that an exception follows, mostly with a stack trace.
fn before_trace(output: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = output.lines().collect();
    let error = lines.iter().position(|line| line.starts_with("Error: "));
    let is_of_exception = |line: &&str| {
        let starts = ["\tat ", "org.apache.kafka.", "java."];
        starts.iter().any(|start| line.starts_with(start))
    };
    if let Some(error) = error
        && lines.iter().any(is_of_exception)
    {
        lines.truncate(error + 1);
    }
    lines
}

/// Sorts the replicas of each partition in a line of JSON, which is the last.
fn sort_replicas(lines: &mut [String]) {
    const LIST: &str = "\"replicas\":[";
    let Some(line) = lines.last_mut() else { return };
    let parts = line.split(LIST).enumerate().map(|(index, part)| {
        let Some((ids, rest)) = part.split_once(']').filter(|_| index > 0) else {
            return part.to_owned();
        };
        let mut ids: Vec<&str> = ids.split(',').collect();
        ids.sort_unstable();
        format!("{}]{rest}", ids.join(","))
    });
    *line = parts.collect::<Vec<String>>().join(LIST);
}

/// A line with `#` in the place of each number.
fn without_numbers(line: &str) -> String {
    let mut shape = String::new();
    for letter in line.chars() {
        let is_of_number = letter.is_ascii_digit() || letter == '.' && shape.ends_with('#');
        if !is_of_number {
            shape.push(letter);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

fn masked(line: &str) -> String {
    if let Some(line) = masked_quorum(line) {
        return line;
    }
    let line = line.replace("of-java", "T").replace("of-ours", "T");
    // The log of the metadata goes on between two calls.
    let line = match line.split_once("  Epoch: ") {
        Some((feature, _)) => feature.to_owned(),
        None => line,
    };
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

/// A line of the description of a quorum, without what the next moment changes.
fn masked_quorum(line: &str) -> Option<String> {
    let lags = ["HighWatermark:", "MaxFollowerLag:", "MaxFollowerLagTimeMs:"];
    if let Some(name) = lags.iter().find(|name| line.starts_with(**name)) {
        return Some((*name).to_owned());
    }
    let mut cells: Vec<&str> = line.split('\t').map(str::trim_end).collect();
    let is_row = cells.len() == 8 && ["Leader", "Follower", "Observer"].contains(&cells[6]);
    let is_head = cells.len() == 8 && cells[6] == "Status";
    for cell in cells.iter_mut().skip(2).take(4).filter(|_| is_row) {
        *cell = cell.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    (is_row || is_head).then(|| cells.join("\t"))
}
