//! Nodes that are started as what they are not: of another cluster, or with the data of another node. Each
//! stops with a sentence, and the others go on.

use crate::nodes::{CLUSTER_ID, Maker, Nodes};
use crate::support::path_text;
use crate::voice;

const OURS: [Maker; 3] = [Maker::Ours; 3];

#[test]
fn a_node_with_another_cluster_id_stops_with_the_reason_and_the_others_go_on() {
    let mut nodes = Nodes::combined(205, &OURS, &[]).expect("they are ours");
    nodes.set(3, "cluster.id", "AAAAAAAAQACAAAAAAAAAAw");
    for id in nodes.ids() {
        nodes.spawn(id);
    }

    let output = nodes.ended(3);

    assert!(
        output.contains("this node's cluster.id is AAAAAAAAQACAAAAAAAAAAw"),
        "{output}"
    );
    assert!(
        output.contains("the voters 1, 2 of controller.quorum.voters"),
        "{output}"
    );
    nodes.set(3, "cluster.id", CLUSTER_ID);
    nodes.spawn(3);
    let output = nodes.ended(3);
    assert!(
        output.contains("belongs to cluster AAAAAAAAQACAAAAAAAAAAw"),
        "{output}"
    );
    nodes.wipe(3);
    nodes.start(3);
    for id in nodes.ids() {
        nodes.wait_until_ready(id);
    }
    voice::wait_until_level(&nodes, &[1, 2, 3]);
}

#[test]
fn the_data_of_another_node_is_refused_with_both_ids() {
    let mut nodes = Nodes::combined(206, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    nodes.stop(3);
    nodes.stop(2);

    nodes.set(3, "log.dirs", path_text(&nodes.data_dir(2)));
    nodes.spawn(3);
    let output = nodes.ended(3);

    assert!(
        output.contains("belongs to node 2, but node.id is 3"),
        "{output}"
    );
}
