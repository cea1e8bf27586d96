//! Where the admin listeners are, and what becomes of a node that cannot have them.

use std::net::TcpListener;

use crate::support::Broker;
use crate::support::http::{get, get_with};
use crate::{ADMIN, start};

#[test]
fn an_empty_list_serves_nothing() {
    let broker = Broker::start_with(&[("admin.listeners", "")]);

    assert!(
        !broker.log().contains("serving metrics"),
        "{}",
        broker.log()
    );
}

#[test]
fn a_port_that_is_taken_keeps_a_node_that_asked_for_it_from_starting() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("it is bound");
    let listener = format!("http://{taken}");

    let broker = Broker::stopped(&[("admin.listeners", &listener)]);
    let mut process = broker.spawn();
    let ended = process.wait(std::time::Duration::from_secs(60));

    assert!(!ended.status.success());
    let expected = format!("cannot listen on {listener}: ");
    assert!(ended.output.contains(&expected), "{}", ended.output);
    assert!(
        ended.output.contains("another port in `admin.listeners`"),
        "{}",
        ended.output
    );
}

#[test]
fn a_default_port_that_is_taken_costs_a_node_nothing_but_a_warning() {
    // Either this test has the port, or somebody else does.
    let _held = TcpListener::bind("127.0.0.1:9000");

    let mut broker = Broker::stopped(&[]);
    broker.keep_admin_default();
    broker.start_again();

    let line = broker.wait_until_logged("no metrics and health are served");
    assert!(
        line.contains("WARN") && line.contains("http://127.0.0.1:9000"),
        "{line}"
    );
}

#[test]
fn several_listeners_serve_the_same() {
    let both = "http://127.0.0.1:0,http://127.0.0.2:0";
    let broker = Broker::start_with(&[("admin.listeners", both)]);
    let second = broker.wait_until_logged("health on http://127.0.0.2:");
    let second = second.split("http://").nth(1).expect("an address");

    assert_eq!(get(&broker.admin(), "/livez").status, 200);
    assert_eq!(get(second.trim(), "/livez").status, 200);
}

#[test]
fn a_name_that_somebody_had_lead_here_is_refused() {
    let (_broker, admin) = start(&[("admin.hosts", "metrics.example")]);
    let as_host = |host: &str| get_with(&admin, "/metrics", &[("Host", host)]);

    let refused = as_host("evil.example");
    assert_eq!(refused.status, 403);
    assert!(!refused.body.contains("kafka_"), "{}", refused.body);
    assert!(refused.body.contains("admin.hosts"), "{}", refused.body);
    for host in ["localhost", "metrics.example:9000", "127.0.0.1:1"] {
        assert_eq!(as_host(host).status, 200, "{host}");
    }
}

#[test]
fn a_controller_alone_serves_its_own() {
    let settings = [
        ADMIN,
        ("process.roles", "controller"),
        ("node.id", "1"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "CONTROLLER://127.0.0.1:0"),
        ("controller.quorum.voters", "1@127.0.0.1:1"),
        ("cluster.id", "QdcUrN8mS1qvUcLUNwFmjw"),
    ];
    let broker = Broker::stopped(&settings);
    let mut process = broker.spawn();
    let limit = std::time::Duration::from_secs(60);
    let line = process.wait_until_printed("serving metrics and health on http://", limit);
    process.wait_for_line("ready after", limit);
    let admin = line.split("http://").nth(1).expect("an address").trim();

    assert_eq!(get(admin, "/livez").status, 200);
    let text = get(admin, "/metrics").body;
    assert!(
        text.contains("kafka_controller_kafkacontroller_activecontrollercount 1"),
        "{text}"
    );
    assert!(
        !text.contains("kafka_server_replicamanager"),
        "it is no broker:\n{text}"
    );
    assert_eq!(get(admin, "/metrics/detailed").status, 200);
}
