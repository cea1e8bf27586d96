//! Java clients at work beside those of librdkafka: an idempotent producer that wants every message
//! acknowledged by all replicas, and a group of two that commits.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use crate::cluster::{PARTITIONS, TOPIC};
use crate::history::{Fate, History, Poll, Sent};
use crate::progress::{Acks, Commits};
use crate::support::{path_text, tools};

const PRODUCER: u32 = 4;
const GROUP: &str = "java-readers";
const MEMBERS: [&str; 2] = ["31", "32"];

/// The clients, in a process of their own.
pub struct Java {
    process: Child,
    /// They are at work until it is closed.
    input: Option<ChildStdin>,
    listener: Option<JoinHandle<History>>,
    seen: Arc<Seen>,
}

/// What they have done so far.
struct Seen {
    acks: Acks,
    commits: Commits,
}

impl Java {
    /// Starts the clients; `None`, said loudly, without Java or its client.
    pub fn start(bootstrap: &str) -> Option<Self> {
        let classes = classes()?;
        let mut process = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .args(["-cp", classes, "Clients", bootstrap, TOPIC])
            .args([PARTITIONS.to_string(), PRODUCER.to_string()])
            .arg(GROUP)
            .args(MEMBERS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java starts");
        let seen = Arc::new(Seen {
            acks: Acks::default(),
            commits: Commits::of(GROUP),
        });
        let output = process.stdout.take().expect("it is piped");
        let teller = Arc::clone(&seen);
        Some(Self {
            input: process.stdin.take(),
            listener: Some(thread::spawn(move || listen(output, &teller))),
            process,
            seen,
        })
    }

    /// What is acknowledged to the producer.
    pub fn acks(&self) -> &Acks {
        &self.seen.acks
    }

    /// What the group has committed.
    pub fn commits(&self) -> &Commits {
        &self.seen.commits
    }

    /// Lets the clients finish; what they did and saw.
    pub fn finish(&mut self) -> History {
        drop(self.input.take());
        let listener = self.listener.take().expect("it is finished once");
        listener.join().expect("Java's clients go on to their end")
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // It fails only if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The class path with the program in it, which is compiled once.
fn classes() -> Option<&'static str> {
    static CLASSES: OnceLock<Option<String>> = OnceLock::new();
    let built = CLASSES.get_or_init(|| {
        let jars = tools::directory("KAFKA_CLIENTS_44_JARS", "Java client 4.4.0")?;
        let compiler = tools::program("javac")?;
        let jars = format!("{}/*", path_text(&jars));
        let classes: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.classes");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/java/Clients.java");
        let compiled = Command::new(compiler)
            .args(["-nowarn", "-d", path_text(&classes), "-cp", &jars])
            .arg(source)
            .status();
        assert!(compiled.expect("javac starts").success(), "it compiles");
        Some(format!("{}:{jars}", path_text(&classes)))
    });
    built.as_deref()
}

/// Takes down what the clients tell, until they have come to their end.
fn listen(output: ChildStdout, seen: &Seen) -> History {
    let mut notes = Notes::default();
    for line in BufReader::new(output).lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["end"] {
            return notes.history;
        }
        notes.take_down(&words, seen);
    }
    panic!("Java's clients have ended by themselves");
}

#[derive(Default)]
struct Notes {
    history: History,
    /// Members and partitions that were read since the member got the partition.
    is_read: BTreeSet<(u32, i32)>,
}

impl Notes {
    fn take_down(&mut self, words: &[&str], seen: &Seen) {
        match words {
            ["sent", partition, value] => self.history.sent.push(Sent {
                producer: PRODUCER,
                partition: number(partition),
                value: number(value),
                fate: Fate::Unknown,
            }),
            ["acked", value, partition, offset] => {
                let place = number::<u64>(value) & u64::from(u32::MAX);
                let offset = number(offset);
                self.history.sent[place as usize].fate = Fate::acknowledged_at(offset);
                seen.acks.note(number(partition));
            }
            ["assigned", member, partition] => {
                self.is_read.remove(&(number(member), number(partition)));
            }
            ["consumed", member, partition, offset, value, ..] => {
                let (consumer, partition) = (number(member), number(partition));
                self.history.polls.push(Poll {
                    consumer,
                    partition,
                    goes_on: !self.is_read.insert((consumer, partition)),
                    messages: vec![(number(offset), number(value))],
                });
            }
            ["committed", partition, offset] => {
                let offsets = [(number(partition), number(offset))];
                seen.commits.note(offsets.into_iter());
            }
            ["broken", ..] => panic!("{words:?}"),
            _ => println!("Java: {words:?}"),
        }
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    let parsed = word.parse().ok();
    parsed.unwrap_or_else(|| panic!("{word:?} is no number"))
}
