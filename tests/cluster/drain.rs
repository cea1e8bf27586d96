//! `broker.drain`: leaders leave a broker and do not come back, while messages come and go; it leads what
//! nobody else can lead.

use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;

use crate::apache::Apache;
use crate::load::Load;
use crate::nodes::{Maker, Nodes};
use crate::operator::{elect_preferred, set_of_broker, wait_until_led};
use crate::replication::{OURS, TOPIC, create, partitions, wait_until_in_sync};
use crate::topics;
use crate::voice::{leader, wait_for};

const KEY: &str = "broker.drain";
/// Far more than it takes, and far less than anything that happens by time.
const SOON: Duration = Duration::from_secs(10);

/// Drains a broker, by Apache Kafka's tool where that is installed.
fn drain(nodes: &Nodes, id: i32) {
    let address = nodes.bootstrap(id);
    let Some(apache) = Apache::find() else {
        let code = set_of_broker(&address, id, KEY, Some("true"));
        assert_eq!(code, ErrorCode::NONE);
        return;
    };
    let name = id.to_string();
    let arguments = [
        "--bootstrap-server",
        &address,
        "--alter",
        "--entity-type",
        "brokers",
        "--entity-name",
        &name,
        "--add-config",
        "broker.drain=true",
    ];
    let output = apache
        .run("kafka.admin.ConfigCommand", &arguments)
        .expect_success();
    assert!(output.contains("Completed updating config"), "{output}");
}

fn another(nodes: &Nodes, id: i32) -> i32 {
    let brokers = nodes.brokers();
    let mut others = brokers.iter().filter(|other| **other != id);
    *others.next().expect("others")
}

#[test]
fn a_drained_node_leads_nothing_under_load_nor_after_a_restart_until_it_is_drained_no_more() {
    let mut nodes = Nodes::combined(143, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    create(&nodes, 1, 12, "2");
    wait_until_in_sync(&nodes, 1, 3);
    let load = Load::begin(&nodes);
    load.goes_on();
    // The one that decides: its restart is a new controller, too.
    let id = leader(&nodes, &nodes.ids());
    let witness = nodes.bootstrap(another(&nodes, id));
    wait_until_led(&witness, id, Some(4));

    drain(&nodes, id);
    let begun = Instant::now();
    wait_until_led(&witness, id, Some(0));
    println!(
        "node {id} leads nothing {:?} after the answer",
        begun.elapsed()
    );
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    wait_until_in_sync(&nodes, another(&nodes, id), 3);
    load.goes_on();

    let created = topics::create(&witness, "later", (9, 3), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let created = topics::create(&witness, "of-two", (9, 2), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    wait_until_led(&witness, id, Some(0));
    let of_two = topics::find(&witness, "of-two").expect("it was made");
    let mut replicas = of_two.partitions.iter().map(|it| &it.replica_nodes);
    assert!(replicas.all(|it| !it.contains(&id)), "the others are two");

    nodes.stop(id);
    load.goes_on();
    nodes.start(id);
    wait_until_in_sync(&nodes, another(&nodes, id), 3);
    elect_preferred(&witness, None);
    wait_until_led(&witness, id, Some(0));

    let code = set_of_broker(&nodes.bootstrap(id), id, KEY, None);
    assert_eq!(code, ErrorCode::NONE);
    elect_preferred(&witness, None);
    // Of the later topic it is no preferred leader.
    wait_until_led(&witness, id, Some(4));
    load.goes_on();
    load.end(&nodes);
}

#[test]
fn a_drained_broker_that_is_the_last_in_sync_leads_until_another_can() {
    let brokers = [Maker::Ours; 3];
    let mut nodes = Nodes::with_brokers(144, &[Maker::Ours], &brokers, &[]).expect("ours");
    nodes.start_all();
    create(&nodes, 2, 3, "1");
    wait_until_in_sync(&nodes, 2, 3);
    let address = nodes.bootstrap(2);
    let load = Load::begin(&nodes);
    let code = set_of_broker(&address, 2, KEY, Some("true"));
    assert_eq!(code, ErrorCode::NONE);
    wait_until_led(&address, 2, Some(0));
    load.goes_on();

    nodes.kill(3);
    nodes.kill(4);
    wait_until_led(&address, 2, Some(3));
    load.goes_on();

    nodes.start(3);
    wait_until_led(&address, 2, Some(0));
    nodes.start(4);
    wait_until_in_sync(&nodes, 2, 3);
    wait_for("the preferred leader stays away", || {
        let code = elect_preferred(&address, Some(TOPIC))?;
        let first = partitions(&nodes, 2)?.swap_remove(0);
        let is_first = first.replica_nodes[0] == 2;
        let expected = [
            ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
            ErrorCode::ELECTION_NOT_NEEDED,
            ErrorCode::NONE,
        ];
        assert!(expected.contains(&code) && (!is_first || code == expected[0]));
        (first.leader_id > 2).then_some(())
    });
    load.end(&nodes);
}
