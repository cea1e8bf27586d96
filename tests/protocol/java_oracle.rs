//! Kafka's own classes read what is written here, and write the same bytes.
//!
//! Needs a JDK and two directories of jars: `KAFKA_CLIENTS_44_JARS` with `kafka-clients` 4.4.0, for
//! requests and responses, and `KAFKA_JARS` with Apache Kafka 4.3.1, for the records that it has to
//! be able to read. Where one is not set, its tests say so and pass,
//! unless `REQUIRE_TOOLS` is set.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use broker::protocol::Reader;
use broker::protocol::json::Json;
use broker::protocol::messages::metadata_records::MetadataRecord;
use bytes::Bytes;

use crate::cases::{self, Case};
use crate::generate::{self, Random};

/// How many values of each message and version are compared.
const ROUNDS: usize = 40;

/// Bytes that Java is to read in one version and to write in another.
struct Question {
    class: String,
    from: i16,
    to: i16,
    bytes: Bytes,
}

/// Questions, and what is written here in Java's place.
#[derive(Default)]
struct Comparison {
    questions: Vec<Question>,
    expected: Vec<Bytes>,
}

#[test]
fn requests_and_responses_are_those_of_kafka_clients_4_4() {
    let seed = generate::seed(3);
    let mut random = Random::new(seed);
    let mut comparison = Comparison::default();
    for api in cases::apis() {
        comparison.add(&api.request, &mut random);
        comparison.add(&api.response, &mut random);
    }
    for case in cases::embedded() {
        comparison.add(&case, &mut random);
    }

    comparison.check("KAFKA_CLIENTS_44_JARS", &["Recode.java"], seed);
}

#[test]
fn records_are_those_of_kafka_4_3() {
    let seed = generate::seed(4);
    let mut random = Random::new(seed);
    let mut comparison = Comparison::default();
    for (number, record) in cases::metadata_records() {
        // 4.4 added it.
        if record.name != "UnregisterControllerRecord" {
            comparison.add(&record, &mut random);
            comparison.add_frames(number, &record, &mut random);
        }
    }
    for (_, key, value) in cases::offsets_records() {
        comparison.add(&key, &mut random);
        comparison.add(&value, &mut random);
    }
    for (key, value) in cases::state_records() {
        comparison.add(&key, &mut random);
        comparison.add(&value, &mut random);
    }

    comparison.check("KAFKA_JARS", &["Recode.java", "MetadataFrame.java"], seed);
}

#[test]
fn records_as_json_are_those_of_kafka_4_3() {
    let seed = generate::seed(12);
    let mut random = Random::new(seed);
    let mut comparison = Comparison::default();
    for (_, record) in cases::metadata_records() {
        if record.name != "UnregisterControllerRecord" {
            comparison.add_json(&record, &mut random);
        }
    }
    let offsets = cases::offsets_records().into_iter();
    let pairs = offsets.map(|(_, key, value)| (key, value));
    for (key, value) in pairs.chain(cases::state_records()) {
        comparison.add_json(&key, &mut random);
        comparison.add_json(&value, &mut random);
    }
    for case in cases::embedded() {
        comparison.add_json(&case, &mut random);
    }

    comparison.check("KAFKA_JARS", &["Recode.java", "Json.java"], seed);
}

#[test]
fn defaults_are_those_of_kafka_clients_4_4() {
    let apis = cases::apis().into_iter();
    let cases: Vec<Case> = apis.flat_map(|api| [api.request, api.response]).collect();

    check_defaults("KAFKA_CLIENTS_44_JARS", generate::seed(10), &cases);
}

#[test]
fn defaults_of_records_are_those_of_kafka_4_3() {
    let mut cases: Vec<Case> = cases::metadata_records()
        .into_iter()
        .map(|(_, case)| case)
        .collect();
    cases.extend(
        cases::offsets_records()
            .into_iter()
            .map(|(_, _, value)| value),
    );
    cases.retain(|case| case.versions.end() > case.versions.start());

    check_defaults("KAFKA_JARS", generate::seed(11), &cases);
}

/// Fields that a version lacks get their default when they are read; a later version shows it.
fn check_defaults(variable: &str, seed: u64, cases: &[Case]) {
    let mut random = Random::new(seed);
    let mut asked = Vec::new();
    let mut questions = Vec::new();
    for case in cases {
        for from in case.versions.clone() {
            for _ in 0..ROUNDS / 2 {
                asked.push(case);
                questions.push(Question {
                    class: case.java_class(),
                    from,
                    to: *case.versions.end(),
                    bytes: generate::message(case.schema, from, &mut random).into(),
                });
            }
        }
    }

    let Some(answers) = ask_kafka(variable, &["Recode.java"], &questions) else {
        return;
    };

    let mut compared = 0;
    for ((question, case), answer) in questions.iter().zip(asked).zip(answers) {
        // Kafka refuses to write fields that the later version lacks.
        if answer.contains("UnsupportedVersionException") {
            continue;
        }
        let (from, to) = (question.from, question.to);
        let text = |bytes: Bytes| (case.text)(bytes, to).map(|text| null_where_empty(&text));
        let ours = (case.convert)(question.bytes.clone(), from, to).and_then(text);
        let theirs = text(unhex(&answer));
        assert_eq!(ours, theirs, "{} {from} to {to}, SEED={seed}", case.name);
        compared += 1;
    }
    let all = questions.len();
    assert!(compared > all / 2, "only {compared} of {all}");
}

/// Where Kafka's default is empty, though it could be null, it is null here.
fn null_where_empty(text: &str) -> String {
    let text = text
        .replace("Some([])", "None")
        .replace("Some(\"\")", "None");
    text.replace("Some(b\"\")", "None")
}

impl Comparison {
    fn add(&mut self, case: &Case, random: &mut Random) {
        for version in case.versions.clone() {
            for round in 0..ROUNDS {
                let bytes = match round % 2 {
                    0 => generate::message(case.schema, version, random),
                    _ => generate::message_with_defaults(case.schema, version, random),
                };
                let bytes = Bytes::from(bytes);
                let expected = case.recode(bytes.clone(), version);
                self.expected
                    .push(expected.expect("generated values decode"));
                self.questions.push(Question {
                    class: case.java_class(),
                    from: version,
                    to: version,
                    bytes,
                });
            }
        }
    }

    /// Java is to write JSON, which is asked for by the class's name.
    fn add_json(&mut self, case: &Case, random: &mut Random) {
        for version in case.versions.clone() {
            for _ in 0..ROUNDS {
                let bytes = Bytes::from(generate::message(case.schema, version, random));
                let mut reader = Reader::new(bytes.clone());
                let json = Json::read(case.schema, &mut reader, version, version);
                let json = json.expect("generated values decode").to_string();
                self.expected.push(json.into());
                self.questions.push(Question {
                    class: format!("json:{}", case.java_class()),
                    from: version,
                    to: version,
                    bytes,
                });
            }
        }
    }

    fn add_frames(&mut self, number: u32, case: &Case, random: &mut Random) {
        for version in case.versions.clone() {
            let mut bytes = vec![1, number as u8, version as u8];
            bytes.extend(generate::message(case.schema, version, random));
            let bytes = Bytes::from(bytes);
            let record = MetadataRecord::decode(bytes.clone()).expect("generated records decode");
            self.expected.push(record.encode(version));
            self.questions.push(Question {
                class: "frame".to_owned(),
                from: version,
                to: version,
                bytes,
            });
        }
    }

    fn check(&self, variable: &str, sources: &[&str], seed: u64) {
        let Some(answers) = ask_kafka(variable, sources, &self.questions) else {
            return;
        };
        let mut differences = String::new();
        for ((question, expected), answer) in self.questions.iter().zip(&self.expected).zip(answers)
        {
            let expected = hex(expected);
            if answer != expected {
                let Question { class, from, .. } = question;
                let asked = hex(&question.bytes);
                let lines = [&asked, &expected, &answer]
                    .map(String::as_str)
                    .join("\n  ");
                writeln!(
                    differences,
                    "{class} {from}: asked, ours, Java's\n  {lines}"
                )
                .expect("a String takes all");
            }
        }
        assert!(differences.is_empty(), "SEED={seed}\n{differences}");
    }
}

/// What Kafka's classes in the jars that `variable` names answer; `None` if it is not set.
fn ask_kafka(variable: &str, sources: &[&str], questions: &[Question]) -> Option<Vec<String>> {
    let Some(jars) = std::env::var_os(variable) else {
        let is_required = std::env::var_os("REQUIRE_TOOLS").is_some();
        assert!(!is_required, "{variable} is not set");
        // Not `eprintln`: of a test that passes, that is not shown.
        let skipped = format!("\n*** SKIPPED: {variable} is not set: no comparison with Kafka\n");
        std::io::stderr()
            .write_all(skipped.as_bytes())
            .expect("stderr is open");
        return None;
    };
    let answers = ask(Path::new(&jars), sources, questions);
    assert_eq!(answers.len(), questions.len());
    Some(answers)
}

/// What the Java program answers, line by line.
fn ask(jars: &Path, sources: &[&str], questions: &[Question]) -> Vec<String> {
    let classes = tempfile::tempdir().expect("a temporary directory");
    let class_path = format!("{}/*", jars.display());
    compile(&class_path, classes.path(), sources);

    let mut input = String::new();
    for question in questions {
        let Question {
            class, from, to, ..
        } = question;
        let bytes = hex(&question.bytes);
        writeln!(input, "{class} {from} {to} {bytes}").expect("a String takes all");
    }
    let mut java = Command::new("java")
        .arg("-cp")
        .arg(format!("{}:{class_path}", classes.path().display()))
        .arg("Recode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("java starts");
    // It answers at the end, so that neither side waits for the other's pipe.
    let mut stdin = java.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("java reads");
    drop(stdin);
    let output = java.wait_with_output().expect("java ends");
    assert!(output.status.success(), "java failed");
    let answers = String::from_utf8(output.stdout).expect("hex is ASCII");
    answers.lines().map(str::to_owned).collect()
}

fn compile(class_path: &str, classes: &Path, sources: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/java");
    let status = Command::new("javac")
        .args(["-proc:none", "-cp", class_path, "-d"])
        .arg(classes)
        .args(sources.iter().map(|source| here.join(source)))
        .status()
        .expect("javac starts: a JDK is needed");
    assert!(status.success(), "javac failed");
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes all");
    }
    text
}

fn unhex(text: &str) -> Bytes {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).expect("hex is ASCII");
        u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("no hex: {text}"))
    });
    bytes.collect()
}
