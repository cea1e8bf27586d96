//! The config from file and environment.

use std::fs;
use std::path::{Path, PathBuf};

use broker::config::{LoadError, Loaded, load};
use broker::model::BrokerId;
use tempfile::TempDir;

fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    fs::write(&path, text).expect("the file can be written");
    (directory, path)
}

fn from_toml(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let (_directory, path) = file("broker.toml", text);
    load(Some(&path), owned(variables))
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn error(text: &str, variables: &[(&str, &str)]) -> String {
    from_toml(text, variables)
        .expect_err("the config is wrong")
        .to_string()
}

#[test]
fn the_example_is_good_and_warns_of_nothing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/broker.toml");

    let loaded = load(Some(path.as_ref()), []).unwrap();

    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(loaded.config.node.node_id, BrokerId(1));
    let advertised = &loaded.config.network.listeners.advertised;
    assert_eq!(advertised[0].to_string(), "PLAINTEXT://localhost:9092");
}

#[test]
fn nothing_at_all_is_a_good_config() {
    assert!(load(None, []).is_ok());
}

#[test]
fn toml_and_properties_mean_the_same() {
    let toml = "node.id = 3\nlog.retention.ms = 1000\nlog.dirs = [\"/a\", \"/b\"]\n\
                \"max.connections\" = 5\nauto.create.topics.enable = false";
    let properties = "node.id=3\nlog.retention.ms=1000\nlog.dirs=/a, /b\nmax.connections: 5\n\
                      auto.create.topics.enable=false";
    let (_directory, path) = file("server.properties", properties);

    let from_properties = load(Some(&path), []).unwrap();

    assert_eq!(from_toml(toml, &[]).unwrap().config, from_properties.config);
}

#[test]
fn the_environment_wins_over_the_file() {
    let variables = [
        ("KAFKA_LOG_RETENTION_MS", "2000"),
        ("KAFKA_CFG_NUM_PARTITIONS", "4"),
        ("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qg"),
        ("KAFKA_NODE_ID", ""),
    ];

    let loaded = from_toml("log.retention.ms = 1000\nnode.id = 5", &variables).unwrap();

    assert_eq!(loaded.config.topic_defaults.retention_ms, 2000);
    assert_eq!(loaded.config.topics.num_partitions, 4);
    assert_eq!(loaded.config.node.node_id, BrokerId(5));
    assert!(loaded.config.node.cluster_id.is_some());
    assert_eq!(loaded.origins["log.retention.ms"], "KAFKA_LOG_RETENTION_MS");
}

#[test]
fn both_names_of_the_node_id_are_set_by_one() {
    for name in ["node.id", "broker.id"] {
        let settings = from_toml(&format!("{name} = 5"), &[]).unwrap().settings;
        assert_eq!((&*settings["node.id"], &*settings["broker.id"]), ("5", "5"));
    }
}

#[test]
fn the_plain_form_of_a_variable_wins_over_bitnamis() {
    let variables = [
        ("KAFKA_NUM_PARTITIONS", "2"),
        ("KAFKA_CFG_NUM_PARTITIONS", "3"),
    ];

    assert_eq!(
        from_toml("", &variables)
            .unwrap()
            .config
            .topics
            .num_partitions,
        2
    );
}

#[test]
fn a_variable_may_name_a_file_with_a_secret() {
    let (_directory, path) = file("secret", "hunter2\n");
    let variables = [("KAFKA_SSL_KEY_PASSWORD_FILE", path.to_str().unwrap())];

    let loaded = from_toml("", &variables).unwrap();

    assert_eq!(loaded.settings["ssl.key.password"], "hunter2");
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
    let missing = error("", &[("KAFKA_SSL_KEY_PASSWORD_FILE", "/no/such/file")]);
    assert!(
        missing.starts_with("cannot read /no/such/file: "),
        "{missing}"
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    let error = error("log.retention.hour = 24", &[]);

    assert!(
        error.ends_with(
            "broker.toml: log.retention.hour = \"24\": there is no such key; did you mean \
             log.retention.hours?"
        ),
        "{error}"
    );
}

#[test]
fn a_removed_key_is_refused_as_removed() {
    let error = error(
        "zookeeper.connect = \"z:2181\"\nlog.message.format.version = \"3.0\"",
        &[],
    );

    assert_eq!(
        error
            .matches("Kafka 4.0 removed this key; delete it")
            .count(),
        2,
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_refused_with_what_is_allowed() {
    let in_file = error("log.segment.bytes = 12", &[]);
    assert!(
        in_file.ends_with(
            "broker.toml: Invalid value 12 for configuration log.segment.bytes: Value must be at \
             least 1048576 (allowed: a 32-bit integer, [1048576,...])"
        ),
        "{in_file}"
    );

    let of_a_type = error("num.partitions = \"many\"", &[]);
    assert!(of_a_type.contains("Invalid value many for configuration num.partitions"));
    assert!(
        of_a_type.contains("(allowed: a 32-bit integer, [1,...])"),
        "{of_a_type}"
    );

    let in_variable = error("", &[("KAFKA_COMPRESSION_TYPE", "lzma")]);
    assert!(
        in_variable.starts_with("KAFKA_COMPRESSION_TYPE: "),
        "{in_variable}"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let error = error(
        "num.partitions = 0\nno.such.key = 1\nlog.roll.hours = 0",
        &[],
    );

    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_contradiction_names_the_file_and_the_key() {
    let error = error("queued.max.request.bytes = 1000", &[]);

    assert!(
        error.contains("broker.toml: Invalid value 1000 for"),
        "{error}"
    );
    assert!(
        error.contains("queued.max.request.bytes: Value must be at least"),
        "{error}"
    );
}

#[test]
fn a_key_set_twice_is_refused() {
    let error = error("log.dirs = \"/a\"\n\"log.dirs\" = \"/b\"", &[]);

    assert!(error.contains("log.dirs is set twice"), "{error}");
}

#[test]
fn bad_toml_is_refused_with_its_place() {
    let error = error("node.id = 1\nlog.dirs = /data", &[]);

    assert!(
        error.contains("broker.toml: ") && error.contains("line 2"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = load(Some("/no/such/broker.toml".as_ref()), [])
        .unwrap_err()
        .to_string();

    assert!(
        error.starts_with("cannot read /no/such/broker.toml: "),
        "{error}"
    );
}

#[test]
fn keys_that_do_nothing_warn_once_and_only_if_that_matters() {
    let text = "num.io.threads = 16\nlistener.name.plaintext.num.io.threads = 4\n\
                group.share.max.size = 10\ngroup.min.session.timeout.ms = 6000";

    let warnings = from_toml(text, &[]).unwrap().warnings;

    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(
        warnings[0],
        "group.share.max.size is accepted, but nothing acts on it yet"
    );
    assert!(
        warnings[1].starts_with("num.io.threads does nothing here: "),
        "{warnings:?}"
    );
}

#[test]
fn variables_that_are_no_keys_warn() {
    let variables = [
        ("KAFKA_HEAP_OPTS", "-Xmx1G"),
        ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ("KAFKA_LOG_RETENTION_HOUR", "1"),
        ("HOME", "/root"),
    ];

    let warnings = from_toml("", &variables).unwrap().warnings;

    assert_eq!(
        warnings,
        [
            "the variable KAFKA_HEAP_OPTS does nothing here: there is no JVM",
            "the variable KAFKA_LOG_RETENTION_HOUR is ignored: there is no key log.retention.hour; \
             did you mean log.retention.hours?",
            "the variable KAFKA_PORT_9092_TCP is ignored: there is no key port.9092.tcp",
        ]
    );
}

#[test]
fn the_keys_that_are_parents_are_taken_in_quotes_and_explained_without() {
    let quoted = "\"max.connections\" = 100\n\"max.connections.per.ip\" = 50\n\
                  max.connections.per.ip.overrides = \"127.0.0.1:60\"\n\"log.dir\" = \"/a\"\n\
                  log.dir.failure.timeout.ms = 1000";
    let network = from_toml(quoted, &[]).unwrap().config.network;
    assert_eq!(
        (network.max_connections, network.max_connections_per_ip),
        (100, 50)
    );

    let error = error("log.dir = \"/a\"\nlog.dir.failure.timeout.ms = 1", &[]);
    assert!(error.contains("write it in quotes"), "{error}");
}

#[test]
fn each_role_of_a_cluster_of_three_is_taken() {
    let voters = "cluster.id = \"MkU3OEVBNTcwNTJENDM2Qg\"\nnode.id = 1\n\
                  controller.quorum.voters = \"1@a:9093,2@b:9093,3@c:9093\"";
    let controller = from_toml(&format!("{voters}\nprocess.roles = \"controller\""), &[]);
    let loaded = controller.unwrap();
    assert_eq!(loaded.config.node.controller_quorum_voters.len(), 3);
    assert_eq!(loaded.warnings, [""; 0]);

    let beside =
        format!("{voters}\nbroker.id = 4").replace("node.id = 1", "process.roles = \"broker\"");
    for text in [voters, &beside] {
        let loaded = from_toml(text, &[]).unwrap();
        assert!(loaded.config.node.process_roles.is_broker());
        assert_eq!(loaded.config.node.controller_quorum_voters.len(), 3);
    }
}

#[test]
fn what_kafka_takes_though_it_is_hardly_meant_warns() {
    let warnings = from_toml("min.insync.replicas = 2", &[]).unwrap().warnings;

    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("min.insync.replicas, 2, is above")),
        "{warnings:?}"
    );
}

#[test]
fn more_threads_than_a_machine_runs_are_refused() {
    for key in [
        "log.cleaner.threads",
        "num.recovery.threads.per.data.dir",
        "num.replica.alter.log.dirs.threads",
    ] {
        let buffer = "log.cleaner.dedupe.buffer.size = 2147483648";
        assert!(from_toml(&format!("{key} = 1024\n{buffer}"), &[]).is_ok());
        let refused = error(&format!("{key} = 1025\n{buffer}"), &[]);
        assert!(
            refused.contains(key) && refused.contains("no more than 1024"),
            "{refused}"
        );
    }
}

/// The variables that a YAML file sets, each line of it being one, for each node: its number is the first.
fn variables_of(file: &str) -> Vec<Vec<(String, String)>> {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("the repository has it");
    let text = text.replace("${HOST_ADDRESS:-localhost}", "localhost");
    let text = text
        .replace("${CLUSTER_ID:-", "")
        .replace("$(POD_NAME)", "kafka-0");
    let set = text.lines().filter_map(|line| {
        let line = line
            .trim()
            .trim_start_matches("- {name: ")
            .trim_end_matches('}');
        let (name, value) = line
            .replace(", value: ", ": ")
            .split_once(": ")
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))?;
        (name.starts_with("KAFKA_") || name == "CLUSTER_ID").then_some((name, value))
    });
    let mut nodes: Vec<Vec<_>> = Vec::new();
    for (name, value) in set {
        if nodes.is_empty() || name == "KAFKA_NODE_ID" {
            nodes.push(Vec::new());
        }
        nodes
            .last_mut()
            .expect("one was pushed")
            .push((name, value));
    }
    nodes
}

#[test]
fn the_nodes_of_docker_compose_are_one_cluster_and_warn_of_nothing() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/compose.toml"));
    let nodes = variables_of("docker-compose.yml");
    assert_eq!(nodes.len(), 4, "with the one of the profile");
    for (id, variables) in (1..).zip(nodes) {
        let loaded = load(Some(file), variables).unwrap();

        assert_eq!(loaded.warnings, [""; 0]);
        let node = &loaded.config.node;
        assert_eq!(node.node_id.0, id);
        assert_eq!(node.controller_quorum_voters.len(), 3);
        assert_eq!(node.process_roles.is_controller(), id <= 3);
        let advertised = &loaded.config.network.listeners.advertised;
        let outer = advertised.iter().find(|it| it.listener == "OUTER").unwrap();
        assert_eq!(
            (&*outer.host, i32::from(outer.port)),
            ("localhost", 9091 + id)
        );
    }
}

#[test]
fn the_variables_for_kubernetes_are_a_good_config() {
    let mut variables = variables_of("config/kubernetes.yml").remove(0);
    variables.push(("KAFKA_NODE_ID".to_owned(), "0".to_owned()));
    // What the image holds for a node alone is beneath.
    let image = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/broker.toml"));

    let loaded = load(Some(image), variables).unwrap();

    assert_eq!(loaded.warnings, [""; 0]);
    let network = &loaded.config.network;
    assert_eq!(network.listeners.inter_broker.as_deref(), Some("BROKERS"));
    assert_eq!(network.listeners.advertised[0].host, "kafka-0.kafka");
    assert_eq!(loaded.config.topics.default_replication_factor, 3);
}
