//! Requests of every API whose arrays are as long as fits: what they take is bounded, the broker goes
//! on, and nobody else waits for long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use broker::protocol::message::Struct as _;
use broker::protocol::messages;
use broker::protocol::schema::{FieldSchema, Kind, Schema};
use broker::protocol::{ApiKey, Request};

use crate::for_each_api;
use crate::support::Broker;

const MIB: usize = 1 << 20;
/// The budget of a broker by default, and what it may take beside that.
const BUDGET: usize = 256 * MIB;
const BESIDE: usize = 64 * MIB;
/// The largest requests, of the newest versions and of the others. With 2 MiB arrays may take all that
/// they may.
const NEWEST: usize = 2 * MIB;
const OLDER: usize = MIB / 16;

/// The requests of all APIs.
fn requests() -> Vec<(ApiKey, &'static Schema)> {
    let mut all = Vec::new();
    macro_rules! add {
        ($($module:ident::{$request:ident, $response:ident}),* $(,)?) => {$(
            let key = messages::$module::$request::KEY;
            all.push((key, messages::$module::$request::SCHEMA));
        )*};
    }
    for_each_api!(add);
    all
}

/// The path of field names to each array of a struct.
fn arrays(schema: &Schema, version: i16) -> Vec<Vec<&'static str>> {
    let mut found = Vec::new();
    for field in fields(schema, version) {
        let Some(element) = element_of(&field.kind) else {
            continue;
        };
        found.push(vec![field.name]);
        if let Kind::Struct(inner) = element {
            let below = arrays(inner, version).into_iter();
            found.extend(below.map(|path| [vec![field.name], path].concat()));
        }
    }
    found
}

fn element_of(kind: &Kind) -> Option<&Kind> {
    match kind {
        Kind::Array(element) => Some(element),
        Kind::Nullable(inner) => element_of(inner),
        _ => None,
    }
}

/// The fields that are not tagged.
fn fields(schema: &Schema, version: i16) -> impl Iterator<Item = &'static FieldSchema> {
    let has = move |field: &&FieldSchema| {
        let (first, last) = field.versions;
        field.tag.is_none() && (first..=last).contains(&version)
    };
    schema.fields.iter().filter(has)
}

/// Writes a request in which one array is as long as fits.
struct Filler {
    version: i16,
    flexible: bool,
    most: usize,
    /// Whether names differ from each other.
    distinct: bool,
    names: u32,
    bytes: Vec<u8>,
}

impl Filler {
    fn request(
        (key, schema): (ApiKey, &Schema),
        version: i16,
        path: &[&str],
        (most, distinct): (usize, bool),
    ) -> Vec<u8> {
        let flexible = version >= schema.first_flexible;
        let mut filler = Self {
            version,
            flexible,
            most,
            distinct,
            names: 0,
            bytes: Vec::new(),
        };
        filler.bytes.extend((key as i16).to_be_bytes());
        filler.bytes.extend(version.to_be_bytes());
        filler.bytes.extend(7_i32.to_be_bytes());
        filler.bytes.extend((-1_i16).to_be_bytes());
        if flexible {
            filler.bytes.push(0);
        }
        filler.structure(schema, path);
        let length = u32::try_from(filler.bytes.len()).expect("it is bounded");
        [&length.to_be_bytes()[..], &filler.bytes].concat()
    }

    fn structure(&mut self, schema: &Schema, path: &[&str]) {
        for field in fields(schema, self.version) {
            let below = match path.split_first() {
                Some((first, below)) if *first == field.name => Some(below),
                _ => None,
            };
            self.field(field, below);
        }
        if self.flexible {
            self.bytes.push(0);
        }
    }

    fn field(&mut self, field: &FieldSchema, path: Option<&[&str]>) {
        match (element_of(&field.kind), path) {
            (Some(element), Some([])) => self.fill(field.name, element),
            (Some(element), Some(below)) => {
                self.length(1, 4);
                self.value(field.name, element, below);
            }
            (Some(_), None) => self.length(0, 4),
            (None, _) => self.value(field.name, &field.kind, &[]),
        }
    }

    /// Elements until the request is as long as it may be. Their number is not known before, so the
    /// array is written apart.
    fn fill(&mut self, name: &str, element: &Kind) {
        let before = std::mem::take(&mut self.bytes);
        let most = self.most - before.len() - 64;
        let mut count = 0;
        while self.bytes.len() < most && count < 1_000_000 {
            self.value(name, element, &[]);
            count += 1;
        }
        let elements = std::mem::replace(&mut self.bytes, before);
        self.length(count, 4);
        self.bytes.extend(elements);
    }

    fn value(&mut self, name: &str, kind: &Kind, path: &[&str]) {
        match kind {
            Kind::Bool => self.bytes.push(u8::from(!name.contains("auto"))),
            // A topic, of configs.
            Kind::Int8 => self.bytes.push(2),
            Kind::Int16 if name == "acks" => self.bytes.extend([0, 1]),
            Kind::Int16 | Kind::Uint16 => self.bytes.extend([0; 2]),
            Kind::Int32 | Kind::Uint32 => self.bytes.extend([0; 4]),
            Kind::Int64 | Kind::Float64 => self.bytes.extend([0; 8]),
            Kind::Uuid => self.bytes.extend([0; 16]),
            Kind::String => self.name(),
            Kind::Bytes => self.length(0, 4),
            Kind::Nullable(inner) => {
                if matches!(**inner, Kind::Struct(_)) {
                    self.bytes.push(1);
                }
                self.value(name, inner, path);
            }
            Kind::Array(_) => self.length(0, 4),
            Kind::Struct(schema) => self.structure(schema, path),
        }
    }

    fn name(&mut self) {
        self.names += 1;
        let name = if self.distinct {
            format!("{:x}", self.names)
        } else {
            "t".to_owned()
        };
        self.length(name.len(), 2);
        self.bytes.extend(name.as_bytes());
    }

    fn length(&mut self, length: usize, width: usize) {
        if !self.flexible {
            self.bytes
                .extend(&(length as u32).to_be_bytes()[4 - width..]);
            return;
        }
        let mut left = length + 1;
        while left >= 0x80 {
            self.bytes.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        self.bytes.push(left as u8);
    }
}

/// Sends a request and reads its answer, or the end of the connection.
fn exchange(address: &str, request: &[u8]) -> Option<Vec<u8>> {
    let mut socket = TcpStream::connect(address).expect("the broker listens");
    let limit = Duration::from_secs(30);
    socket.set_read_timeout(Some(limit)).expect("not zero");
    // The broker may close before all is written.
    let _ = socket.write_all(request);
    let mut length = [0; 4];
    socket.read_exact(&mut length).ok()?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer).ok()?;
    Some(answer)
}

fn api_versions() -> Vec<u8> {
    [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff].to_vec()
}

/// A figure of the process in bytes.
fn memory(pid: u32, figure: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(figure));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.expect("it is told").parse::<usize>().expect("a number") << 10
}

fn broker() -> Broker {
    let largest = (NEWEST + 1024).to_string();
    let broker = Broker::start_with(&[
        ("socket.request.max.bytes", &largest),
        ("auto.create.topics.enable", "false"),
        ("group.initial.rebalance.delay.ms", "0"),
    ]);
    // CreateTopics, version 2: `t` with one partition.
    let mut create = vec![0, 19, 0, 2, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 1, 0, 1, b't'];
    create.extend([
        0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x75, 0x30, 0,
    ]);
    let length = u32::try_from(create.len()).expect("it is short");
    let created = exchange(
        broker.bootstrap(),
        &[&length.to_be_bytes()[..], &create].concat(),
    );
    assert!(created.is_some());
    broker
}

#[test]
fn full_arrays_of_every_api_take_no_more_than_the_budget() {
    let broker = broker();
    let before = memory(broker.pid(), "VmRSS");
    let mut peak = (0, String::new());
    for (key, schema) in requests() {
        let newest = *key.valid_versions().end();
        for version in key.valid_versions() {
            let most = if version == newest { NEWEST } else { OLDER };
            for path in arrays(schema, version) {
                for distinct in [false, true] {
                    let how = (most, distinct);
                    let request = Filler::request((key, schema), version, &path, how);
                    let begin = Instant::now();
                    let answer = exchange(broker.bootstrap(), &request).map(|it| it.len());
                    let took = begin.elapsed();
                    let case = format!("{key} version {version}, {path:?}, distinct: {distinct}");
                    let now = memory(broker.pid(), "VmHWM");
                    if now > peak.0 + MIB || took > Duration::from_secs(2) {
                        println!("{case}: {} MiB, {answer:?} in {took:?}", now / MIB);
                    }
                    peak = (now, case).max(peak);
                }
            }
        }
    }

    assert!(exchange(broker.bootstrap(), &api_versions()).is_some());
    let (most, case) = peak;
    assert!(
        most < before + BUDGET + BESIDE,
        "{} MiB became {} MiB at {case}",
        before / MIB,
        most / MIB
    );
}

/// One resource, 20,000 times: 97 KiB that Kafka answers with some hundred MiB.
#[test]
fn a_small_request_for_a_huge_answer_gets_errors_and_others_do_not_wait() {
    let broker = broker();
    let before = memory(broker.pid(), "VmRSS");
    let path = ["resources"];
    let schema = messages::describe_configs::DescribeConfigsRequest::SCHEMA;
    let how = (97 << 10, false);
    let request = Filler::request((ApiKey::DescribeConfigs, schema), 4, &path, how);
    let done = AtomicBool::new(false);

    let (answer, longest) = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let answer = exchange(broker.bootstrap(), &api_versions());
                assert!(answer.is_some());
                longest = longest.max(begin.elapsed());
            }
            longest
        });
        let answer = exchange(broker.bootstrap(), &request);
        done.store(true, Ordering::Relaxed);
        (answer, others.join().expect("it does not panic"))
    });

    let size = answer.expect("an answer").len();
    assert!(size < 34 * MIB, "{size} bytes");
    let peak = memory(broker.pid(), "VmHWM");
    assert!(
        peak < before + BUDGET + BESIDE,
        "{} MiB became {} MiB",
        before / MIB,
        peak / MIB
    );
    // 100 ms on a quiet machine.
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
