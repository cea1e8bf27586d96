//! `describe --status`: who leads, how far the others are behind, and where all are.

use super::quorum::Quorum;
use crate::cli::tools::ending::Ending;
use crate::protocol::Str;
use crate::protocol::messages::describe_quorum::{Listener, ReplicaState};

/// A timestamp that nobody knows.
const NONE: i64 = -1;

/// The lines that tell it.
///
/// # Errors
/// The leader is not among the voters.
pub(super) fn text(cluster_id: &Str, quorum: &Quorum) -> Result<String, Ending> {
    let partition = &quorum.partition;
    let leader = quorum.leader()?;
    let voters = partition.current_voters.iter();
    let last = voters.min_by_key(|voter| voter.log_end_offset);
    let last = last.unwrap_or(leader);
    let lag_ms = if std::ptr::eq(last, leader) {
        0
    } else if leader.last_caught_up_timestamp != NONE && last.last_caught_up_timestamp != NONE {
        leader.last_caught_up_timestamp - last.last_caught_up_timestamp
    } else {
        NONE
    };
    let lines = [
        ("ClusterId:", cluster_id.to_string()),
        ("LeaderId:", partition.leader_id.to_string()),
        ("LeaderEpoch:", partition.leader_epoch.to_string()),
        ("HighWatermark:", partition.high_watermark.to_string()),
        (
            "MaxFollowerLag:",
            (leader.log_end_offset - last.log_end_offset).to_string(),
        ),
        ("MaxFollowerLagTimeMs:", lag_ms.to_string()),
        ("CurrentVoters:", list(quorum, &partition.current_voters)),
        ("CurrentObservers:", list(quorum, &partition.observers)),
    ];
    let lines = lines.map(|(name, value)| format!("{name:23} {value}\n"));
    Ok(lines.concat())
}

fn list(quorum: &Quorum, replicas: &[ReplicaState]) -> String {
    let replicas = replicas.iter().map(|replica| {
        let mut nodes = quorum.nodes.iter();
        let node = nodes.find(|node| node.node_id == replica.replica_id);
        let listeners = node.map_or(&[][..], |node| &node.listeners);
        entry(replica, listeners)
    });
    format!("[{}]", replicas.collect::<Vec<String>>().join(", "))
}

fn entry(replica: &ReplicaState, listeners: &[Listener]) -> String {
    let mut parts = vec![format!("\"id\": {}", replica.replica_id)];
    let directory = replica.replica_directory_id;
    if !directory.is_zero() {
        parts.push(format!("\"directoryId\": \"{directory}\""));
    }
    if !listeners.is_empty() {
        let listeners = listeners.iter();
        let listeners = listeners.map(|it| format!("\"{}\"", shown(&it.name, &it.host, it.port)));
        let listeners: Vec<String> = listeners.collect();
        parts.push(format!("\"endpoints\": [{}]", listeners.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

/// A listener: `NAME://host:port`, with brackets around an address of IPv6.
pub(super) fn shown(name: &str, host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') {
        format!("{name}://[{host}]:{port}")
    } else {
        format!("{name}://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uuid;
    use crate::protocol::messages::describe_quorum::{Node, ResponsePartitionData};

    fn voter(id: i32, log_end_offset: i64, caught_up: i64) -> ReplicaState {
        ReplicaState {
            replica_id: id,
            log_end_offset,
            last_caught_up_timestamp: caught_up,
            ..ReplicaState::default()
        }
    }

    fn quorum(voters: Vec<ReplicaState>) -> Quorum {
        Quorum {
            partition: ResponsePartitionData {
                leader_id: 2,
                leader_epoch: 7,
                high_watermark: 90,
                current_voters: voters,
                ..ResponsePartitionData::default()
            },
            nodes: Vec::new(),
        }
    }

    fn lags(voters: Vec<ReplicaState>) -> String {
        let text = text(&Str::from_static("c"), &quorum(voters)).expect("there is a leader");
        let words = text.lines().filter(|line| line.starts_with("Max"));
        let words = words.filter_map(|line| line.split_whitespace().last());
        words.collect::<Vec<&str>>().join(" ")
    }

    #[test]
    fn the_lag_is_that_of_the_voter_with_the_shortest_log() {
        let leader = voter(2, 100, 5_000);

        assert_eq!(lags(vec![leader.clone()]), "0 0");
        assert_eq!(
            lags(vec![voter(1, 90, 4_000), leader.clone(), voter(3, 95, 1)]),
            "10 1000"
        );
        assert_eq!(lags(vec![leader.clone(), voter(3, 40, -1)]), "60 -1");
        assert_eq!(lags(vec![leader.clone(), voter(3, 100, 4_999)]), "0 0");
        assert_eq!(lags(vec![voter(3, 100, 4_999), leader]), "0 1");
        assert!(text(&Str::default(), &quorum(vec![voter(1, 0, 0)])).is_err());
    }

    #[test]
    fn voters_are_told_with_their_directories_and_listeners() {
        let mut quorum = quorum(vec![voter(2, 1, 1), voter(3, 1, 1)]);
        let id = Uuid::from_bytes([255; 16]);
        quorum.partition.current_voters[0].replica_directory_id = id;
        let listener = |name, host, port| Listener {
            name: Str::from_static(name),
            host: Str::from_static(host),
            port,
        };
        quorum.nodes.push(Node {
            node_id: 2,
            listeners: vec![listener("A", "::1", 1), listener("B", "b", 2)],
        });

        let text = text(&Str::from_static("c"), &quorum).expect("there is a leader");

        let expected = "\
ClusterId:              c
LeaderId:               2
LeaderEpoch:            7
HighWatermark:          90
MaxFollowerLag:         0
MaxFollowerLagTimeMs:   0
CurrentVoters:          [{\"id\": 2, \"directoryId\": \"_____________________w\", \"endpoints\": \
                        [\"A://[::1]:1\", \"B://b:2\"]}, {\"id\": 3}]
CurrentObservers:       []
";
        assert_eq!(text, expected);
    }
}
