//! Apache Kafka's own tools for administration, and what they print.

use crate::command_line_tools::{CONFIGS, TOPICS, Tools};
use crate::support::path_text;

const CLIENT_METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";

#[test]
fn kafka_configs_sets_a_brokers_config_and_that_of_all() {
    let Some(tools) = Tools::start() else { return };
    let of_one = ["--entity-type", "brokers", "--entity-name", "1"];
    let of_all = ["--entity-type", "brokers", "--entity-default"];
    let with = |entity: &[&'static str], more: &[&'static str]| [entity, more].concat();

    tools.run(
        CONFIGS,
        &with(
            &of_all,
            &["--alter", "--add-config", "log.retention.ms=2000"],
        ),
    );
    tools.run(
        CONFIGS,
        &with(
            &of_one,
            &["--alter", "--add-config", "log.retention.ms=1000"],
        ),
    );
    let one = tools.run(CONFIGS, &with(&of_one, &["--describe"]));
    let all = tools.run(CONFIGS, &with(&of_all, &["--describe"]));
    tools.run(
        CONFIGS,
        &with(&of_one, &["--alter", "--delete-config", "log.retention.ms"]),
    );
    let after = tools.run(CONFIGS, &with(&of_one, &["--describe"]));
    let refused = tools.fails(
        CONFIGS,
        &with(&of_one, &["--alter", "--add-config", "node.id=2"]),
    );

    assert!(
        one.contains(
            "log.retention.ms=1000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:\
             log.retention.ms=1000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=2000"
        ),
        "{one}"
    );
    assert!(all.contains("log.retention.ms=2000"), "{all}");
    assert!(!after.contains("DYNAMIC_BROKER_CONFIG:log"), "{after}");
    assert!(
        refused.contains("Cannot update these configs dynamically"),
        "{refused}"
    );
}

#[test]
fn kafka_configs_changes_the_levels_of_loggers() {
    let Some(tools) = Tools::start() else { return };
    let entity = ["--entity-type", "broker-loggers", "--entity-name", "1"];
    let with = |more: &[&'static str]| [&entity[..], more].concat();

    tools.run(
        CONFIGS,
        &with(&["--alter", "--add-config", "broker.raft=DEBUG"]),
    );
    let described = tools.run(CONFIGS, &with(&["--describe"]));
    tools.run(
        CONFIGS,
        &with(&["--alter", "--delete-config", "broker.raft"]),
    );
    let after = tools.run(CONFIGS, &with(&["--describe"]));
    let unknown = tools.fails(CONFIGS, &with(&["--alter", "--add-config", "kafka=INFO"]));

    assert!(described.contains("broker.raft=DEBUG"), "{described}");
    assert!(described.contains("root=INFO"), "{described}");
    assert!(after.contains("broker.raft=INFO"), "{after}");
    assert!(unknown.contains("kafka"), "{unknown}");
}

#[test]
fn kafka_configs_sets_what_holds_for_a_group() {
    let Some(tools) = Tools::start() else { return };
    let entity = ["--entity-type", "groups", "--entity-name", "team"];
    let with = |more: &[&'static str]| [&entity[..], more].concat();

    tools.run(
        CONFIGS,
        &with(&[
            "--alter",
            "--add-config",
            "consumer.session.timeout.ms=50000,consumer.heartbeat.interval.ms=6000",
        ]),
    );
    let refused = tools.fails(
        CONFIGS,
        &with(&["--alter", "--add-config", "consumer.session.timeout.ms=1"]),
    );

    assert!(
        refused.contains("must be in the range 45000 to 60000 inclusive."),
        "{refused}"
    );
}

#[test]
fn kafka_client_metrics_makes_lists_and_removes_subscriptions() {
    let Some(tools) = Tools::start() else { return };

    tools.run(
        CLIENT_METRICS,
        &[
            "--alter",
            "--name",
            "quick",
            "--metrics",
            "org.apache.kafka.producer.",
            "--interval",
            "1000",
            "--match",
            "client_software_name=apache-kafka-java",
        ],
    );
    let listed = tools.run(CLIENT_METRICS, &["--list"]);
    let described = tools.run(CLIENT_METRICS, &["--describe", "--name", "quick"]);
    let configs = tools.run(
        CONFIGS,
        &[
            "--entity-type",
            "client-metrics",
            "--entity-name",
            "quick",
            "--describe",
        ],
    );
    tools.run(CLIENT_METRICS, &["--delete", "--name", "quick"]);
    let left = tools.run(CLIENT_METRICS, &["--list"]);
    let refused = tools.fails(
        CLIENT_METRICS,
        &["--alter", "--name", "slow", "--interval", "3600001"],
    );

    assert_eq!(listed.trim(), "quick");
    for line in [
        "interval.ms=1000",
        "match=client_software_name=apache-kafka-java",
        "metrics=org.apache.kafka.producer.",
    ] {
        assert!(described.contains(line), "{described}");
        assert!(configs.contains(line), "{configs}");
    }
    assert_eq!(left.trim(), "");
    assert!(
        refused.contains("interval must be between 100 and 3600000 (1 hour)"),
        "{refused}"
    );
}

#[test]
fn kafka_configs_sets_quotas_of_clients_users_and_addresses() {
    let Some(tools) = Tools::start() else { return };
    let alter = |entity: &[&'static str], config: &'static str| {
        let arguments = [entity, &["--alter", "--add-config", config]].concat();
        tools.run(CONFIGS, &arguments)
    };
    let describe = |entity: &[&'static str]| {
        let arguments = [entity, &["--describe"]].concat();
        tools.run(CONFIGS, &arguments)
    };
    let client = ["--entity-type", "clients", "--entity-name", "c"];
    let user = ["--entity-type", "users", "--entity-default"];
    let ip = ["--entity-type", "ips", "--entity-name", "127.0.0.9"];

    alter(&client, "producer_byte_rate=1024,request_percentage=50");
    alter(
        &[&user[..], &client[..]].concat(),
        "consumer_byte_rate=2048",
    );
    alter(&ip, "connection_creation_rate=10");
    let of_client = describe(&client);
    let of_both = describe(&[&user[..], &client[..]].concat());
    let of_ip = describe(&ip);
    let refused = tools.fails(
        CONFIGS,
        &[
            &ip[..],
            &["--alter", "--add-config", "producer_byte_rate=1"],
        ]
        .concat(),
    );

    assert!(
        of_client.contains("producer_byte_rate=1024.0")
            && of_client.contains("request_percentage=50.0"),
        "{of_client}"
    );
    assert!(of_both.contains("consumer_byte_rate=2048.0"), "{of_both}");
    assert!(of_ip.contains("connection_creation_rate=10.0"), "{of_ip}");
    assert!(refused.contains("producer_byte_rate"), "{refused}");
}

#[test]
fn kafka_leader_election_finds_nothing_to_do_on_one_node() {
    let Some(tools) = Tools::start() else { return };
    tools.run(TOPICS, &["--create", "--topic", "led", "--partitions", "2"]);
    let class = "org.apache.kafka.tools.LeaderElectionCommand";

    let one = tools.run(
        class,
        &[
            "--election-type",
            "preferred",
            "--topic",
            "led",
            "--partition",
            "0",
        ],
    );
    let all = tools.run(
        class,
        &["--election-type", "unclean", "--all-topic-partitions"],
    );
    let absent = tools.fails(
        class,
        &[
            "--election-type",
            "preferred",
            "--topic",
            "absent",
            "--partition",
            "0",
        ],
    );

    assert!(
        one.contains("Valid replica already elected for partitions led-0"),
        "{one}"
    );
    assert!(!all.contains("led"), "{all}");
    assert!(absent.contains("absent"), "{absent}");
}

#[test]
fn kafka_reassign_partitions_executes_verifies_and_cancels() {
    let Some(tools) = Tools::start() else { return };
    tools.run(TOPICS, &["--create", "--topic", "moved"]);
    let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    let plan = |name: &str, replicas: &str| {
        let path = tools.broker.directory().join(name);
        let text = format!(
            "{{\"version\":1,\"partitions\":[{{\"topic\":\"moved\",\"partition\":0,\
             \"replicas\":[{replicas}]}}]}}"
        );
        std::fs::write(&path, text).expect("the plan can be written");
        path
    };
    let (same, elsewhere) = (plan("same.json", "1"), plan("elsewhere.json", "7"));
    let with = |action: &'static str, plan: &std::path::Path| {
        vec![action, "--reassignment-json-file", path_text(plan)]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        tools.run(class, &arguments)
    };

    let executed = run(&with("--execute", &same));
    let verified = run(&with("--verify", &same));
    let listed = tools.run(class, &["--list"]);
    let cancelled = run(&with("--cancel", &same));
    let arguments = with("--execute", &elsewhere);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let refused = tools.fails(class, &arguments);

    assert!(
        executed.contains("Successfully started partition reassignment for moved-0"),
        "{executed}"
    );
    assert!(
        verified.contains("Reassignment of partition moved-0 is completed."),
        "{verified}"
    );
    assert!(
        listed.contains("No partition reassignments found."),
        "{listed}"
    );
    assert!(
        cancelled.contains("None of the specified partition reassignments are active."),
        "{cancelled}"
    );
    assert!(refused.contains('7'), "{refused}");
}

#[test]
fn kafka_features_describes_and_refuses_what_is_not_served() {
    let Some(tools) = Tools::start() else { return };
    let class = "org.apache.kafka.tools.FeatureCommand";

    let described = tools.run(class, &["describe"]);
    let same = tools.run(class, &["upgrade", "--feature", "metadata.version=30"]);
    let unknown = tools.fails(class, &["upgrade", "--feature", "share.version=1"]);
    let lower = tools.fails(class, &["downgrade", "--feature", "metadata.version=7"]);

    assert!(described.contains("metadata.version"), "{described}");
    assert!(described.contains("4.3-IV0"), "{described}");
    assert!(
        same.contains("metadata.version was upgraded to 30"),
        "{same}"
    );
    assert!(
        unknown.contains("does not support this feature"),
        "{unknown}"
    );
    assert!(lower.contains("downgrade"), "{lower}");
}

#[test]
fn kafka_features_turns_eligible_leader_replicas_off_and_on() {
    let Some(tools) = Tools::start() else { return };
    let class = "org.apache.kafka.tools.FeatureCommand";
    let feature = |level: &str| format!("eligible.leader.replicas.version={level}");
    let minimum = ["--entity-type", "brokers", "--entity-default"];
    let level = |described: &str| {
        let mut lines = described.lines();
        let line = lines.find(|line| line.contains("eligible.leader.replicas.version"));
        let words = line.map(|line| line.split_whitespace());
        words.and_then(|mut words| {
            words.find(|word| *word == "FinalizedVersionLevel:")?;
            Some(words.next()?.to_owned())
        })
    };

    let begun = tools.run(class, &["describe"]);
    let removal = [
        &minimum[..],
        &["--alter", "--delete-config", "min.insync.replicas"],
    ]
    .concat();
    let kept = tools.fails(CONFIGS, &removal);
    tools.run(class, &["downgrade", "--feature", &feature("0")]);
    let off = tools.run(class, &["describe"]);
    tools.run(CONFIGS, &removal);
    tools.run(class, &["upgrade", "--feature", &feature("1")]);
    let on = tools.run(class, &["describe"]);
    let configs = tools.run(CONFIGS, &[&minimum[..], &["--describe"]].concat());

    assert_eq!(level(&begun).as_deref(), Some("1"), "{begun}");
    assert!(
        kept.contains("cannot be removed while ELR is enabled"),
        "{kept}"
    );
    assert_eq!(level(&off).as_deref(), Some("0"), "{off}");
    assert_eq!(level(&on).as_deref(), Some("1"), "{on}");
    assert!(configs.contains("min.insync.replicas=1"), "{configs}");
}

#[test]
fn kafka_metadata_quorum_describes_status_and_replication() {
    let Some(tools) = Tools::start() else { return };
    let class = "org.apache.kafka.tools.MetadataQuorumCommand";

    let status = tools.run(class, &["describe", "--status"]);
    let replication = tools.run(class, &["describe", "--replication"]);

    let told = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1))
    };
    assert_eq!(told("LeaderId:"), Some("1"), "{status}");
    assert_eq!(told("MaxFollowerLag:"), Some("0"), "{status}");
    let leader = replication.lines().find(|line| line.contains("Leader"));
    assert!(
        leader.is_some_and(|line| line.starts_with('1')),
        "{replication}"
    );
}

#[test]
fn kafka_cluster_unregisters_no_broker_that_is_at_work() {
    let Some(tools) = Tools::start() else { return };
    let unregister = |id| {
        let arguments = [
            "unregister",
            "--bootstrap-server",
            tools.broker.bootstrap(),
            "--id",
            id,
        ];
        let ran = tools
            .apache
            .run("org.apache.kafka.tools.ClusterTool", &arguments);
        format!("{}{}", ran.output, ran.errors)
    };

    let own = unregister("1");
    let unknown = unregister("7");

    assert!(own.contains("is at work"), "{own}");
    assert!(unknown.contains("not currently registered"), "{unknown}");
}
