//! The three brokers that faults happen to, and the topic that is written meanwhile.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use broker::protocol::ErrorCode;
use broker::protocol::messages::metadata::{MetadataResponse, MetadataResponsePartition};
use broker::records::Batches;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::network::Network;
use crate::nodes::{Maker, Nodes};
use crate::support::path_text;
use crate::topics;
use crate::voice::wait_for;

/// The topic that is written.
pub const TOPIC: &str = "written";
/// How many partitions it has.
pub const PARTITIONS: i32 = 3;
/// All nodes.
pub const NODES: [i32; 3] = [1, 2, 3];

/// Three nodes, each broker and controller.
pub struct Cluster {
    pub nodes: Nodes,
    pub network: Arc<Network>,
    paused: Vec<i32>,
    /// Directories that vanish with the cluster.
    in_memory: Vec<TempDir>,
}

impl Cluster {
    /// Nodes of ours in a network of their own; `None` if that cannot be made. They do not run yet.
    pub fn new(test: u8, settings: &[(&str, &str)]) -> Option<Self> {
        Self::made_by(Maker::Ours, test, settings)
    }

    /// As [`Self::new`], with the nodes of one of the makers; `None`, too, if there is no Apache Kafka.
    pub fn made_by(maker: Maker, test: u8, settings: &[(&str, &str)]) -> Option<Self> {
        let network = Arc::new(Network::join(test, &NODES)?);
        let hosting = Arc::clone(&network);
        let mut all = vec![("offsets.topic.replication.factor", "3")];
        all.extend_from_slice(settings);
        let nodes = Nodes::hosted(hosting, &[maker; 3], &all)?;
        Some(Self {
            nodes,
            network,
            paused: Vec::new(),
            in_memory: Vec::new(),
        })
    }

    /// As [`Self::new`], with logs in memory, if that can be: for figures that are not of this machine's disk.
    pub fn in_memory(test: u8, settings: &[(&str, &str)]) -> Option<Self> {
        let mut this = Self::new(test, settings)?;
        for id in NODES {
            let Ok(logs) = tempfile::tempdir_in("/dev/shm") else {
                continue;
            };
            let data = logs.path().join("data");
            this.nodes.set(id, "log.dirs", path_text(&data));
            this.in_memory.push(logs);
        }
        Some(this)
    }

    /// Starts all nodes, and makes the topic.
    pub fn start(&mut self) {
        self.nodes.start_all();
        let created = wait_for("the topic", || {
            let code = self.create(1, TOPIC)?;
            let is_settled = [ErrorCode::NONE, ErrorCode::TOPIC_ALREADY_EXISTS].contains(&code);
            is_settled.then_some(code)
        });
        println!("{TOPIC}: {created:?}");
        self.wait_until_in_sync();
    }

    /// Creates a topic by one of the nodes; the answer, if there is one.
    pub fn create(&self, by: i32, name: &str) -> Option<ErrorCode> {
        let settings = [("min.insync.replicas", "2")];
        topics::create(&self.nodes.bootstrap(by), name, (PARTITIONS, 3), &settings)
    }

    /// Where clients begin.
    pub fn bootstrap(&self) -> String {
        NODES.map(|id| self.nodes.bootstrap(id)).join(",")
    }

    /// What a node says of the cluster.
    pub fn metadata(&self, witness: i32) -> Option<MetadataResponse> {
        topics::metadata(&self.nodes.bootstrap(witness))
    }

    /// What a node says of the topic's partitions.
    pub fn partitions(&self, witness: i32) -> Option<Vec<MetadataResponsePartition>> {
        Some(topics::find(&self.nodes.bootstrap(witness), TOPIC)?.partitions)
    }

    /// The leader of a partition, as soon as `witness` knows of one among those that are `allowed`.
    pub fn leader_among(&self, partition: i32, witness: i32, allowed: &[i32]) -> i32 {
        wait_for("a leader", || {
            let partitions = self.partitions(witness)?;
            let mut named = partitions.iter();
            let found = named.find(|it| it.partition_index == partition)?;
            Some(found.leader_id).filter(|id| allowed.contains(id))
        })
    }

    /// The leader of a partition.
    pub fn leader(&self, partition: i32) -> i32 {
        self.leader_among(partition, self.witness(), &NODES)
    }

    /// A node that runs.
    pub fn witness(&self) -> i32 {
        let mut nodes = NODES.into_iter();
        nodes.find(|id| self.is_well(*id)).expect("one runs")
    }

    /// Whether a node runs, and is not paused.
    pub fn is_well(&self, id: i32) -> bool {
        self.nodes.is_running(id) && !self.paused.contains(&id)
    }

    /// Kills a node, if it runs.
    pub fn kill(&mut self, id: i32) {
        if self.nodes.is_running(id) {
            self.nodes.kill(id);
        }
        self.paused.retain(|paused| *paused != id);
    }

    /// Waits until all replicas of all partitions are in sync, as every node says.
    pub fn wait_until_in_sync(&self) {
        for witness in NODES {
            let mut told = Vec::new();
            wait_for("all replicas in sync", || {
                let partitions = self.partitions(witness)?;
                let of = |it: &MetadataResponsePartition| {
                    (it.partition_index, it.leader_id, it.isr_nodes.clone())
                };
                let seen: Vec<_> = partitions.iter().map(of).collect();
                let is_full = seen.iter().all(|(_, _, isr)| isr.len() == NODES.len());
                if told != seen {
                    println!("{witness} says of partitions, leaders, in-sync sets: {seen:?}");
                    told = seen;
                }
                is_full.then_some(())
            });
        }
    }

    /// Stops a node's processor time.
    pub fn pause(&mut self, id: i32) {
        self.nodes.signal(id, Signal::STOP);
        self.paused.push(id);
    }

    /// Ends all faults: nodes that are down are started, those that are paused go on, cuts are mended.
    pub fn heal(&mut self) {
        self.network.mend();
        for id in std::mem::take(&mut self.paused) {
            self.nodes.signal(id, Signal::CONT);
        }
        let down: Vec<i32> = NODES
            .into_iter()
            .filter(|id| !self.nodes.is_running(*id))
            .collect();
        for id in &down {
            self.nodes.spawn(*id);
        }
        for id in &down {
            self.nodes.wait_until_ready(*id);
        }
    }

    /// Checks that all replicas of the topic have the same bytes, once nothing is written any more.
    pub fn assert_same_replicas(&self) {
        for partition in 0..PARTITIONS {
            let mut told = Vec::new();
            wait_for("the same bytes on all replicas", || {
                let logs = NODES.map(|id| self.log(id, partition));
                let is_same = logs.iter().all(|log| *log == logs[0]);
                let of = |log: &Vec<u8>| (log.len(), same_until(log, &logs[0]));
                let seen: Vec<_> = logs.iter().map(of).collect();
                if !is_same && told != seen {
                    println!(
                        "partition {partition}: sizes, and how far they are as the first: {seen:?}"
                    );
                    told = seen;
                }
                (is_same && !logs[0].is_empty()).then_some(())
            });
        }
    }

    /// The producer id and the epoch of the batch with this offset.
    pub fn written_by(&self, partition: i32, offset: i64) -> (i64, i16) {
        let log = self.log(self.witness(), partition);
        let mut batches = Batches::new(&log).map_while(Result::ok);
        let batch = batches.find(|batch| batch.header().last_offset().0 >= offset);
        let batch = batch.expect("the log has the offset");
        let header = batch.header();
        (header.producer_id().0, header.producer_epoch())
    }

    /// The bytes of all segments of a replica.
    fn log(&self, id: i32, partition: i32) -> Vec<u8> {
        let name = format!("{TOPIC}-{partition}");
        let dirs = self.nodes.data_dirs(id).into_iter();
        let entries = dirs
            .filter_map(|dir| fs::read_dir(dir.join(&name)).ok())
            .flatten()
            .map_while(Result::ok);
        let mut segments: Vec<_> = entries.map(|entry| entry.path()).collect();
        segments.retain(|path| path.extension().is_some_and(|it| it == "log"));
        segments.sort();
        segments.iter().flat_map(|path| segment(path)).collect()
    }
}

fn segment(path: &Path) -> Vec<u8> {
    let mut content = fs::read(path).unwrap_or_default();
    // Room may be reserved behind the end.
    let end = content.iter().rposition(|byte| *byte != 0);
    content.truncate(end.map_or(0, |end| end + 1));
    content
}

/// How many bytes are the same before the first that differ.
fn same_until(log: &[u8], other: &[u8]) -> usize {
    let pairs = log.iter().zip(other);
    pairs.take_while(|(byte, other)| byte == other).count()
}
