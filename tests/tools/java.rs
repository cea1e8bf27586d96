//! Calls of Kafka's own tools, all in one JVM.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::call::{Call, Outcome};
use crate::support::{path_text, tools};

/// The JVM; it ends with this value.
pub struct Java {
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Java {
    /// Starts it, or says loudly that there is no Kafka here.
    pub fn start() -> Option<Self> {
        let jars = tools::kafka_jars()?;
        let mut process = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
            .args(["-cp", &format!("{}/*", path_text(&jars))])
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/tools/java/Calls.java"
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java starts");
        let calls = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Some(Self {
            process,
            calls,
            answers,
        })
    }

    /// Makes a call.
    pub fn call(&mut self, call: &Call, arguments: &[String]) -> Outcome {
        let mut words = vec![encode(call.tool.class), encode(call.input)];
        words.extend(arguments.iter().map(|word| encode(word)));
        writeln!(self.calls, "{}", words.join(" ")).expect("java reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("java answers");
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let [code, output, errors] = words[..] else {
            panic!("java has ended at {arguments:?}: {line:?}");
        };
        Outcome {
            code: code.parse().expect("a number"),
            output: decode(output),
            errors: decode(errors),
        }
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A word, marked so that an empty one is none the less there.
fn encode(word: &str) -> String {
    format!("={}", STANDARD.encode(word))
}

fn decode(word: &str) -> String {
    let bytes = STANDARD.decode(&word[1..]).expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}
