//! The tools that tell of a cluster as a whole: `kafka-cluster.sh`, `kafka-features.sh` and
//! `kafka-broker-api-versions.sh`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::apache::Apache;
use crate::call::{Call, Tool, beside_broker, compare, outcomes};
use crate::nodes::{Maker, Nodes};
use crate::support::program;

const CLUSTER: Tool = Tool {
    name: "cluster",
    class: "org.apache.kafka.tools.ClusterTool",
};
const FEATURES: Tool = Tool {
    name: "features",
    class: "org.apache.kafka.tools.FeatureCommand",
};
const VERSIONS: Tool = Tool {
    name: "broker-api-versions",
    class: "org.apache.kafka.tools.BrokerApiVersionsCommand",
};

const SHORT: &str = "default.api.timeout.ms=300\nrequest.timeout.ms=200\n";

const fn cluster(arguments: &'static str) -> Call {
    CLUSTER.call(arguments)
}

const fn features(arguments: &'static str) -> Call {
    FEATURES.call(arguments)
}

#[test]
fn a_cluster_is_told_of_as_by_kafkas_tool() {
    compare(
        &[
            cluster("cluster-id {on}"),
            cluster("cluster-id -b {b}"),
            cluster("cluster-id --bootstrap-controller {c}"),
            cluster("cluster-id -C {c}"),
            cluster("cluster-id {on} --config {f}"),
            cluster("cluster-id {on} -c {f}"),
            cluster("list-endpoints {on}"),
            cluster("list-endpoints {on} --include-fenced-brokers"),
            cluster("list-endpoints -C {c}"),
            cluster("unregister {on} --id 99").told(),
            cluster("unregister -C {c} -i 99").told(),
            cluster("cluster-id {on} --config {f} --command-config {f}").told(),
            cluster("list-endpoints -C {c} --include-fenced-brokers").told(),
            cluster("cluster-id -C {b}").told(),
            cluster("cluster-id -b {c}").told(),
            cluster("list-endpoints -C {b}").told(),
            cluster("cluster-id -b localhost:1 -c {f}")
                .with_file(SHORT)
                .told(),
            cluster("unregister -C localhost:1 -c {f} --id 1")
                .with_file(SHORT)
                .told(),
            cluster("cluster-id {on} --command-config /no/such/file"),
            cluster("cluster-id -b nonsense"),
            cluster("cluster-id"),
            cluster("cluster-id {on} -C {c}"),
            cluster("unregister {on}"),
            cluster("unregister {on} --id x"),
            cluster("cluster-id {on} --no-such-option"),
            cluster("no-such-command"),
            cluster(""),
        ],
        190,
    );
}

fn levels() -> Vec<Call> {
    vec![
        features("{on} describe"),
        features("--bootstrap-controller {c} describe"),
        features("{on} describe --node-id 1"),
        features("--bootstrap-controller {c} describe --node-id 1"),
        features("{on} upgrade --feature eligible.leader.replicas.version=1").told(),
        features("{on} describe"),
        features("{on} downgrade --feature eligible.leader.replicas.version=0").told(),
        features("{on} disable --feature eligible.leader.replicas.version").told(),
        features("{on} upgrade --dry-run --feature eligible.leader.replicas.version=1").told(),
        features("--bootstrap-controller {c} upgrade --feature eligible.leader.replicas.version=1").told(),
        features("{on} disable --dry-run --feature eligible.leader.replicas.version").told(),
        features("{on} disable --unsafe --feature eligible.leader.replicas.version").told(),
        features("{on} upgrade --metadata 4.3-IV0 --dry-run").told(),
        features("{on} upgrade --metadata 4.3-IV0").told(),
        features("{on} upgrade --feature metadata.version=30 --feature eligible.leader.replicas.version=0").told(),
        features("{on} downgrade --metadata 3.3-IV3").told(),
        features("{on} downgrade --dry-run --metadata 3.3").told(),
        features("{on} downgrade --unsafe --dry-run --metadata 4.2").told(),
        features("{on} downgrade --feature metadata.version=29").told(),
        features("{on} upgrade --feature metadata.version=31").told(),
        features("{on} upgrade --feature metadata.version=99").told(),
        features("{on} upgrade --feature metadata.version=1").told(),
        features("{on} upgrade --feature no.such.feature=1").told(),
        features("{on} downgrade --feature group.version=5").told(),
        features("{on} upgrade --feature group.version=-1").told(),
        features("{on} disable --feature no.such.feature").told(),
        features("{on} describe"),
    ]
}

fn releases() -> Vec<Call> {
    vec![
        features("version-mapping"),
        features("version-mapping --release-version 3.3-IV3"),
        features("version-mapping --release-version 3.7"),
        features("version-mapping --release-version 3.9.1"),
        features("version-mapping --release-version 4.0-IV3"),
        features("version-mapping --release-version 4.4-IV0").told(),
        features("version-mapping --release-version 4.4").told(),
        features("version-mapping --release-version 2.8").told(),
        features("version-mapping --release-version nothing").told(),
        features("{on} version-mapping --release-version 4.1"),
        features("feature-dependencies --feature metadata.version=30"),
        features(
            "feature-dependencies --feature eligible.leader.replicas.version=1 --feature group.version=1",
        ),
        features("feature-dependencies --feature transaction.version=2 --feature kraft.version=1"),
        features("feature-dependencies --feature metadata.version=5").told(),
        features("feature-dependencies --feature share.version=9").told(),
        features("feature-dependencies --feature nothing=1").told(),
        features("feature-dependencies --feature metadata.version").told(),
        features("feature-dependencies --feature metadata.version=x").told(),
        features("feature-dependencies"),
    ]
}

fn bad_calls() -> Vec<Call> {
    vec![
        features("describe").told(),
        features("{on} describe --node-id -1").told(),
        features("{on} describe --node-id 7 --command-config x"),
        features("--command-config {f} {on} describe --node-id 7").with_file(SHORT).told(),
        features("{on} describe --node-id x"),
        features("{on} upgrade").told(),
        features("{on} downgrade --unsafe").told(),
        features("{on} disable").told(),
        features("{on} upgrade --feature x").told(),
        features("{on} upgrade --feature x=y").told(),
        features("{on} upgrade --feature x=1 --feature x=2").told(),
        features("{on} upgrade --metadata 4.0 --feature metadata.version=25").told(),
        features("{on} upgrade --metadata nothing").told(),
        features("{on} upgrade --release-version 4.0 --metadata 4.0").told(),
        features("{on} upgrade --release-version 4.0 --feature x=1").told(),
        features("{on} upgrade --release-version nothing").told(),
        features("{on} disable --feature x --feature x").told(),
        features("{on} upgrade --feature =1").told(),
        features("--bootstrap-server localhost:1 --command-config {f} describe")
            .with_file(SHORT)
            .told(),
        features("--bootstrap-server localhost:1 --command-config {f} upgrade --feature a=1 --feature b=2")
            .with_file(SHORT)
            .told(),
        features("--bootstrap-controller {b} describe").told(),
        features("--bootstrap-server {c} describe").told(),
        features("{on} --bootstrap-controller {c} describe"),
        features("{on} --command-config /no/such/file describe"),
        features("{on}"),
        features(""),
        features("{on} no-such-command"),
        features("{on} describe --no-such-option"),
    ]
}

#[test]
fn features_are_told_and_changed_as_by_kafkas_tool() {
    let calls = [levels(), releases(), bad_calls()];
    compare(&calls.concat(), 192);
}

/// The lines of `text` that are not in `other`, without the commas at their ends.
fn lines_alone<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
    let lines = |text: &'a str| text.lines().map(|line| line.trim().trim_end_matches(','));
    let other: Vec<&str> = other
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .collect();
    lines(text).filter(|line| !other.contains(line)).collect()
}

#[test]
fn versions_are_told_as_by_kafkas_tool() {
    // Our tool knows what came with 4.4, which the tool of 4.3.1 does not.
    const NEW_APIS: [&str; 2] = [
        "StreamsGroupTopologyDescriptionUpdate(93): UNSUPPORTED",
        "UnregisterController(94): UNSUPPORTED",
    ];
    let told = |maker, test, alone: [&[&str]; 2]| {
        beside_broker(maker, test, |node, java| {
            for arguments in ["{on}", "--bootstrap-server {b},localhost:1"] {
                let [theirs, own] = outcomes(&VERSIONS.call(arguments), node, java);

                assert_eq!((theirs.code, own.code), (0, 0));
                let (theirs, own) = (theirs.output, own.output);
                assert_eq!(lines_alone(&theirs, &own), alone[0]);
                assert_eq!(
                    lines_alone(&own, &theirs),
                    [alone[1], &NEW_APIS].concat(),
                    "and nothing else"
                );
                let common = |text: &str, other: &str| {
                    let alone = lines_alone(text, other);
                    let lines = text.lines().map(|line| line.trim_end_matches(','));
                    let lines = lines.filter(|line| !alone.contains(&line.trim()));
                    lines.collect::<Vec<_>>().join("\n")
                };
                assert_eq!(
                    common(&theirs, &own),
                    common(&own, &theirs),
                    "in this order"
                );
            }
        })
    };
    told(Maker::Apache, 197, [&[], &[]]);
    told(
        Maker::Ours,
        199,
        [
            &[
                "ApiVersions(18): 0 to 5 [usable: 4]",
                "DeleteGroups(42): 0 to 3 [usable: 2]",
            ],
            &[
                "ApiVersions(18): 0 to 5 [usable: 5]",
                "DeleteGroups(42): 0 to 3 [usable: 3]",
            ],
        ],
    );
}

#[test]
fn bad_calls_for_versions_fail_as_with_kafkas_tool() {
    compare(
        &[
            VERSIONS.call("--bootstrap-server localhost:1").told(),
            VERSIONS.call("--bootstrap-server nonsense"),
            VERSIONS.call("--command-config x").told(),
            VERSIONS.call("{on} --command-config /no/such/file"),
            VERSIONS.call("{on} --no-such-option"),
            VERSIONS.call("").told(),
        ],
        194,
    );
}

fn run(words: &str) -> String {
    let ran = Command::new(program()).args(words.split(' ')).output();
    let ran = ran.expect("the program starts");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{words}: {errors}");
    String::from_utf8(ran.stdout).expect("text")
}

/// A broker that is gone is fenced, until it is forgotten.
fn forget_a_broker(test: u8, maker: Maker) {
    let settings = [("broker.session.timeout.ms", "3000")];
    let Some(mut nodes) = Nodes::with_brokers(test, &[maker], &[maker, maker], &settings) else {
        return;
    };
    let Some(apache) = Apache::find() else { return };
    nodes.start_all();
    let (kept, gone) = (nodes.brokers()[0], nodes.brokers()[1]);
    nodes.kill(gone);
    let bootstrap = nodes.bootstrap(kept);
    let all = || {
        run(&format!(
            "cluster list-endpoints -b {bootstrap} --include-fenced-brokers"
        ))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !all().contains(" fenced ") {
        assert!(Instant::now() < deadline, "it is not fenced:\n{}", all());
        std::thread::sleep(Duration::from_millis(100));
    }

    let arguments = [
        "list-endpoints",
        "-b",
        &bootstrap,
        "--include-fenced-brokers",
    ];
    let theirs = apache.run("org.apache.kafka.tools.ClusterTool", &arguments);
    assert_eq!(all(), theirs.expect_success());
    assert_eq!(all().lines().count(), 3);
    assert_eq!(
        run(&format!("cluster list-endpoints -b {bootstrap}"))
            .lines()
            .count(),
        2,
        "a fenced broker is not told of unless asked for"
    );

    assert_eq!(
        run(&format!("cluster unregister -b {bootstrap} -i {gone}")),
        format!("Broker {gone} is no longer registered.\n")
    );
    while all().contains(" fenced ") {
        assert!(Instant::now() < deadline, "it is still there:\n{}", all());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn our_cluster_forgets_a_broker() {
    forget_a_broker(196, Maker::Ours);
}

#[test]
fn apaches_cluster_forgets_a_broker() {
    forget_a_broker(198, Maker::Apache);
}
