//! What an operator asks of a cluster: configs of a broker, its log directories, preferred leaders, moves to other
//! brokers, the end of a registration.

use broker::protocol::ErrorCode;
use broker::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use broker::protocol::messages::describe_log_dirs::{
    DescribeLogDirsRequest, DescribeLogDirsResult,
};
use broker::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};

use broker::protocol::messages::unregister_broker::UnregisterBrokerRequest;

use crate::topics;
use crate::voice::{ask, wait_for};

/// Kafka's number of brokers among what has a config.
const BROKER: i8 = 4;

/// Sets a config of a broker, or takes it away, by the node at `address`: what it answers.
pub fn set_of_broker(address: &str, broker: i32, key: &str, value: Option<&str>) -> ErrorCode {
    let resource = (BROKER, &*broker.to_string());
    let result = topics::alter(address, resource, key, value);
    if result.error_code.is_error() {
        println!("{key}: {:?}", result.error_message);
    }
    result.error_code
}

/// The log directories of the broker at `address`, in the order of its config.
pub fn log_dirs(address: &str) -> Vec<DescribeLogDirsResult> {
    let answer = ask(address, &DescribeLogDirsRequest { topics: None });
    answer.expect("an answer").results
}

/// Waits until `broker` leads so many partitions of all topics, as the node at `address` says, and all have a
/// leader. `None` waits until it leads some.
pub fn wait_until_led(address: &str, broker: i32, count: Option<usize>) {
    let mut told = None;
    wait_for(&format!("broker {broker} leads {count:?}"), || {
        let topics = topics::metadata(address)?.topics;
        let leaders = topics.iter().flat_map(|topic| &topic.partitions);
        let leaders: Vec<i32> = leaders.map(|it| it.leader_id).collect();
        let led = leaders.iter().filter(|leader| **leader == broker).count();
        if told.replace(led) != Some(led) {
            println!("broker {broker} leads {led} of {}", leaders.len());
        }
        let is_as_wanted = count.map_or(led > 0, |count| led == count);
        (is_as_wanted && !leaders.contains(&-1)).then_some(())
    });
}

/// Asks for the preferred leaders of all partitions, or of the first one of a topic: the code for that.
pub fn elect_preferred(address: &str, first_of: Option<&'static str>) -> Option<ErrorCode> {
    let request = ElectLeadersRequest {
        topic_partitions: first_of.map(|topic| {
            vec![TopicPartitions {
                topic: topic.into(),
                partitions: vec![0],
            }]
        }),
        timeout_ms: 30_000,
        ..ElectLeadersRequest::default()
    };
    let answer = ask(address, &request).expect("an answer");
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let topic = answer.replica_election_results.into_iter().next()?;
    Some(topic.partition_result.first()?.error_code)
}

/// Puts `to` in the place of `from` in all partitions that have one of the two, and waits for the end of the
/// moves.
pub fn move_all(address: &str, from: i32, to: i32) {
    rearrange(address, |replicas| {
        let replaced = |id: &i32| if *id == from { to } else { *id };
        if replicas.contains(&to) {
            replicas.to_vec()
        } else {
            replicas.iter().map(replaced).collect()
        }
    });
}

/// Gives all partitions these replicas, and waits for the end of the moves.
pub fn place_all(address: &str, replicas: &[i32]) {
    rearrange(address, |_| replicas.to_vec());
}

/// Gives each partition the replicas that `arrange` makes of its own, and waits until all are in sync.
fn rearrange(address: &str, arrange: impl Fn(&[i32]) -> Vec<i32>) {
    // The node may not have heard of the topics yet.
    let topics = wait_for("topics", || {
        let topics = topics::metadata(address)?.topics;
        (!topics.is_empty()).then_some(topics)
    });
    let wanted = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|it| ReassignablePartition {
            partition_index: it.partition_index,
            replicas: Some(arrange(&it.replica_nodes)),
        });
        ReassignableTopic {
            partitions: partitions.collect(),
            name: topic.name.expect("it has one"),
        }
    });
    let request = AlterPartitionReassignmentsRequest {
        topics: wanted.collect(),
        timeout_ms: 30_000,
        ..AlterPartitionReassignmentsRequest::default()
    };
    let answer = ask(address, &request).expect("an answer");
    for outcome in answer.responses.iter().flat_map(|it| &it.partitions) {
        assert_eq!(outcome.error_code, ErrorCode::NONE, "{outcome:?}");
    }
    wait_for("the end of the moves", || {
        let topics = topics::metadata(address)?.topics;
        let mut partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let is_there = partitions.all(|it| {
            let replicas = &it.replica_nodes;
            *replicas == arrange(replicas) && it.isr_nodes.len() == replicas.len()
        });
        is_there.then_some(())
    });
}

/// Asks for the end of a broker's registration: the answer's code.
pub fn unregister(address: &str, broker: i32) -> ErrorCode {
    let request = UnregisterBrokerRequest { broker_id: broker };
    ask(address, &request).expect("an answer").error_code
}
