//! The metrics of three nodes, each of which tells its own: together they are the cluster's. And what a real
//! Prometheus makes of them.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use broker::protocol::ErrorCode;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use crate::nodes::{Maker, Nodes};
use crate::support::http::{get, query_part};
use crate::support::metrics_text::Scrape;
use crate::support::process::Process;
use crate::support::{path_text, tools};
use crate::topics;
use crate::voice::{PATIENCE, wait_for};

const OURS: [Maker; 3] = [Maker::Ours; 3];
const ADMIN_PORT: u16 = 9000;
const PROMETHEUS_PORT: u16 = 9090;

fn admin(nodes: &Nodes, id: i32) -> String {
    let (host, _) = split(&nodes.bootstrap(id));
    format!("{host}:{ADMIN_PORT}")
}

fn split(address: &str) -> (String, String) {
    let (host, port) = address.split_once(':').expect("host and port");
    (host.to_owned(), port.to_owned())
}

/// Three nodes with admin listeners, which do not run.
fn nodes(test: u8) -> Nodes {
    let settings = [
        ("offsets.topic.num.partitions", "3"),
        ("offsets.topic.replication.factor", "3"),
        ("group.initial.rebalance.delay.ms", "0"),
    ];
    let mut nodes = Nodes::combined(test, &OURS, &settings).expect("they are ours");
    for id in nodes.ids() {
        let listener = format!("http://{}", admin(&nodes, id));
        nodes.set(id, "admin.listeners", &listener);
    }
    nodes
}

fn scrape(nodes: &Nodes, id: i32, path: &str) -> Scrape {
    Scrape::parse(&get(&admin(nodes, id), path).body)
}

fn client(nodes: &Nodes, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", nodes.bootstrap(1));
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// Sends so many messages to each partition of a topic.
fn fill(nodes: &Nodes, topic: &str, partitions: i32, messages: usize) {
    let producer: BaseProducer = client(nodes, &[]).create().expect("valid settings");
    for _ in 0..messages {
        for partition in 0..partitions {
            let record = BaseRecord::<(), str>::to(topic).partition(partition);
            producer.send(record.payload("x")).expect("there is room");
        }
    }
    producer.flush(PATIENCE).expect("all is acknowledged");
}

/// Joins a group, reads so many messages, and commits after the last of them.
fn read(nodes: &Nodes, group: &str, topic: &str, messages: usize) -> BaseConsumer {
    let settings = [
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
    ];
    let consumer: BaseConsumer = client(nodes, &settings).create().expect("valid settings");
    consumer.subscribe(&[topic]).expect("a name");
    let mut read = 0;
    wait_for("all messages", || {
        while let Some(message) = consumer.poll(Duration::from_millis(100)) {
            message.expect("it can be read");
            read += 1;
        }
        (read >= messages).then_some(())
    });
    let committed = consumer.commit_consumer_state(CommitMode::Sync);
    committed.expect("the coordinator takes it");
    consumer
}

/// Whether the nodes together tell all of topic `t` and of the four groups that read it, and nothing twice.
fn is_whole(nodes: &Nodes) -> bool {
    let scrapes: Vec<Scrape> = nodes
        .ids()
        .into_iter()
        .map(|id| scrape(nodes, id, "/metrics/detailed"))
        .collect();
    let values = |name: &str| -> Vec<f64> {
        let all = scrapes.iter().flat_map(|scrape| scrape.all(name));
        all.filter(|(labels, _)| labels.get("topic").is_some_and(|it| it == "t"))
            .map(|(_, value)| value)
            .collect()
    };
    let count = |name: &str| values(name).len();
    let sum = |name: &str| values(name).into_iter().sum::<f64>();
    count("kafka_topic_partitions") == 1
        && count("kafka_topic_partition_leader") == 6
        && count("kafka_log_log_size") == 18
        && count("kafka_server_fetcherlagmetrics_consumerlag") == 12
        && sum("kafka_topic_partition_current_offset") == 90.0
        && sum("kafka_topic_partition_in_sync_replica") == 18.0
        && sum("kafka_server_fetcherlagmetrics_consumerlag") == 0.0
        && sum("kafka_server_brokertopicmetrics_messagesin_total") == 90.0
        && count("kafka_consumergroup_lag") == 4 * 6
        && sum("kafka_consumergroup_lag") == 4.0 * 30.0
        && sum("kafka_consumergroup_lag_sum") == 4.0 * 30.0
}

#[test]
fn each_node_tells_its_own_and_together_it_is_the_cluster() {
    let mut nodes = nodes(240);
    nodes.start_all();
    let created = topics::create(&nodes.bootstrap(1), "t", (6, 3), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    fill(&nodes, "t", 6, 10);
    let _consumers: Vec<BaseConsumer> = (0..4)
        .map(|number| read(&nodes, &format!("g{number}"), "t", 60))
        .collect();
    fill(&nodes, "t", 6, 5);

    wait_for("all of it, each once", || is_whole(&nodes).then_some(()));
    let few: Vec<Scrape> = nodes
        .ids()
        .into_iter()
        .map(|id| scrape(&nodes, id, "/metrics"))
        .collect();
    let sum = |name: &str| -> f64 { few.iter().map(|it| it.value(name, &[])).sum() };
    assert_eq!(
        sum("kafka_controller_kafkacontroller_activecontrollercount"),
        1.0
    );
    assert_eq!(sum("kafka_server_replicamanager_leadercount"), 6.0 + 3.0);
    assert_eq!(
        sum("kafka_server_replicamanager_underreplicatedpartitions"),
        0.0
    );
    let followers = [("request", "FetchFollower")];
    for scrape in &few {
        assert!(scrape.value("broker_request_seconds_count", &followers) > 0.0);
        assert_eq!(scrape.value("kafka_brokers", &[]), 3.0);
    }

    nodes.kill(3);
    wait_for("what is missing", || {
        let seen: Vec<Scrape> = [1, 2].map(|id| scrape(&nodes, id, "/metrics")).into();
        let under = "kafka_server_replicamanager_underreplicatedpartitions";
        let under: f64 = seen.iter().map(|it| it.value(under, &[])).sum();
        (under == 9.0).then_some(())
    });
    // The leader that is gone is not waited for; who leads in its place is asked.
    wait_for("the lag of all groups", || {
        let lags = [1, 2].map(|id| {
            let seen = scrape(&nodes, id, "/metrics/detailed");
            seen.all("kafka_consumergroup_lag")
                .map(|it| it.1)
                .sum::<f64>()
        });
        (lags.iter().sum::<f64>() == 120.0).then_some(())
    });
}

#[test]
fn a_node_that_waits_for_others_is_alive_and_not_ready() {
    let mut nodes = nodes(241);
    nodes.spawn(1);
    nodes.wait_for_line(1, "serving metrics and health");

    let live = get(&admin(&nodes, 1), "/livez");
    let ready = get(&admin(&nodes, 1), "/readyz");
    assert_eq!(live.status, 200, "{}", live.body);
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (503, "node 1 is starting\n")
    );
    let few = scrape(&nodes, 1, "/metrics");
    assert_eq!(few.value("kafka_server_kafkaserver_brokerstate", &[]), 1.0);

    nodes.spawn(2);
    nodes.spawn(3);
    for id in nodes.ids() {
        wait_for("a node that is ready", || {
            (get(&admin(&nodes, id), "/readyz").status == 200).then_some(())
        });
    }
    wait_for("a restart that is safe", || {
        (get(&admin(&nodes, 2), "/safe-to-restart").status == 200).then_some(())
    });
    nodes.kill(1);
    nodes.kill(3);
    wait_for("a node that is cut off", || {
        let ready = get(&admin(&nodes, 2), "/readyz");
        (ready.status == 503).then_some(())
    });
    assert_eq!(get(&admin(&nodes, 2), "/livez").status, 200);
}

/// A Prometheus that scrapes three nodes every second.
struct Prometheus {
    address: String,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// `None` where it is not installed.
    fn start(nodes: &Nodes) -> Option<Self> {
        let program = tools::program("prometheus")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let targets: Vec<String> = nodes
            .ids()
            .into_iter()
            .map(|id| format!("\"{}\"", admin(nodes, id)))
            .collect();
        let targets = targets.join(", ");
        let text = fs::read_to_string(repository("config/prometheus.yml")).expect("it is there");
        let alerts = repository("config/prometheus-alerts.yml");
        let text = text
            .replace(
                "\"127.0.0.1:9000\", \"127.0.0.1:9001\", \"127.0.0.1:9002\"",
                &targets,
            )
            .replace("15s", "1s")
            .replace("scrape_interval: 30s", "scrape_interval: 1s")
            .replace("scrape_timeout: 10s", "scrape_timeout: 1s")
            .replace("prometheus-alerts.yml", &alerts);
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, text).expect("it can be written");
        let (host, _) = split(&nodes.bootstrap(1));
        let address = format!("{host}:{PROMETHEUS_PORT}");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", path_text(&config)));
        let data = directory.path().join("data");
        command.arg(format!("--storage.tsdb.path={}", path_text(&data)));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::spawn_command(&mut command);
        process.wait_until_printed("Server is ready to receive web requests", PATIENCE);
        Some(Self {
            address,
            _process: process,
            _directory: directory,
        })
    }

    fn api(&self, path: &str) -> Value {
        let answer = get(&self.address, path);
        let value: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(value["status"], "success", "{path}: {value}");
        value["data"].clone()
    }

    /// The series that a query yields.
    fn query(&self, query: &str) -> Vec<Value> {
        let data = self.api(&format!("/api/v1/query?query={}", query_part(query)));
        data["result"].as_array().cloned().unwrap_or_default()
    }
}

fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// All queries of the dashboard, with values for its variables.
fn queries_of_dashboard() -> Vec<String> {
    let text = fs::read_to_string(repository("config/grafana-dashboard.json"));
    let dashboard: Value = serde_json::from_str(&text.expect("it is there")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| {
        let query = target["expr"].as_str().expect("a query");
        query
            .replace("$instance", ".*")
            .replace("$__rate_interval", "10s")
    });
    queries.collect()
}

#[test]
fn every_query_of_the_dashboard_and_of_the_alerts_works_on_a_real_prometheus() {
    if tools::program("prometheus").is_none() {
        return;
    }
    let mut nodes = nodes(242);
    nodes.start_all();
    let created = topics::create(&nodes.bootstrap(1), "t", (6, 3), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let prometheus = Prometheus::start(&nodes).expect("it is installed");
    wait_for("all targets", || {
        let up = prometheus.query("up == 1");
        (up.len() == 6).then_some(())
    });

    let queries = queries_of_dashboard();
    assert!(queries.len() > 40, "only {} queries", queries.len());
    // While it goes on rates are of something, and so are quantiles.
    let stop = AtomicBool::new(false);
    let missing = thread::scope(|scope| {
        let (nodes, stop) = (&nodes, &stop);
        scope.spawn(move || {
            let mut all = 0;
            while !stop.load(Ordering::Relaxed) {
                fill(nodes, "t", 6, 20);
                all += 120;
                drop(read(nodes, &format!("g{all}"), "t", all));
            }
        });
        let mut missing = queries;
        let deadline = std::time::Instant::now() + PATIENCE;
        while !missing.is_empty() && std::time::Instant::now() < deadline {
            missing.retain(|query| prometheus.query(query).is_empty());
            thread::sleep(Duration::from_millis(200));
        }
        stop.store(true, Ordering::Relaxed);
        missing
    });
    assert!(missing.is_empty(), "they yield nothing: {missing:#?}");

    let groups = prometheus.api("/api/v1/rules");
    let groups = groups["groups"].as_array().cloned().unwrap_or_default();
    let rules: Vec<Value> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
        .collect();
    assert!(rules.len() > 20, "only {} rules", rules.len());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        // What it is about is there, so that the alert can fire: all of these are false now.
        let query = rule["query"].as_str().expect("a query");
        for metric in metrics_of(query) {
            let found = prometheus.query(&metric);
            assert!(!found.is_empty(), "{}: no {metric}", rule["name"]);
        }
        assert_eq!(rule["state"], "inactive", "{rule}");
    }
}

/// The names of metrics in a query: all that look like one of ours.
fn metrics_of(query: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = query.split(|c| !is_name(c));
    words
        .filter(|word| {
            ["kafka_", "broker_", "process_"]
                .iter()
                .any(|it| word.starts_with(it))
        })
        .map(str::to_owned)
        .collect()
}
