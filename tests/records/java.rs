//! Apache Kafka 4.3.1 and this code on the same batches, in both directions: what is accepted here its
//! consumers read to the same records, whatever happened to it here; what its clients write is read.
//!
//! Batches are generated: honest ones, and such as no encoder makes, whose streams are put together
//! by hand. `RUNS` says how many, `SEED` which; failures print both. Needs `KAFKA_JARS` and a JDK.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::records::validate::{AppendPolicy, validate_produce};
use broker::records::{
    Batch, BatchBuilder, Compression, CompressionSetting, Filtered, Header, NewRecord,
    RECORDS_AT_ONCE, Record, RecordFilter, RecordGroup, Scratch, TimestampType,
};
use bytes::{BufMut as _, Bytes};

use crate::random::Random;
use crate::streams;
use crate::support::{CODECS, Forged, NOW, record};
use crate::tools;

/// What Java stores batches at, see `Batches.java`.
const BASE: Offset = Offset(100);
const EPOCH: LeaderEpoch = LeaderEpoch(2);
/// Questions that are sent before the answers are read.
const AT_ONCE: usize = 500;
/// Differences of one kind that are shown.
const SHOWN: usize = 2;

fn seed() -> u64 {
    std::env::var("SEED").map_or(1, |seed| seed.parse().expect("SEED is a number"))
}

fn runs() -> usize {
    std::env::var("RUNS").map_or(4_000, |runs| runs.parse().expect("RUNS is a number"))
}

/// The Java program; it ends with its input.
struct Java {
    process: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    _classes: tempfile::TempDir,
}

/// What Java answers: bytes, or why not.
type Answer = Result<Vec<u8>, String>;

impl Java {
    fn start() -> Option<Self> {
        let jars = tools::kafka_jars()?;
        let classes = tempfile::tempdir().expect("a temporary directory");
        compile(&jars, classes.path());
        let mut process = Command::new("java")
            .args(["-Xmx512m", "-cp"])
            .arg(format!("{}:{}/*", classes.path().display(), jars.display()))
            .arg("Batches")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("java starts");
        Some(Self {
            input: process.stdin.take(),
            output: process.stdout.take().expect("it is piped"),
            process,
            _classes: classes,
        })
    }

    /// Asks all, and then reads all answers; the pipes hold less, so a thread writes.
    fn ask(&mut self, questions: &[Vec<u8>]) -> Vec<Answer> {
        let input = self.input.as_mut().expect("it has not ended");
        let output = &mut self.output;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut input = BufWriter::new(input);
                for question in questions {
                    input.write_all(question).expect("java reads");
                }
                input.flush().expect("java reads");
            });
            questions.iter().map(|_| answer(output)).collect()
        })
    }

    fn end(mut self) {
        drop(self.input.take());
        let status = self.process.wait().expect("java ends");
        assert!(status.success(), "java failed: {status}");
    }
}

fn compile(jars: &Path, classes: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/java/Batches.java");
    let status = Command::new("javac")
        .args(["-proc:none", "-cp", &format!("{}/*", jars.display()), "-d"])
        .args([classes, &source])
        .status()
        .expect("javac starts: a JDK is needed");
    assert!(status.success(), "javac failed");
}

fn answer(output: &mut ChildStdout) -> Answer {
    let mut read = |size: usize| {
        let mut bytes = vec![0; size];
        output.read_exact(&mut bytes).expect("java answers");
        bytes
    };
    let mut length = || {
        let bytes = read(4).try_into().expect("four bytes");
        i32::from_be_bytes(bytes)
    };
    match usize::try_from(length()) {
        Ok(size) => Ok(read(size)),
        Err(_) => {
            let size = usize::try_from(length()).expect("a reason has a length");
            Err(String::from_utf8_lossy(&read(size)).into_owned())
        }
    }
}

fn produce(policy: &AppendPolicy, batch: &[u8]) -> Vec<u8> {
    let mut question = vec![b'P'];
    question.put_i64(NOW.0);
    question.put_i8(policy.compression.map_or(-1, |it| it.codec.id() as i8));
    question.push(u8::from(
        policy.timestamp_type == TimestampType::LogAppendTime,
    ));
    put_bytes(&mut question, batch);
    question
}

fn consume(batch: &[u8]) -> Vec<u8> {
    let mut question = vec![b'R'];
    put_bytes(&mut question, batch);
    question
}

fn compress(codec: Compression, level: i32, batch: &[u8]) -> Vec<u8> {
    let mut question = vec![b'C', codec.id()];
    question.put_i32(level);
    put_bytes(&mut question, batch);
    question
}

fn put_bytes(question: &mut Vec<u8>, bytes: &[u8]) {
    question.put_u32(bytes.len() as u32);
    question.extend_from_slice(bytes);
}

/// What `Batches.java` makes of the records of a batch.
fn hash(batch: &[u8]) -> Answer {
    let batch = Batch::first_of(batch)
        .map_err(|error| error.to_string())?
        .ok_or("no batch")?;
    let mut scratch = Scratch::default();
    let records = batch
        .records(&mut scratch)
        .map_err(|error| error.to_string())?;
    let mut hash = Hash::default();
    for record in records {
        hash.add(&record.map_err(|error| error.to_string())?);
    }
    Ok(hash.finish())
}

#[derive(Default)]
struct Hash {
    crc: flate2::Crc,
    count: u32,
}

impl Hash {
    fn add(&mut self, record: &Record<'_>) {
        self.count += 1;
        self.number(record.offset().0);
        self.number(record.timestamp().0);
        self.bytes(record.key());
        self.bytes(record.value());
        self.number(record.headers().len() as i64);
        for header in record.headers() {
            let key = String::from_utf8_lossy(header.key);
            let is_text = !key.contains('\u{fffd}');
            self.bytes(Some(if is_text { key.as_bytes() } else { b"?" }));
            self.bytes(header.value);
        }
    }

    fn number(&mut self, number: i64) {
        self.crc.update(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: Option<&[u8]>) {
        self.number(bytes.map_or(-1, |bytes| bytes.len() as i64));
        self.crc.update(bytes.unwrap_or_default());
    }

    fn finish(&self) -> Vec<u8> {
        let both = u64::from(self.count) << 32 | u64::from(self.crc.sum());
        both.to_be_bytes().to_vec()
    }
}

/// What is taken here, and refused by Java, of these streams or with these words: the reasons.
const TAKEN: [(&str, &str); 2] = [
    (
        "Invalid negative timestamp",
        "Java takes such times, but cannot compress their records anew",
    ),
    (
        "snappy, with a damaged second header: ",
        "Java tells the end of the stream there, as is done here, but reads on where it is asked again: when \
         it compresses anew, or fills a buffer",
    ),
];

/// What is refused here with these words, and taken by Java: the reasons.
const REFUSED: [(&str, &str); 6] = [
    (
        "snappy, with a damaged second header: ",
        "Java tells the end of the stream there, and reads on when it is asked again",
    ),
    (
        "zstd: corrupt zstd stream: stream is cut off",
        "Java takes a frame that is cut off behind a whole one for the end; other readers do not",
    ),
    (
        "lz4: corrupt lz stream: block holds nothing",
        "Java reads over it behind the last record, and stops there anywhere else",
    ),
    (
        "lz4: corrupt lz stream: block repeats nothing",
        "the format forbids a match at distance 0; Java's decoder makes zeros of it",
    ),
    (
        "zstd: corrupt zstd stream: not a zstd stream",
        "where Java compresses anew it stops at the last record, and does not see what zstd finds at the \
         end of a frame: another size than its head claims",
    ),
    (
        "record  has offset delta",
        "Java does not look at it without compression, or when it compresses anew",
    ),
];

/// A batch that is refused here, and that Java has stored.
struct Refused {
    kind: String,
    details: String,
    stored: Vec<u8>,
}

/// Differences by their kind: how many, and the first of them.
#[derive(Default)]
struct Differences {
    kinds: BTreeMap<String, (usize, Vec<String>)>,
    refused: Vec<Refused>,
}

impl Differences {
    /// What Java stores, but cannot read itself, is no difference.
    fn judge_refused(&mut self, java: &mut Java) {
        let refused = std::mem::take(&mut self.refused);
        for some in refused.chunks(AT_ONCE) {
            let questions: Vec<_> = some.iter().map(|it| consume(&it.stored)).collect();
            for (it, consumed) in some.iter().zip(java.ask(&questions)) {
                let is_meant = REFUSED.iter().any(|(words, _)| it.kind.contains(words));
                if consumed.is_ok() && !is_meant {
                    let kind = format!("refused here, taken there: {}", it.kind);
                    self.add(kind, || it.details.clone());
                }
            }
        }
    }

    fn add(&mut self, kind: String, details: impl FnOnce() -> String) {
        let (count, shown) = self.kinds.entry(kind).or_default();
        *count += 1;
        if shown.len() < SHOWN {
            shown.push(details());
        }
    }

    fn check(&self, seed: u64) {
        let mut report = String::new();
        for (kind, (count, shown)) in &self.kinds {
            writeln!(report, "{count} times: {kind}").expect("a string takes all");
            for details in shown {
                writeln!(report, "    {details}").expect("a string takes all");
            }
        }
        assert!(report.is_empty(), "SEED={seed} RUNS={}\n{report}", runs());
    }
}

/// The first words of an error, without what differs from one to the next.
fn kind_of(error: &str) -> String {
    let words = error.split([':', ',']).next().unwrap_or_default();
    let rest = error.split(": ").nth(1).unwrap_or_default();
    let kind = format!("{words}: {rest}");
    kind.chars()
        .filter(|it| !it.is_ascii_digit())
        .take(110)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(600)];
    let mut text = shown.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    });
    if shown.len() < bytes.len() {
        write!(text, "... of {} bytes", bytes.len()).expect("a string takes all");
    }
    text
}

/// The records of a batch, before compression: few or many, small or large.
fn plain_records(random: &mut Random) -> (i32, Vec<u8>) {
    let count = if random.one_in(4) {
        1 + random.below(60)
    } else {
        1 + random.below(4)
    };
    let mut plain = Vec::new();
    for delta in 0..count {
        let size = match random.below(20) {
            0 => random.below(90_000),
            1..4 => random.below(3_000),
            _ => random.below(60),
        };
        let value: Vec<u8> = if random.one_in(3) {
            (0..size).map(|_| random.next() as u8).collect()
        } else {
            b"some text ".iter().copied().cycle().take(size).collect()
        };
        plain.extend(record(
            delta as i64,
            random.below(5) as i64,
            &value[..size / 3],
            &value,
        ));
    }
    if random.one_in(60) {
        plain.push(0);
    }
    (count as i32, plain)
}

fn forged_batch(codec: Compression, random: &mut Random) -> Bytes {
    let (count, plain) = plain_records(random);
    let stream = streams::forged(codec, &plain, random);
    let mut forged = Forged::compressed(codec, count, stream);
    forged.max_timestamp = NOW.0 + 4;
    match random.below(60) {
        0 => forged.attributes |= 1 << 3,
        1 => forged.attributes |= 1 << 6,
        2 => forged.attributes |= (random.next() as i16 & 0x7f) << 8,
        3 => forged.record_count += 1,
        4 => (forged.record_count, forged.last_offset_delta) = (count + 1, count),
        5 if count > 1 => (forged.record_count, forged.last_offset_delta) = (count - 1, count - 2),
        6 => forged.max_timestamp = random.next() as i64,
        7 => forged.base_timestamp = random.next() as i64,
        _ => {}
    }
    forged.bytes()
}

fn policy(random: &mut Random) -> AppendPolicy {
    let target = CODECS[random.below(CODECS.len())];
    AppendPolicy {
        compression: random.one_in(3).then(|| CompressionSetting::new(target)),
        timestamp_type: match random.below(6) {
            0 => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_after_max_ms: i64::MAX,
        // Java looks at the size elsewhere.
        max_message_bytes: 1 << 30,
        ..AppendPolicy::default()
    }
}

/// Without some of its records, as compaction writes it; and the hash of those that stay.
fn compacted(stored: &Bytes, random: &mut Random) -> Option<(Vec<u8>, Vec<u8>)> {
    let batch = Batch::first_of(stored)
        .expect("it is good")
        .expect("it is whole");
    let (keep_one_in, needs_horizon) = (1 + random.below(3), random.one_in(2));
    let mut kept = Hash::default();
    let keep = |group: &RecordGroup<'_>| -> [bool; RECORDS_AT_ONCE] {
        group.map(|record| {
            let keeps = record.is_some() && random.one_in(keep_one_in);
            if let Some(record) = record.filter(|_| keeps) {
                kept.add(&record);
            }
            keeps
        })
    };
    let mut written = Vec::new();
    let filtered = RecordFilter::with_limit(1 << 30)
        .filter(&batch, NOW, needs_horizon, keep, &mut written)
        .expect("its records are good");
    (filtered == Filtered::Rewritten).then(|| (written, kept.finish()))
}

/// A batch that is sent to both.
struct Case {
    codec: Compression,
    policy: AppendPolicy,
    sent: Bytes,
    /// Whether the client says that its timestamps are the broker's.
    has_append_time: bool,
    /// What is stored here, or why it is refused.
    ours: Result<Bytes, String>,
    /// What compaction makes of it, and the hash of its records.
    compacted: Option<(Vec<u8>, Vec<u8>)>,
}

impl Case {
    fn new(random: &mut Random) -> Self {
        let codec = CODECS[random.below(CODECS.len())];
        let sent = forged_batch(codec, random);
        let has_append_time = sent[22] & 1 << 3 != 0;
        let policy = policy(random);
        let ours = validate_produce(&sent, &policy, NOW)
            .map(|batch| batch.to_bytes(BASE, EPOCH))
            .map_err(|rejection| rejection.message);
        let compacted = ours
            .as_ref()
            .ok()
            .and_then(|stored| compacted(stored, random));
        Self {
            codec,
            policy,
            sent,
            has_append_time,
            ours,
            compacted,
        }
    }

    /// The questions about it, each with its answer to come.
    fn questions(&self) -> Vec<Vec<u8>> {
        let mut questions = vec![produce(&self.policy, &self.sent)];
        questions.extend(self.ours.as_ref().ok().map(|stored| consume(stored)));
        questions.extend(self.compacted.as_ref().map(|(bytes, _)| consume(bytes)));
        questions
    }

    fn compare(
        &self,
        java: Answer,
        answers: &mut impl Iterator<Item = Answer>,
        differences: &mut Differences,
    ) {
        let mut next = || answers.next().expect("each question has an answer");
        match (&self.ours, java) {
            (Ok(stored), java) => self.compare_stored(stored, java, &next(), differences),
            (Err(reason), Ok(stored)) => differences.refused.push(Refused {
                kind: format!("{}: {}", self.stream(), kind_of(reason)),
                details: self.details(),
                stored,
            }),
            (Err(_), Err(_)) => {}
        }
        if let Some((bytes, kept)) = &self.compacted {
            let theirs = next();
            if theirs.as_ref() != Ok(kept) {
                let kind = format!("{}: compacted, consumer: {theirs:?}", self.codec);
                differences.add(kind_of(&kind), || hex(bytes));
            }
        }
    }

    /// Of a batch that is taken here: what Java made of it, and what its consumers make of ours.
    fn compare_stored(
        &self,
        stored: &[u8],
        java: Answer,
        consumed: &Answer,
        differences: &mut Differences,
    ) {
        let codec = self.codec;
        let ours = hash(stored);
        if ours != *consumed {
            let kind = format!("{codec}: stored, consumer: {consumed:?}");
            differences.add(kind_of(&kind), || {
                format!("{consumed:?} for {ours:?} {}", self.details())
            });
        }
        match java {
            // Where Java compresses anew, it gives all records the time that the bit promises.
            Ok(_) if self.has_append_time && self.policy.compression.is_some() => {}
            Ok(stored) if hash(&stored) != ours => {
                let kind = format!("{codec}: stored with other records");
                differences.add(kind, || self.details());
            }
            Ok(_) => {}
            Err(error) => {
                let told = format!("{}: {error}", self.stream());
                if !TAKEN.iter().any(|(words, _)| told.contains(words)) {
                    let kind = format!("{codec}: taken here, refused there: {}", kind_of(&error));
                    differences.add(kind, || format!("{error} {}", self.details()));
                }
            }
        }
    }

    /// The codec, and what no other stream of it has.
    fn stream(&self) -> String {
        let begins = |bytes: &&[u8]| bytes.starts_with(b"\x82SNA");
        let headers = (0..self.sent.len())
            .map(|at| &self.sent[at..])
            .filter(begins);
        let is_damaged = |header: &[u8]| !header.starts_with(b"\x82SNAPPY\0");
        match self.codec {
            Compression::Snappy if headers.skip(1).any(is_damaged) => {
                "snappy, with a damaged second header".to_owned()
            }
            codec => codec.to_string(),
        }
    }

    fn details(&self) -> String {
        let codec = self.policy.compression.map(|it| it.codec.name());
        format!("to {codec:?}: {}", hex(&self.sent))
    }
}

#[test]
fn what_is_accepted_here_is_read_by_java_and_the_other_way_round() {
    let Some(mut java) = Java::start() else {
        return;
    };
    let seed = seed();
    let mut random = Random::new(seed);
    let mut differences = Differences::default();
    let mut accepted = 0;
    let mut left = runs();
    while left > 0 {
        let cases: Vec<Case> = (0..left.min(AT_ONCE))
            .map(|_| Case::new(&mut random))
            .collect();
        left -= cases.len();
        accepted += cases.iter().filter(|case| case.ours.is_ok()).count();
        let questions: Vec<_> = cases.iter().flat_map(Case::questions).collect();
        let mut answers = java.ask(&questions).into_iter();
        for case in &cases {
            let java = answers.next().expect("each question has an answer");
            case.compare(java, &mut answers, &mut differences);
        }
    }
    differences.judge_refused(&mut java);
    java.end();
    println!("{accepted} of {} accepted, SEED={seed}", runs());
    differences.check(seed);
    assert!(
        accepted > runs() / 4,
        "only {accepted} of {} were accepted",
        runs()
    );
}

/// A batch without compression, with all that records can have.
fn honest(random: &mut Random) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for index in 0..1 + random.below(200) {
        let size = if random.one_in(50) {
            random.below(100_000)
        } else {
            random.below(200)
        };
        let value: Vec<u8> = match random.below(3) {
            0 => (0..size).map(|_| random.next() as u8).collect(),
            _ => format!("value {index} ")
                .into_bytes()
                .into_iter()
                .cycle()
                .take(size)
                .collect(),
        };
        let headers = [
            Header {
                key: b"h",
                value: Some(&value[..size / 2]),
            },
            Header {
                key: b"",
                value: None,
            },
        ];
        builder.append(NewRecord {
            timestamp: Timestamp(NOW.0 - random.below(1_000) as i64),
            key: (!random.one_in(3)).then_some(&value[..size / 4]),
            value: (!random.one_in(5)).then_some(&value),
            headers: &headers[..random.below(3)],
        });
    }
    builder.build()
}

#[test]
fn what_java_compresses_at_any_level_is_read() {
    let Some(mut java) = Java::start() else {
        return;
    };
    let seed = seed();
    let mut random = Random::new(seed);
    let mut left = runs() / 10;
    while left > 0 {
        let mut batches = Vec::new();
        for _ in 0..left.min(AT_ONCE / 10) {
            let codec = CODECS[random.below(CODECS.len())];
            let level = match codec {
                Compression::Gzip => 1 + random.below(9) as i32,
                Compression::Lz4 => 1 + random.below(17) as i32,
                Compression::Zstd => random.below(29) as i32 - 7,
                Compression::None | Compression::Snappy => 0,
            };
            batches.push((codec, level, honest(&mut random)));
        }
        left -= batches.len();
        let questions = batches
            .iter()
            .map(|(codec, level, batch)| compress(*codec, *level, batch));
        let answers = java.ask(&questions.collect::<Vec<_>>());
        for ((codec, level, batch), compressed) in batches.iter().zip(answers) {
            let context = format!("{codec} {level}, SEED={seed}");
            let compressed = Bytes::from(compressed.expect(&context));
            assert_eq!(hash(&compressed), hash(batch), "{context}");
            let policy = AppendPolicy {
                max_message_bytes: 1 << 30,
                ..AppendPolicy::default()
            };
            let accepted = validate_produce(&compressed, &policy, NOW).expect(&context);
            assert_eq!(
                accepted.to_bytes(Offset::ZERO, LeaderEpoch::NONE),
                compressed,
                "{context}"
            );
        }
    }
    java.end();
}
