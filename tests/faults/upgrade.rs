//! Two builds in one cluster: each node in turn is stopped and started again as the other build, on the same
//! disk, while clients are at work.
//!
//! `OLD_BROKER=/path/to/an/older/broker cargo test --test faults upgrade`

use broker::protocol::messages::api_versions::{ApiVersionsRequest, FinalizedFeatureKey};

use crate::cluster::{Cluster, NODES};
use crate::short::{FAIL_OVER, SOME, assert_nobody_noticed, run};
use crate::support::program;
use crate::voice::{ask, wait_for};

/// The features that the cluster has finalised, as each node says.
fn features(cluster: &Cluster) -> Vec<FinalizedFeatureKey> {
    let of = |id: i32| {
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..ApiVersionsRequest::default()
        };
        wait_for("an answer", || {
            let answer = ask(&cluster.nodes.bootstrap(id), &request)?;
            let mut features = answer.finalized_features;
            features.sort_by(|one, other| one.name.cmp(&other.name));
            Some(features)
        })
    };
    let [first, second, third] = NODES.map(of);
    assert!(first == second && first == third, "all say the same");
    first
}

#[test]
fn an_older_build_becomes_this_one_node_by_node_and_goes_back() {
    let Ok(old) = std::env::var("OLD_BROKER") else {
        println!("*** SKIPPED: OLD_BROKER names no older build ***");
        return;
    };
    let Some(mut cluster) = Cluster::in_memory(70, &[]) else {
        return;
    };
    for id in NODES {
        cluster.nodes.place(id).replace_program(&old);
    }
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let finalised = features(cluster);
        println!("finalised: {finalised:?}");
        assert!(!finalised.is_empty());
        for build in [program(), old] {
            for id in NODES {
                cluster.nodes.stop(id);
                workload.wait_for_acks(SOME);
                cluster.nodes.place(id).replace_program(&build);
                cluster.nodes.start(id);
                cluster.wait_until_in_sync();
                workload.wait_for_acks(SOME);
                let gap = workload.longest_gap();
                println!("{id} is {build} now: {gap:?} without an acknowledgement");
                assert!(gap < FAIL_OVER, "{id} became {build}: {gap:?}");
            }
            workload.wait_for_commits();
            // They move when somebody asks for it, and not because all nodes could do more.
            assert_eq!(features(cluster), finalised);
        }
        assert_nobody_noticed(workload);
    });
}
