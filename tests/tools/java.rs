//! Calls of Kafka's own tools, all in one JVM.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::call::{Call, Outcome};
use crate::support::{path_text, tools};

/// The JVM; it ends with this value. A tool that ends it is answered for all the same, and the next has another.
pub struct Java {
    jars: PathBuf,
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Java {
    /// Starts it, or says loudly that there is no Kafka here.
    pub fn start() -> Option<Self> {
        tools::kafka_jars().map(Self::of)
    }

    fn of(jars: PathBuf) -> Self {
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
        Self {
            jars,
            process,
            calls,
            answers,
        }
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
        let code = match code {
            "ended" => {
                let status = self.process.wait().expect("java ends");
                *self = Self::of(self.jars.clone());
                status.code().unwrap_or(-1)
            }
            code => code.parse().expect("a number"),
        };
        Outcome {
            code,
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
