//! One of three nodes has too few descriptors, or too little memory, for what is asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use broker::model::Offset;
use broker::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Str};
use broker::records::{BatchBuilder, NewRecord};

use crate::cluster::{Cluster, NODES};
use crate::short::{FAIL_OVER, SOME, others, run};
use crate::support::process::memory;
use crate::topics;
use crate::voice::{ask, wait_for};
use crate::wire::{Wire, encoded};

/// The node that has little.
const VICTIM: i32 = 1;
/// How long a follower may be behind before it is no more in sync.
const LAG: Duration = Duration::from_secs(4);
/// From where clients come.
const CLIENTS: [u8; 4] = [10, 77, 0, 100];
const MANY_PARTITIONS: i32 = 300;
const MANY_CLIENTS: usize = 1_000;

fn settings() -> Vec<(&'static str, &'static str)> {
    vec![
        ("replica.lag.time.max.ms", "4000"),
        ("message.max.bytes", "16777216"),
    ]
}

/// How many descriptors of each kind a process has: files by how their names end, others by what they are.
fn descriptors(process: u32) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    let all = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    for link in all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()) {
        let text = link.to_string_lossy();
        let kind = text.split(":[").next().unwrap_or_default();
        let kind = kind.rsplit(['.', '/']).next().unwrap_or_default();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

#[test]
#[ignore = "by name, and in .ci/full: it stalled once in some ten runs, and what held the descriptors is not known"]
fn a_node_without_descriptors_costs_the_others_nothing_and_recovers() {
    let Some(mut cluster) = Cluster::in_memory(52, &settings()) else {
        return;
    };
    cluster.nodes.place(VICTIM).limit("nofile=256:256");
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let address = cluster.nodes.bootstrap(VICTIM);
        let peers: Vec<Wire> = (0..MANY_CLIENTS)
            .map_while(|_| Wire::from(CLIENTS, &address).ok())
            .collect();
        println!("{} clients are connected", peers.len());
        let witness = cluster.nodes.bootstrap(others(VICTIM)[0]);
        let made = topics::create(&witness, "many", (MANY_PARTITIONS, 3), &[]);
        assert_eq!(made, Some(ErrorCode::NONE));
        let process = cluster.nodes.process(VICTIM).pid();
        println!("descriptors while they are: {:?}", descriptors(process));
        workload.wait_for_acks(SOME);
        thread::sleep(LAG);
        workload.wait_for_acks(1);
        let gap = workload.longest_gap();
        println!("{gap:?} without an acknowledgement");
        assert!(gap < 2 * LAG + FAIL_OVER, "{gap:?}");
        assert!(!cluster.nodes.has_ended(VICTIM));

        drop(peers);
        let free_at = Instant::now();
        wait_for("all replicas of many partitions in sync", || {
            let topic = topics::find(&address, "many")?;
            let mut all = topic.partitions.iter();
            all.all(|it| it.isr_nodes.len() == NODES.len())
                .then_some(())
        });
        println!("all is in sync {:?} after they left", free_at.elapsed());
    });
}

/// A group of processes that has so much memory and no more; gone when dropped, with no process in it.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// `None`, said loudly, without memory groups of the first kind.
    fn new(bytes: usize) -> Option<Self> {
        let root = PathBuf::from("/sys/fs/cgroup/memory");
        if !root.join("memory.limit_in_bytes").exists() {
            println!("*** SKIPPED: there are no memory groups ***");
            return None;
        }
        let group = root.join(format!("broker-faults-{}", std::process::id()));
        fs::create_dir(&group).expect("root may make one");
        fs::write(group.join("memory.limit_in_bytes"), bytes.to_string()).expect("a limit");
        Some(Self(group))
    }

    fn take_in(&self, process: u32) {
        fs::write(self.0.join("cgroup.procs"), process.to_string()).expect("it runs");
    }

    fn failures(&self) -> String {
        fs::read_to_string(self.0.join("memory.failcnt")).expect("a count")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // It fails while a failed test's process is in it.
        let _ = fs::remove_dir(&self.0);
    }
}

const MIB: usize = 1 << 20;
const LARGE: usize = 10 * MIB;

/// Makes a topic of one replica, on the victim.
fn create_large(address: &str) {
    let topic = CreatableTopic {
        name: "large".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![CreatableReplicaAssignment {
            partition_index: 0,
            broker_ids: vec![VICTIM],
        }],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        validate_only: false,
    };
    let answer = ask(address, &request).expect("an answer");
    assert_eq!(answer.topics[0].error_code, ErrorCode::NONE);
}

fn produce_large() -> Vec<u8> {
    let mut batch = BatchBuilder::new(Offset(0));
    batch.append(NewRecord {
        value: Some(&vec![7; LARGE]),
        ..NewRecord::default()
    });
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: Str::from_static("large"),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(batch.build()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    encoded(&request, 9)
}

fn fetch_large() -> Vec<u8> {
    let partition = FetchPartition {
        partition_max_bytes: 50 << 20,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: "large".into(),
            partitions: vec![partition],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    encoded(&request, 6)
}

/// Peers that ask for much and read nothing, and others that send much and never the end of it.
fn flood(address: &str) -> io::Result<Vec<Wire>> {
    let (produce, fetch) = (produce_large(), fetch_large());
    let mut deaf = Vec::new();
    for _ in 0..400 {
        let mut peer = Wire::deaf(CLIENTS, address)?;
        peer.send_what_fits(&fetch.repeat(12));
        deaf.push(peer);
    }
    let senders = (0..100).map(|_| Wire::from(CLIENTS, address));
    let mut senders = senders.collect::<io::Result<Vec<Wire>>>()?;
    let mut sent = vec![0; senders.len()];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        for (peer, sent) in senders.iter_mut().zip(&mut sent) {
            *sent += peer.send_what_fits(&produce[*sent..produce.len() - 1]);
        }
    }
    let taken: usize = sent.iter().sum();
    println!("{} MiB of large requests were taken", taken / MIB);
    deaf.extend(senders);
    Ok(deaf)
}

#[test]
fn a_node_with_little_memory_is_not_killed_by_large_requests() {
    // Its files are in memory, too: twelve batches of 10 MiB among them. What was read of the requests of peers
    // that all leave at once must not add up to more than the requests were charged for.
    let Some(group) = MemoryGroup::new(500 * MIB) else {
        return;
    };
    let Some(mut cluster) = Cluster::in_memory(53, &settings()) else {
        return;
    };
    cluster.start();
    group.take_in(cluster.nodes.process(VICTIM).pid());
    run(&mut cluster, |cluster, workload| {
        let address = cluster.nodes.bootstrap(VICTIM);
        create_large(&address);
        let mut writer = Wire::from(CLIENTS, &address).expect("it listens");
        for _ in 0..12 {
            writer.exchange(&produce_large()).expect("an answer");
        }
        let peers = flood(&address).expect("there is room for clients");
        workload.wait_for_acks(SOME);
        let gap = workload.longest_gap();
        println!("{gap:?} without an acknowledgement");
        assert!(!cluster.nodes.has_ended(VICTIM), "it was killed");
        let peak = memory(cluster.nodes.process(VICTIM).pid(), "VmHWM") / MIB;
        println!("{peak} MiB at the most, {} refusals", group.failures());
        assert!(gap < 2 * LAG + FAIL_OVER, "{gap:?}");
        drop(peers);
    });
}
