//! What the cluster tells of its quorum of controllers.

use super::of_call;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::exception::Exception;
use crate::client::{Cluster, Entry, To};
use crate::metadata::controller::METADATA_TOPIC_NAME;
use crate::protocol::messages::describe_cluster::DescribeClusterRequest;
use crate::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Node, ReplicaState, RequestPartitionData,
    RequestTopicData, ResponsePartitionData,
};
use crate::protocol::{ErrorCode, Str};

/// The kinds of nodes, as DescribeCluster numbers them.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// A quorum.
#[derive(Debug)]
pub(super) struct Quorum {
    /// Its one partition, with its voters and observers.
    pub(super) partition: ResponsePartitionData,
    /// Where its nodes listen, as far as the cluster tells.
    pub(super) nodes: Vec<Node>,
}

impl Quorum {
    /// The leader, which is a voter.
    ///
    /// # Errors
    /// It is not among them.
    pub(super) fn leader(&self) -> Result<&ReplicaState, Ending> {
        let mut voters = self.partition.current_voters.iter();
        let leader = voters.find(|voter| voter.replica_id == self.partition.leader_id);
        leader.ok_or_else(|| Ending::Failed("No value present".to_owned()))
    }
}

/// The cluster's id.
///
/// # Errors
/// The cluster refuses, or does not answer.
pub(super) async fn cluster_id(cluster: &mut Cluster) -> Result<Str, Ending> {
    let endpoint_type = match cluster.options().entry {
        Entry::Brokers => BROKERS,
        Entry::Controllers => CONTROLLERS,
    };
    let request = DescribeClusterRequest {
        endpoint_type,
        ..DescribeClusterRequest::default()
    };
    let answer = cluster.ask(To::Any, &request).await.map_err(of_call)?;
    if answer.error_code.is_error() {
        return Err(of_call(Exception::refused(
            answer.error_code,
            answer.error_message,
        )));
    }
    Ok(answer.cluster_id)
}

/// The quorum.
///
/// # Errors
/// The cluster refuses, or does not answer.
pub(super) async fn describe(cluster: &mut Cluster) -> Result<Quorum, Ending> {
    let request = DescribeQuorumRequest {
        topics: vec![RequestTopicData {
            topic_name: Str::from_static(METADATA_TOPIC_NAME),
            partitions: vec![RequestPartitionData { partition_index: 0 }],
        }],
    };
    let entry = cluster.options().entry;
    let answer = cluster
        .ask_until(To::Any, &request, |answer| elsewhere(answer, entry))
        .await
        .map_err(of_call)?;
    read(answer).map_err(of_call)
}

/// The error that says that another node has to be asked.
fn elsewhere(answer: &DescribeQuorumResponse, entry: Entry) -> ErrorCode {
    let of_partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let of_partitions = of_partitions.map(|partition| partition.error_code);
    let mut codes = std::iter::once(answer.error_code).chain(of_partitions);
    let says_so = |code: &ErrorCode| match *code {
        ErrorCode::NOT_CONTROLLER => true,
        ErrorCode::NOT_LEADER_OR_FOLLOWER => entry == Entry::Controllers,
        _ => false,
    };
    codes.find(says_so).unwrap_or(ErrorCode::NONE)
}

fn read(answer: DescribeQuorumResponse) -> Result<Quorum, Exception> {
    if answer.error_code.is_error() {
        return Err(Exception::refused(answer.error_code, answer.error_message));
    }
    let strange = |words: String| {
        let words = format!("DescribeMetadataQuorum received {words} was expected");
        Exception::refused(ErrorCode::UNKNOWN_SERVER_ERROR, Some(Str::from(words)))
    };
    let [topic] = <[_; 1]>::try_from(answer.topics)
        .map_err(|topics| strange(format!("{} topics when 1", topics.len())))?;
    let name = topic.topic_name;
    if *name != *METADATA_TOPIC_NAME {
        let words = format!("a topic with name {name} when {METADATA_TOPIC_NAME}");
        return Err(strange(words));
    }
    let [partition] = <[_; 1]>::try_from(topic.partitions).map_err(|partitions| {
        let count = partitions.len();
        strange(format!("a topic {name} with {count} partitions when 1"))
    })?;
    let index = partition.partition_index;
    if index != 0 {
        let words = format!("a single partition with index {index} when 0");
        return Err(strange(words));
    }
    if partition.error_code.is_error() {
        let (code, words) = (partition.error_code, partition.error_message);
        return Err(Exception::refused(code, words));
    }
    Ok(Quorum {
        partition,
        nodes: answer.nodes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::describe_quorum::ResponseTopicData;

    fn answer(name: &'static str, partitions: &[(i32, ErrorCode)]) -> DescribeQuorumResponse {
        let partitions =
            partitions
                .iter()
                .map(|(partition_index, error_code)| ResponsePartitionData {
                    partition_index: *partition_index,
                    error_code: *error_code,
                    ..ResponsePartitionData::default()
                });
        DescribeQuorumResponse {
            topics: vec![ResponseTopicData {
                topic_name: Str::from_static(name),
                partitions: partitions.collect(),
            }],
            ..DescribeQuorumResponse::default()
        }
    }

    fn told(answer: DescribeQuorumResponse) -> String {
        match read(answer) {
            Ok(quorum) => panic!("{quorum:?}"),
            Err(error) => error.message,
        }
    }

    #[test]
    fn an_answer_has_the_one_partition_of_the_metadata() {
        let good = (0, ErrorCode::NONE);

        assert!(read(answer(METADATA_TOPIC_NAME, &[good])).is_ok());
        assert_eq!(
            told(answer("t", &[good])),
            "DescribeMetadataQuorum received a topic with name t when __cluster_metadata was expected"
        );
        assert_eq!(
            told(answer(METADATA_TOPIC_NAME, &[good, good])),
            "DescribeMetadataQuorum received a topic __cluster_metadata with 2 partitions when 1 was expected"
        );
        assert_eq!(
            told(DescribeQuorumResponse::default()),
            "DescribeMetadataQuorum received 0 topics when 1 was expected"
        );
        let refused = (0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(
            told(answer(METADATA_TOPIC_NAME, &[refused])),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.message()
        );
    }

    #[test]
    fn only_a_controller_may_say_that_another_leads() {
        let lost = (0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let lost = answer(METADATA_TOPIC_NAME, &[lost]);

        assert_eq!(elsewhere(&lost, Entry::Brokers), ErrorCode::NONE);
        assert_eq!(
            elsewhere(&lost, Entry::Controllers),
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        );
    }
}
