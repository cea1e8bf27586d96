//! A producer that sends each message exactly once, by a connection of its own, and knows what each answer
//! means. Clients like librdkafka send again after some answers, however few retries they are allowed.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use broker::clock::wall_clock;
use broker::model::{Offset, Uuid};
use broker::protocol::ErrorCode;
use broker::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use broker::records::{BatchBuilder, NewRecord};

use crate::cluster::{PARTITIONS, TOPIC};
use crate::history::{Fate, Sent};
use crate::topics;
use crate::voice::ask;

/// The pause after each message.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(20);

/// Where the topic's leaders are, as some node said.
struct Leaders {
    topic_id: Uuid,
    addresses: BTreeMap<i32, String>,
}

/// Produces until `is_over`; `answered` is told of each partition that has acknowledged or refused a message.
/// Returns what was sent.
pub fn produce(
    number: u32,
    bootstrap: &str,
    is_over: impl Fn() -> bool,
    answered: impl Fn(i32, ErrorCode),
) -> Vec<Sent> {
    let nodes: Vec<&str> = bootstrap.split(',').collect();
    let mut leaders = None;
    let mut sent = Vec::new();
    for (next, node) in (0_u64..).zip(nodes.iter().cycle()) {
        if is_over() {
            break;
        }
        let partition = (next % PARTITIONS as u64) as i32;
        if leaders.is_none() {
            leaders = ask_for_leaders(node);
        }
        let known = leaders.as_ref();
        let address = known.and_then(|known| Some((known, known.addresses.get(&partition)?)));
        let Some((known, address)) = address else {
            leaders = None;
            thread::sleep(BETWEEN_MESSAGES);
            continue;
        };
        let value = u64::from(number) << 32 | next;
        let answer = send(known.topic_id, address, partition, value);
        let fate = fate(answer.as_ref());
        sent.push(Sent {
            producer: number,
            partition,
            value,
            fate,
        });
        if let Some(answer) = answer {
            answered(partition, answer.error_code);
        }
        if !matches!(fate, Fate::Acknowledged(_)) {
            leaders = None;
        }
        thread::sleep(BETWEEN_MESSAGES);
    }
    sent
}

fn ask_for_leaders(node: &str) -> Option<Leaders> {
    let answer = topics::metadata(node)?;
    let addresses: BTreeMap<i32, String> = answer
        .brokers
        .iter()
        .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
        .collect();
    let mut topics = answer.topics.iter();
    let topic = topics.find(|topic| topic.name.as_deref() == Some(TOPIC))?;
    let leaders = topic.partitions.iter().filter_map(|partition| {
        let address = addresses.get(&partition.leader_id)?;
        Some((partition.partition_index, address.clone()))
    });
    Some(Leaders {
        topic_id: topic.topic_id,
        addresses: leaders.collect(),
    })
}

fn send(
    topic_id: Uuid,
    leader: &str,
    partition: i32,
    value: u64,
) -> Option<PartitionProduceResponse> {
    let text = format!("{value} once");
    let mut batch = BatchBuilder::new(Offset(0));
    batch.append(NewRecord {
        value: Some(text.as_bytes()),
        // A message of 1970 would be gone at the first look for what is too old.
        timestamp: wall_clock(),
        ..NewRecord::default()
    });
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.into(),
            topic_id,
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(batch.build()),
            }],
        }],
        ..ProduceRequest::default()
    };
    let topic = ask(leader, &request)?.responses.into_iter().next()?;
    topic.partition_responses.into_iter().next()
}

fn fate(answer: Option<&PartitionProduceResponse>) -> Fate {
    let Some(answer) = answer else {
        return Fate::Unknown;
    };
    match answer.error_code {
        ErrorCode::NONE => Fate::Acknowledged(answer.base_offset),
        // The one answer that says that nothing was written, whatever happens to the leader later.
        ErrorCode::NOT_ENOUGH_REPLICAS => Fate::Refused,
        _ => Fate::Unknown,
    }
}
