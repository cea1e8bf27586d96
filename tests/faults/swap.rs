//! No fault, but clients must not tell it from one: each node in turn is stopped and started again as another
//! program's, on the same disk.

use crate::cluster::{Cluster, NODES};
use crate::nodes::Maker;
use crate::short::{SOME, run};

/// Apache Kafka stops in order, its leaderships are handed over, and our broker goes on with its disk, until all
/// three are ours; and then back.
#[test]
#[ignore = "three minutes: by name, and in .ci/full"]
fn a_cluster_of_apaches_becomes_ours_node_by_node_and_goes_back() {
    let Some(mut cluster) = Cluster::made_by(Maker::Apache, 20, &[]) else {
        return;
    };
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        for maker in [Maker::Ours, Maker::Apache] {
            for id in NODES {
                cluster.nodes.stop(id);
                workload.wait_for_acks(SOME);
                cluster.nodes.hand_over(id, maker);
                cluster.nodes.start(id);
                cluster.wait_until_in_sync();
                workload.wait_for_acks(SOME);
                let gap = workload.longest_gap();
                println!("{id} is {maker:?} now: {gap:?} without an acknowledgement");
            }
            workload.wait_for_commits();
        }
    });
}
