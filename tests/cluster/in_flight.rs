//! What a producer meets that has several batches of a partition in flight, when the first is refused and the
//! reason is gone before the second comes.

use broker::model::{Offset, ProducerId};
use broker::protocol::ErrorCode;
use broker::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use broker::records::{BatchBuilder, NewRecord};

use crate::eligible_leaders::{cluster, first, wait_for_in_sync};
use crate::nodes::Nodes;
use crate::replication::TOPIC;
use crate::topics;
use crate::voice::{ask_at, wait_for};

/// What describes a topic's configs.
const TOPIC_CONFIGS: i8 = 2;
/// A version that names topics by name.
const VERSION: i16 = 12;

/// Sends one batch of a producer to the leader, for all that are in sync.
fn produce(nodes: &Nodes, leader: i32, producer: i64, sequence: i32) -> PartitionProduceResponse {
    let mut batch = BatchBuilder::new(Offset::ZERO).producer(ProducerId(producer), 0, sequence);
    batch.append(NewRecord::default());
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.into(),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(batch.build()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let answer = ask_at(&nodes.bootstrap(leader), &request, VERSION);
    let mut answer = answer.expect("the leader answers");
    answer.responses[0].partition_responses.remove(0)
}

/// Says how many replicas of the topic must be in sync, and waits until the leader holds to it.
fn require_in_sync(nodes: &Nodes, leader: i32, count: u8) {
    let address = nodes.bootstrap(leader);
    let (key, value) = ("min.insync.replicas", count.to_string());
    topics::configure(&address, (TOPIC_CONFIGS, TOPIC), key, Some(&value));
    let expected = if count > 1 {
        ErrorCode::NOT_ENOUGH_REPLICAS
    } else {
        ErrorCode::NONE
    };
    wait_for("the setting at the leader", || {
        let other = produce(nodes, leader, -1, -1);
        (other.error_code == expected).then_some(())
    });
}

/// Kafka answers the second with OUT_OF_ORDER_SEQUENCE_NUMBER, or takes it if the producer is new there: then
/// the first is out of order for good.
#[test]
fn a_batch_behind_one_that_is_refused_for_now_is_refused_like_it() {
    let mut nodes = cluster(96);
    let leader = first(&nodes, 2).expect("an answer").leader_id;
    let others = nodes.brokers().into_iter().filter(|id| *id != leader);
    for other in others.collect::<Vec<_>>() {
        nodes.kill(other);
    }
    wait_for_in_sync(&nodes, leader, &[leader]);
    for (producer, is_new) in [(7_001, false), (7_002, true)] {
        let mut next = 0;
        let send = |sequence| produce(&nodes, leader, producer, sequence);
        require_in_sync(&nodes, leader, 1);
        if !is_new {
            assert_eq!(send(next).error_code, ErrorCode::NONE);
            next += 1;
        }
        require_in_sync(&nodes, leader, 2);
        assert_eq!(send(next).error_code, ErrorCode::NOT_ENOUGH_REPLICAS);
        require_in_sync(&nodes, leader, 1);

        let second = send(next + 1);
        assert_eq!(second.error_code, ErrorCode::NOT_ENOUGH_REPLICAS);
        let first = send(next);
        assert_eq!(first.error_code, ErrorCode::NONE);
        let second = send(next + 1);
        assert_eq!(second.error_code, ErrorCode::NONE);
        assert_eq!(second.base_offset, first.base_offset + 1);
        // Nothing before this one was refused.
        let gap = send(next + 3);
        assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
}
