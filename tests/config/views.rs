//! Typed views: what they read, and what they refuse between keys.

use std::path::Path;

use broker::config::keys::{broker_key, broker_keys, topic_keys};
use broker::config::{BrokerConfig, Endpoint, Layers, Roles, Scope, Status};
use broker::model::BrokerId;

use crate::settings;

fn read(pairs: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::read(&Layers::of(&settings(pairs))).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    BrokerConfig::read(&Layers::of(&settings(pairs)))
        .expect_err("the settings contradict each other")
        .to_string()
}

fn show(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(ToString::to_string).collect()
}

/// The source of all views, in which a key that is read stands in quotes.
fn sources() -> String {
    [
        "admin",
        "advertised",
        "broker",
        "check",
        "cordon",
        "group_coordinator",
        "listeners",
        "membership",
        "network",
        "node",
        "protocols",
        "quotas",
        "replication",
        "roles",
        "storage",
    ]
    .map(|file| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/config/{file}.rs"));
        std::fs::read_to_string(path).expect("the views are there")
    })
    .concat()
}

#[test]
fn every_key_that_acts_is_read_by_a_view() {
    let sources = sources();
    // Those that no file can set are read from the metadata.
    let in_files = broker_keys().filter(|key| key.is_static());
    for key in in_files.filter(|key| key.status == Status::Acts) {
        let is_for_topics = topic_keys()
            .flat_map(|topic| topic.broker_defaults())
            .any(|default| default.name == key.name);
        let is_read = sources.contains(&format!("\"{}\"", key.name));
        assert!(is_read || is_for_topics, "nothing reads {}", key.name);
    }
}

#[test]
fn no_field_is_named_after_a_key_that_does_not_act() {
    let config = format!("{:?}", read(&[]));
    for key in broker_keys().filter(|key| key.status != Status::Acts) {
        let is_topics = topic_keys().any(|topic| topic.name == key.name);
        let field = format!(" {}: ", key.name.replace('.', "_"));
        assert!(
            is_topics || !config.contains(&field),
            "{} has a field",
            key.name
        );
    }
}

#[test]
fn brokers_speak_to_each_other_over_the_listener_that_is_named_or_fits() {
    let name = |pairs: &[(&str, &str)]| read(pairs).network.listeners.to_brokers;
    let two = "IN://10.0.0.1:9092,OUT://10.0.0.1:9094";
    let map = "IN:PLAINTEXT,OUT:PLAINTEXT,CONTROLLER:PLAINTEXT";
    let of_two = [("listeners", two), ("listener.security.protocol.map", map)];

    assert_eq!(name(&[]), "PLAINTEXT");
    assert_eq!(name(&of_two), "IN", "the first");
    let named = [&of_two[..], &[("inter.broker.listener.name", "out")]].concat();
    assert_eq!(name(&named), "OUT");
}

#[test]
fn listeners_are_split_by_role() {
    let config = read(&[
        ("listeners", "IN://10.0.0.1:9092,OUT://:9094,CTL://:9093"),
        (
            "listener.security.protocol.map",
            "IN:PLAINTEXT,OUT:PLAINTEXT,CTL:PLAINTEXT",
        ),
        ("controller.listener.names", "ctl"),
        ("advertised.listeners", "OUT://example.org:19094"),
        ("node.id", "7"),
    ]);

    let listeners = &config.network.listeners;
    assert_eq!(
        show(&listeners.broker),
        ["IN://10.0.0.1:9092", "OUT://:9094"]
    );
    assert_eq!(show(&listeners.controller), ["CTL://:9093"]);
    assert_eq!(show(&listeners.advertised), ["OUT://example.org:19094"]);
    assert_eq!(show(&listeners.advertised_controller), ["CTL://:9093"]);
    assert_eq!(config.node.node_id, BrokerId(7));
    assert_eq!(config.node.process_roles, Roles::Both);
    assert_eq!(config.node.controller_quorum_voters[0].id, BrokerId(7));
}

#[test]
fn a_controllers_listener_is_added_where_nothing_speaks_of_it() {
    let config = read(&[("listeners", "PLAINTEXT://:1")]);
    assert_eq!(
        show(&config.network.listeners.controller),
        ["CONTROLLER://localhost:9093"]
    );

    let error = refusal(&[
        ("listeners", "PLAINTEXT://:1"),
        ("controller.listener.names", "CONTROLLER"),
    ]);
    assert!(
        error.contains("listeners has no listener CONTROLLER"),
        "{error}"
    );
}

#[test]
fn the_settings_of_an_apache_node_are_read_alike() {
    let config = read(&[
        ("process.roles", "broker,controller"),
        ("node.id", "3"),
        ("controller.quorum.voters", "3@127.0.0.1:19093"),
        ("controller.listener.names", "CONTROLLER"),
        (
            "listeners",
            "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093",
        ),
        ("log.dirs", "/a,/b"),
        ("inter.broker.listener.name", "PLAINTEXT"),
    ]);

    assert_eq!(config.node.controller_quorum_voters[0].port, 19093);
    assert_eq!(config.storage.log_dirs, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(config.metadata_log.metadata_log_dir, Path::new("/a"));
}

#[test]
fn the_settings_of_an_apache_controller_among_three_are_read_alike() {
    let config = read(&[
        ("process.roles", "controller"),
        ("node.id", "2"),
        ("cluster.id", "MkU3OEVBNTcwNTJENDM2Qg"),
        (
            "controller.quorum.voters",
            "1@c1:19093,2@c2:19093,3@c3:19093",
        ),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "CONTROLLER://0.0.0.0:19093"),
        // The session is the controller's, the heartbeats are the brokers'.
        ("broker.session.timeout.ms", "1500"),
        ("initial.broker.registration.timeout.ms", "0"),
    ]);

    assert_eq!(config.node.process_roles, Roles::Controller);
    let voters = config.node.controller_quorum_voters.iter();
    let voters: Vec<_> = voters.map(ToString::to_string).collect();
    assert_eq!(voters, ["1@c1:19093", "2@c2:19093", "3@c3:19093"]);
    let listeners = &config.network.listeners;
    assert_eq!(show(&listeners.broker), [""; 0]);
    assert_eq!(
        show(&listeners.advertised_controller),
        ["CONTROLLER://c2:19093"]
    );
    assert_eq!(config.quorum.broker_session_timeout_ms, 1500);
}

#[test]
fn replicas_move_on_as_many_threads_as_there_are_directories_or_as_was_set() {
    let threads = |set: &[(&str, &str)]| read(set).storage.move_threads();
    let name = "num.replica.alter.log.dirs.threads";

    assert_eq!(threads(&[]), 1);
    assert_eq!(threads(&[("log.dirs", "/a,/b,/c")]), 3);
    assert_eq!(threads(&[("log.dirs", "/a,/b,/c"), (name, "2")]), 2);
    assert_eq!(threads(&[(name, "0")]), 1);
}

#[test]
fn the_old_name_of_the_node_id_counts_alone() {
    assert_eq!(read(&[("broker.id", "4")]).node.node_id, BrokerId(4));
    assert_eq!(
        read(&[("broker.id", "4"), ("node.id", "4")]).node.node_id,
        BrokerId(4)
    );
    let error = refusal(&[("broker.id", "4"), ("node.id", "5")]);
    assert!(
        error.starts_with("Invalid value 4 for configuration broker.id"),
        "{error}"
    );
}

#[test]
fn limits_of_listeners_and_addresses_are_read() {
    let network = read(&[
        ("listener.name.plaintext.max.connections", "12"),
        ("max.connections.per.ip.overrides", "10.0.0.1:5, ::1:7"),
    ])
    .network;

    assert_eq!(network.max_connections_of_listener["PLAINTEXT"], 12);
    assert_eq!(network.max_connections_per_ip_overrides["10.0.0.1"], 5);
    assert_eq!(network.max_connections_per_ip_overrides["::1"], 7);
}

/// Settings that do not go together, and what the complaint names.
const CONTRADICTIONS: &[(&[(&str, &str)], &str)] = &[
    (&[("process.roles", "broker")], "controller.quorum.voters"),
    (
        &[("initial.broker.registration.timeout.ms", "0")],
        "at least 1",
    ),
    (&[("broker.heartbeat.interval.ms", "0")], "at least 1"),
    (
        &[("broker.session.timeout.ms", "2000")],
        "broker.session.timeout.ms, 2000",
    ),
    (&[("listeners", "nonsense")], "{name}://{host}:{port}"),
    (
        &[("listeners", "X://:1,CONTROLLER://:2")],
        "does not say what is spoken on X",
    ),
    (
        &[("listeners", "SSL://:1,CONTROLLER://:2")],
        "SSL is not served yet",
    ),
    (
        &[("listeners", "SASL_PLAINTEXT://:1,CONTROLLER://:2")],
        "is not served yet",
    ),
    (
        &[("listener.security.protocol.map", "PLAINTEXT:TLS")],
        "TLS is no security protocol",
    ),
    (
        &[("listener.security.protocol.map", "PLAINTEXT")],
        "{name}:{protocol}",
    ),
    (
        &[("listeners", "PLAINTEXT://:1,PLAINTEXT://:2,CONTROLLER://:3")],
        "its own name",
    ),
    (
        &[("listeners", "PLAINTEXT://:1,CONTROLLER://localhost:1")],
        "share port 1",
    ),
    (
        &[("listeners", "CONTROLLER://:3")],
        "none is left for clients",
    ),
    (
        &[("advertised.listeners", "OTHER://a:1")],
        "advertised.listeners",
    ),
    (
        &[("advertised.listeners", "PLAINTEXT://0.0.0.0:1")],
        "0.0.0.0",
    ),
    (
        &[("advertised.listeners", "CONTROLLER://a:1")],
        "no listener that clients",
    ),
    (
        &[("controller.quorum.voters", "1@a:1,2@b:2,3@c:3")],
        "add node.id",
    ),
    (&[("controller.quorum.voters", "2@a:1")], "This node, 1"),
    (
        &[("controller.quorum.bootstrap.servers", "a:1,b:2")],
        "kraft.version 0",
    ),
    (
        &[("controller.quorum.auto.join.enable", "true")],
        "kraft.version 0",
    ),
    (
        &[("authorizer.class.name", "org.apache.X")],
        "no authorizer yet",
    ),
    (&[("create.topic.policy.class.name", "X")], "Java class"),
    (
        &[("remote.log.storage.system.enable", "true")],
        "not there yet",
    ),
    (&[("cluster.id", "short")], "base64"),
    (&[("logging.level", "info,loud")], "logging.level"),
    (&[("log.roll.ms", "0")], "log.roll.ms"),
    (&[("log.roll.jitter.ms", "-1")], "log.roll.jitter.ms"),
    (&[("log.retention.ms", "0")], "log.retention.ms"),
    (&[("log.retention.hours", "0")], "log.retention.hours"),
    (
        &[
            ("log.cleaner.min.compaction.lag.ms", "2"),
            ("log.cleaner.max.compaction.lag.ms", "1"),
        ],
        "min.compaction",
    ),
    (
        &[("log.cleaner.dedupe.buffer.size", "1048576")],
        "log.cleaner.dedupe.buffer.size",
    ),
    (
        &[("replica.fetch.wait.max.ms", "40000")],
        "replica.socket.timeout.ms",
    ),
    (
        &[("replica.lag.time.max.ms", "499")],
        "replica.lag.time.max.ms",
    ),
    (
        &[("queued.max.request.bytes", "104857599")],
        "socket.request.max.bytes",
    ),
    (&[("max.connections.per.ip", "0")], "max.connections.per.ip"),
    (
        &[
            ("max.connections.per.ip", "0"),
            ("max.connections.per.ip.overrides", "10.0.0.1:0"),
        ],
        "Nobody could connect",
    ),
    (&[("max.connections", "0")], "Nobody could connect"),
    (
        &[("max.connection.creation.rate", "0")],
        "Nobody could connect",
    ),
    (
        &[("listener.name.controller.max.connections", "0")],
        "listener.name.controller.max.connections",
    ),
    (
        &[("listener.name.plaintext.max.connection.creation.rate", "0")],
        "Nobody could connect",
    ),
    (
        &[("socket.request.max.bytes", "100")],
        "Nobody could connect",
    ),
    (
        &[("group.max.session.timeout.ms", "5999")],
        "group.min.session.timeout.ms, 6000",
    ),
    (
        &[("inter.broker.listener.name", "REPLICATION")],
        "listeners has no listener REPLICATION",
    ),
    (
        &[("max.connections.per.ip.overrides", "a")],
        "{host}:{count}",
    ),
    (
        &[("max.connections.per.ip.overrides", "a:-1")],
        "{host}:{count}",
    ),
    (
        &[("connections.max.idle.ms", "100")],
        "connections.max.idle.ms",
    ),
    (
        &[
            ("inter.broker.listener.name", "PLAINTEXT"),
            ("security.inter.broker.protocol", "PLAINTEXT"),
        ],
        "Only one",
    ),
];

#[test]
fn contradictions_name_key_and_value() {
    for (pairs, named) in CONTRADICTIONS {
        let error = refusal(pairs);
        assert!(error.contains(named), "{pairs:?}: {error}");
        assert!(error.starts_with("Invalid value "), "{error}");
    }
}

#[test]
fn what_lies_just_inside_the_bounds_is_taken() {
    for pairs in [
        [("log.retention.ms", "-1")],
        [("log.retention.hours", "-1")],
        [("log.roll.ms", "1")],
        [("queued.max.request.bytes", "104857600")],
        [("queued.max.request.bytes", "-1")],
        [("connections.max.idle.ms", "101")],
        [("connections.max.idle.ms", "-1")],
        [("replica.lag.time.max.ms", "500")],
        [("log.cleaner.dedupe.buffer.size", "1048577")],
        [("listeners", "PLAINTEXT://:0,CONTROLLER://:0")],
        [(
            "listeners",
            "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.2:1",
        )],
        [("controller.quorum.bootstrap.servers", "localhost:9093")],
    ] {
        read(&pairs);
    }
}

#[test]
fn our_defaults_are_finite() {
    let network = read(&[]).network;

    assert!(network.max_connections < i32::MAX);
    assert!(network.max_connections_per_ip < network.max_connections);
    assert!(network.queued_max_request_bytes >= i64::from(network.socket_request_max_bytes));
    let unlimited = broker_key("max.decompressed.message.bytes").unwrap();
    assert_ne!(unlimited.scope, Scope::Own);
    assert!(read(&[]).topic_defaults.max_decompressed_message_bytes < i32::MAX / 2);
}
