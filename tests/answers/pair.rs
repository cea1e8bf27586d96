//! Two brokers, ours and Apache Kafka 4.3.1, that get the same requests; and what was found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use broker::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use broker::protocol::{ApiKey, Request, Str};

use super::accepted::ACCEPTED;
use super::difference::{Difference, Line, differing};
use super::masked::Own;
use super::side::{Reply, Side};
use crate::support::apache::{Apache, ApacheBroker};
use crate::support::{Broker, path_text};

const CLUSTER_ID: &str = "JLLkEA6XQ0C3ANB0bHMI-g";
/// How long all waits for metadata may take together.
const METADATA_PATIENCE: Duration = Duration::from_secs(10);
/// APIs that tell what a broker knows of the controller's decisions, and change nothing.
const READS_METADATA: [ApiKey; 7] = [
    ApiKey::Metadata,
    ApiKey::DescribeConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::DescribeCluster,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
    ApiKey::DescribeClientQuotas,
];
/// How many lines of one difference are shown.
const SHOWN_LINES: usize = 60;

fn apache_log_dir(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("apache")
}

fn properties(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("server.properties")
}

/// The decoded answers to one request; `None` where there was none.
pub struct Both<T> {
    pub ours: Option<T>,
    pub apache: Option<T>,
}

impl<T> Both<T> {
    /// Both answers, where the test cannot go on without them.
    pub fn expect(self, case: &str) -> (T, T) {
        let ours = self
            .ours
            .unwrap_or_else(|| panic!("{case}: no answer from ours"));
        let apache = self.apache;
        (
            ours,
            apache.unwrap_or_else(|| panic!("{case}: no answer from Apache")),
        )
    }
}

/// Both brokers, and what was found.
pub struct Pair {
    pub ours: Side,
    pub apache: Side,
    /// Named in requests from here on.
    pub client_id: Option<Str>,
    ranges: BTreeMap<i16, RangeInclusive<i16>>,
    differences: Vec<Difference>,
    compared: usize,
    /// How long metadata may still take to get through, in all.
    patience: Duration,
    our_broker: Broker,
    jars: Apache,
    apache_broker: Option<ApacheBroker>,
    directory: tempfile::TempDir,
}

impl Pair {
    /// Starts both with the same settings; `None` (said loudly) without Apache's jars.
    pub fn start() -> Option<Self> {
        let jars = Apache::find()?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let host = own_address(13);
        let settings = |port: u16| {
            let controller = port + 1;
            vec![
                ("process.roles", "broker,controller".to_owned()),
                ("node.id", "1".to_owned()),
                ("controller.quorum.voters", format!("1@{host}:{controller}")),
                ("controller.listener.names", "CONTROLLER".to_owned()),
                (
                    "listeners",
                    format!("PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}"),
                ),
                ("offsets.topic.replication.factor", "1".to_owned()),
                ("offsets.topic.num.partitions", "1".to_owned()),
                ("group.initial.rebalance.delay.ms", "0".to_owned()),
                // The records of these tests are years old.
                ("log.retention.ms", "-1".to_owned()),
            ]
        };
        let own = |port: u16, log_dir: &str| {
            let texts = vec![
                (format!("{host}:{port}"), "<broker>"),
                (format!("{host}:{}", port + 1), "<controller>"),
                (log_dir.to_owned(), "<log dir>"),
            ];
            Own::new(port, texts)
        };

        let log_dir = apache_log_dir(&directory);
        let mut text = format!("log.dirs={}\n", path_text(&log_dir));
        for (key, value) in settings(19_092) {
            writeln!(text, "{key}={value}").expect("a string takes all");
        }
        let properties = properties(&directory);
        fs::write(&properties, text).expect("the properties can be written");
        jars.format(&properties, CLUSTER_ID);
        let apache_broker = jars.start(&properties);
        let apache = Side::new(
            true,
            format!("{host}:19092"),
            own(19_092, path_text(&log_dir)),
        );

        let ours = settings(19_192);
        let mut ours: Vec<(&str, &str)> = ours.iter().map(|(k, v)| (*k, v.as_str())).collect();
        ours.push(("cluster.id", CLUSTER_ID));
        let our_broker = Broker::start_with(&ours);
        let own_dir = our_broker.data_dir();
        let ours = Side::new(
            false,
            format!("{host}:19192"),
            own(19_192, path_text(&own_dir)),
        );

        let mut pair = Self {
            ours,
            apache,
            client_id: Some(Str::from_static("answers")),
            ranges: BTreeMap::new(),
            differences: Vec::new(),
            compared: 0,
            patience: METADATA_PATIENCE,
            our_broker,
            jars,
            apache_broker: Some(apache_broker),
            directory,
        };
        pair.learn_ranges();
        Some(pair)
    }

    /// Stops both, and starts them again: leaders change.
    pub fn restart(&mut self) {
        for _ in 0..2 {
            self.ours.hang_up();
            self.apache.hang_up();
            self.change_connection();
        }
        let stopped = self.our_broker.stop();
        assert!(stopped.status.success(), "{}", stopped.output);
        if let Some(running) = self.apache_broker.take() {
            running.stop(&apache_log_dir(&self.directory));
        }
        self.our_broker.start_again();
        self.apache_broker = Some(self.jars.start(&properties(&self.directory)));
    }

    fn learn_ranges(&mut self) {
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("answers"),
            client_software_version: Str::from_static("1"),
            ..ApiVersionsRequest::default()
        };
        let told = |answer: ApiVersionsResponse| {
            let ranges = answer.api_keys.into_iter();
            let ranges = ranges.map(|api| (api.api_key, api.min_version..=api.max_version));
            ranges.collect::<BTreeMap<_, _>>()
        };
        let both = self.call(3, |_| request.clone());
        let (ours, apache) = both.expect("ApiVersions");
        let (ours, apache) = (told(ours), told(apache));
        for (key, range) in ours {
            if let Some(theirs) = apache.get(&key) {
                let first = *range.start().max(theirs.start());
                let last = *range.end().min(theirs.end());
                self.ranges.insert(key, first..=last);
            }
        }
    }

    /// The versions of an API that both serve.
    pub fn versions(&self, key: ApiKey) -> RangeInclusive<i16> {
        let both = self.ranges[&(key as i16)].clone();
        let valid = key.valid_versions();
        *both.start().max(valid.start())..=*both.end()
    }

    pub fn newest(&self, key: ApiKey) -> i16 {
        *self.versions(key).end()
    }

    /// Sends a request to both and compares their answers.
    ///
    /// What only reads metadata is asked again while the answers differ: a broker sees what its
    /// controller has decided a moment later.
    pub fn compare<R: Request>(
        &mut self,
        case: &str,
        version: i16,
        request: impl Fn(&Side) -> R,
    ) -> Both<R::Response> {
        loop {
            let started = Instant::now();
            let replies = self.exchange(version, &request);
            let (both, lines) = self.judge::<R>(version, replies);
            let difference = Difference {
                api: R::KEY.name(),
                version,
                case: case.to_owned(),
                lines,
            };
            let is_final = !READS_METADATA.contains(&R::KEY)
                || self.patience.is_zero()
                || difference.is_accepted();
            if is_final {
                self.note(difference);
                return both;
            }
            self.patience = self.patience.saturating_sub(started.elapsed());
        }
    }

    /// Sends a request in every version that both serve, and compares.
    pub fn compare_all<R: Request>(&mut self, case: &str, request: impl Fn(&Side) -> R) {
        for version in self.versions(R::KEY) {
            self.compare(case, version, &request);
        }
    }

    /// Sends a request to both, and compares nothing: to prepare a case.
    pub fn call<R: Request>(
        &mut self,
        version: i16,
        request: impl Fn(&Side) -> R,
    ) -> Both<R::Response> {
        let (ours, apache) = self.exchange(version, &request);
        let ours = self.ours.decoded::<R>(ours, version).map(|it| it.0);
        let apache = self.apache.decoded::<R>(apache, version).map(|it| it.0);
        Both { ours, apache }
    }

    fn exchange<R: Request>(
        &mut self,
        version: i16,
        request: &impl Fn(&Side) -> R,
    ) -> (Reply, Reply) {
        // Both work while the other does.
        for side in [&mut self.ours, &mut self.apache] {
            let request = request(side);
            let bytes = side.frame(self.client_id.clone(), &request, version);
            side.send(&bytes);
        }
        (self.ours.receive(), self.apache.receive())
    }

    /// Compares the answers to a request of this connection that was sent before.
    pub fn compare_answers<R: Request>(&mut self, case: &str, version: i16) -> Both<R::Response> {
        let replies = (self.ours.receive(), self.apache.receive());
        let (both, lines) = self.judge::<R>(version, replies);
        self.note(Difference {
            api: R::KEY.name(),
            version,
            case: case.to_owned(),
            lines,
        });
        both
    }

    /// Goes on with the other connection to each.
    pub fn change_connection(&mut self) {
        self.ours.change_connection();
        self.apache.change_connection();
    }

    /// Sends to both what needs no answer, or is answered later.
    pub fn send<R: Request>(&mut self, version: i16, request: impl Fn(&Side) -> R) {
        for side in [&mut self.ours, &mut self.apache] {
            let request = request(side);
            let bytes = side.frame(self.client_id.clone(), &request, version);
            side.send(&bytes);
        }
    }

    /// The answers, and the fields in which they differ.
    fn judge<R: Request>(
        &mut self,
        version: i16,
        (ours, apache): (Reply, Reply),
    ) -> (Both<R::Response>, Vec<Line>) {
        let ours_shown = ours.outcome();
        let apache_shown = apache.outcome();
        let ours = self.ours.decoded::<R>(ours, version);
        let apache = self.apache.decoded::<R>(apache, version);
        let ours_lines = ours.as_ref().map(|(_, node)| self.ours.own.show(node));
        let apache_lines = apache.as_ref().map(|(_, node)| self.apache.own.show(node));
        let lines = differing(
            ours_lines.unwrap_or_else(|| vec![("outcome".to_owned(), ours_shown)]),
            apache_lines.unwrap_or_else(|| vec![("outcome".to_owned(), apache_shown)]),
        );
        let both = Both {
            ours: ours.map(|it| it.0),
            apache: apache.map(|it| it.0),
        };
        (both, lines)
    }

    /// Compares what was found in another way than by decoding an answer.
    pub fn compare_texts(&mut self, api: &'static str, case: &str, ours: String, apache: String) {
        let line = |text| vec![("outcome".to_owned(), text)];
        self.note(Difference {
            api,
            version: 0,
            case: case.to_owned(),
            lines: differing(line(ours), line(apache)),
        });
    }

    fn note(&mut self, difference: Difference) {
        self.compared += 1;
        if !difference.lines.is_empty() {
            self.differences.push(difference);
        }
    }

    /// Fails on differences that are not accepted and, after all parts, on accepted ones that are gone.
    pub fn finish(self, started: Instant, is_all: bool) {
        let mut used = vec![false; ACCEPTED.len()];
        let mut report = String::new();
        let mut count = 0;
        for difference in &self.differences {
            let new: Vec<&Line> = difference
                .lines
                .iter()
                .filter(|line| {
                    let places: Vec<usize> = difference.covering(line).collect();
                    places.iter().for_each(|place| used[*place] = true);
                    places.is_empty()
                })
                .collect();
            if new.is_empty() {
                continue;
            }
            count += 1;
            let Difference {
                api, version, case, ..
            } = difference;
            writeln!(report, "{api} {version}, {case}:").expect("a string takes all");
            for Line {
                field,
                ours,
                apache,
            } in new.iter().take(SHOWN_LINES)
            {
                writeln!(
                    report,
                    "  {field}\n    ours:   {ours}\n    apache: {apache}"
                )
                .expect("a string takes all");
            }
            if new.len() > SHOWN_LINES {
                writeln!(report, "  and {} more", new.len() - SHOWN_LINES)
                    .expect("a string takes all");
            }
        }
        println!(
            "{} answers compared in {:.1?}, {} cases differ as accepted",
            self.compared,
            started.elapsed(),
            self.differences.len() - count
        );
        for (accepted, used) in ACCEPTED.iter().zip(used) {
            if is_all && !used {
                count += 1;
                writeln!(report, "accepted, but not seen: {accepted}").expect("a string takes all");
            }
        }
        assert!(count == 0, "{count} differences:\n{report}");
    }
}

/// An address of 127/8 that no other process uses, so that ports can be fixed.
fn own_address(test: u8) -> String {
    let pid = std::process::id();
    format!("127.{test}.{}.{}", (pid >> 8) & 0xff, pid & 0xff)
}
