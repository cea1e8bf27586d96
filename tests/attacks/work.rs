//! Small requests for much work, and requests that are much work: nobody else waits for it.

use std::thread;
use std::time::Instant;

use broker::model::Offset;
use broker::protocol::Str;
use broker::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use broker::protocol::messages::describe_log_dirs::DescribeLogDirsRequest;
use broker::protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, TopicRequest,
};
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::list_groups::ListGroupsRequest;
use broker::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use broker::protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::records::compression::{Compression, CompressionSetting};
use broker::records::{BatchBuilder, NewRecord};
use bytes::Bytes;

use crate::victim::{MIB, Victim, is_strict};
use crate::wire::{Wire, coordinate_groups, create_topic, encoded};

/// How many attack at once, and how often each.
const PEERS: usize = 4;
const TIMES: usize = 3;
/// The budget of requests by default, and what the broker may take beside that.
const MOST: usize = (256 + 64) * MIB;

/// Many peers send `request` at once, one after the other each.
fn attack(victim: &Victim, what: &str, request: &[u8]) {
    println!("{what}: a request of {} bytes", request.len());
    attack_by(victim, what, |peer| {
        let answers = (0..TIMES).map(|_| peer.exchange(request).map(|answer| answer.len()));
        answers.last().flatten()
    });
}

/// Many peers do the same at once.
fn attack_by(victim: &Victim, what: &str, act: impl Fn(&mut Wire) -> Option<usize> + Sync) {
    let before = victim.memory("VmRSS");
    victim.reset_peak();
    let witness = victim.witness();
    let begin = Instant::now();
    let sizes: Vec<Option<usize>> = thread::scope(|scope| {
        let attack = || act(&mut Wire::connect(victim.address()));
        let peers: Vec<_> = (0..PEERS).map(|_| scope.spawn(attack)).collect();
        let sizes = peers
            .into_iter()
            .map(|peer| peer.join().expect("it is served"));
        sizes.collect()
    });
    let each = begin.elapsed() / (PEERS * TIMES) as u32;
    let more = victim.memory("VmHWM").saturating_sub(before);
    println!(
        "{what}: {each:?} each, an answer of {:?} bytes, {} MiB more at the most",
        sizes[0],
        more / MIB
    );
    witness.finish(what);
    assert!(sizes.iter().all(Option::is_some), "{what}: no answer");
    assert!(more < MOST, "{what}: {} MiB", more / MIB);
}

fn produce(partitions: Vec<PartitionProduceData>) -> Vec<u8> {
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: Str::from_static("target"),
            partition_data: partitions,
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    encoded(&request, 9)
}

/// A batch that is small, and large when it is decompressed.
fn bomb(codec: Compression, megabytes: usize) -> Bytes {
    let setting = CompressionSetting::new(codec);
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(setting);
    let value = vec![0; MIB];
    for _ in 0..megabytes {
        builder.append(NewRecord {
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

#[test]
fn batches_that_are_large_when_decompressed_hold_nobody_up() {
    let victim = Victim::start_with(&[]);
    create_topic(victim.address(), "target", 1);
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let records = bomb(codec, if is_strict() { 90 } else { 40 });
        assert!(records.len() < MIB, "{codec}: {} bytes", records.len());
        let data = PartitionProduceData {
            index: 0,
            records: Some(records),
        };
        attack(&victim, &format!("{codec} bombs"), &produce(vec![data]));
    }
}

/// How many partitions the topic of these attacks has.
fn partitions() -> i32 {
    if is_strict() { 10_000 } else { 1_000 }
}

fn large_topic() -> Victim {
    let victim = Victim::start_with(&[("message.max.bytes", "67108864")]);
    let begin = Instant::now();
    create_topic(victim.address(), "target", partitions());
    println!("{} partitions made in {:?}", partitions(), begin.elapsed());
    victim
}

fn fetch_all() -> Vec<u8> {
    let partition = |partition| FetchPartition {
        partition,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: "target".into(),
            partitions: (0..partitions()).map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    encoded(&request, 6)
}

/// A session with all partitions, each of which has records, that is asked again and again for no less.
fn fetch_in_session(peer: &mut Wire) -> Option<usize> {
    let partition = |partition| FetchPartition {
        partition,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let mut request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 50 << 20,
        session_epoch: 0,
        topics: vec![FetchTopic {
            topic: "target".into(),
            partitions: (0..partitions()).map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let answer = peer.call(&request, 11);
    request.session_id = answer.session_id;
    request.topics.clear();
    let mut size = 0;
    for epoch in 1..=TIMES as i32 {
        request.session_epoch = epoch;
        let answer = peer.call(&request, 11);
        size = answer.responses.first()?.partitions.len();
    }
    Some(size)
}

fn metadata(topics: Option<Vec<MetadataRequestTopic>>) -> Vec<u8> {
    let request = MetadataRequest {
        topics,
        ..MetadataRequest::default()
    };
    encoded(&request, 9)
}

fn list_offsets() -> Vec<u8> {
    let partition = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: -1,
        ..ListOffsetsPartition::default()
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "target".into(),
            partitions: (0..partitions()).map(partition).collect(),
        }],
        ..ListOffsetsRequest::default()
    };
    encoded(&request, 5)
}

fn describe_topic_partitions() -> Vec<u8> {
    let request = DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest {
            name: "target".into(),
        }],
        response_partition_limit: i32::MAX,
        ..DescribeTopicPartitionsRequest::default()
    };
    encoded(&request, 0)
}

#[test]
fn requests_about_very_many_partitions_hold_nobody_up() {
    let victim = large_topic();
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.append(NewRecord::default());
    let records = builder.build();
    let data = |index| PartitionProduceData {
        index,
        records: Some(records.clone()),
    };
    let to_all = produce((0..partitions()).map(data).collect());
    attack(&victim, "a batch to all partitions", &to_all);
    attack(&victim, "a fetch of all partitions", &fetch_all());
    attack_by(&victim, "fetches in sessions", fetch_in_session);
    attack(&victim, "metadata of all", &metadata(None));
    let named = MetadataRequestTopic {
        name: Some("target".into()),
        ..MetadataRequestTopic::default()
    };
    attack(&victim, "metadata of a name", &metadata(Some(vec![named])));
    attack(&victim, "offsets of all", &list_offsets());
    let log_dirs = encoded(&DescribeLogDirsRequest::default(), 1);
    attack(&victim, "log directories", &log_dirs);
    attack(&victim, "all partitions", &describe_topic_partitions());
}

#[test]
fn large_batches_hold_nobody_up() {
    let victim = large_topic();
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for _ in 0..(40 * MIB / 100) {
        builder.append(NewRecord {
            value: Some(&[7; 88]),
            ..NewRecord::default()
        });
    }
    let data = PartitionProduceData {
        index: 0,
        records: Some(builder.build()),
    };
    attack(&victim, "a batch of 40 MiB", &produce(vec![data]));
}

/// How many groups, or offsets of one group, there are in these attacks.
fn many() -> usize {
    if is_strict() { 100_000 } else { 5_000 }
}

fn commit(group: &str, topics: Vec<OffsetCommitRequestTopic>) -> Vec<u8> {
    let request = OffsetCommitRequest {
        group_id: Str::copy_from(group),
        generation_id_or_member_epoch: -1,
        topics,
        ..OffsetCommitRequest::default()
    };
    encoded(&request, 7)
}

fn committed(name: &str, partitions: impl Iterator<Item = i32>) -> OffsetCommitRequestTopic {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        ..OffsetCommitRequestPartition::default()
    };
    OffsetCommitRequestTopic {
        name: Str::copy_from(name),
        partitions: partitions.map(partition).collect(),
        ..OffsetCommitRequestTopic::default()
    }
}

#[test]
fn requests_about_very_many_groups_and_offsets_hold_nobody_up() {
    let victim = large_topic();
    coordinate_groups(victim.address());
    let mut peer = Wire::connect(victim.address());
    let begin = Instant::now();
    for n in 0..many() {
        let of_one = vec![committed("target", 0..1)];
        let sent = peer.send(&commit(&format!("group-{n}"), of_one));
        sent.expect("it is read");
        if n % 1000 == 999 {
            for _ in 0..1000 {
                peer.receive().expect("an answer");
            }
        }
    }
    println!("{} groups made in {:?}", many(), begin.elapsed());
    let list = encoded(&ListGroupsRequest::default(), 4);
    attack(&victim, "all groups", &list);

    let at_once = 5_000.min(partitions());
    for first in (0..partitions()).step_by(at_once as usize) {
        let all = vec![committed("target", first..first + at_once)];
        peer.exchange(&commit("group", all)).expect("an answer");
    }
    let group = OffsetFetchRequestGroup {
        group_id: "group".into(),
        topics: None,
        member_id: None,
        member_epoch: -1,
    };
    let fetch = OffsetFetchRequest {
        groups: vec![group; 20],
        ..OffsetFetchRequest::default()
    };
    attack(&victim, "all offsets, 20 times", &encoded(&fetch, 8));

    let unknown = |n| committed(&format!("unknown-{n}"), 0..1);
    let commits = commit("group", (0..30_000).map(unknown).collect());
    attack(&victim, "commits for unknown topics", &commits);
    let unknown = |n| OffsetDeleteRequestTopic {
        name: Str::from(format!("unknown-{n}")),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let deletes = OffsetDeleteRequest {
        group_id: "group".into(),
        topics: (0..30_000).map(unknown).collect(),
    };
    attack(&victim, "deletes for unknown topics", &encoded(&deletes, 0));
}

#[test]
fn descriptions_of_all_configs_hold_nobody_up() {
    let victim = Victim::start_with(&[]);
    let broker = DescribeConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![broker],
        include_synonyms: true,
        include_documentation: true,
    };
    let request = encoded(&request, 4).repeat(20);
    attack(&victim, "configs of the broker", &request);

    create_topic(victim.address(), "target", 1);
    let topic = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "target".into(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![topic; 20_000],
        include_synonyms: true,
        include_documentation: true,
    };
    attack(
        &victim,
        "one topic's configs, 20,000 times",
        &encoded(&request, 4),
    );
}
