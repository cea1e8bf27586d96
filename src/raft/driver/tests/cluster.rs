//! Three drivers in one process, each on a disk of its own, that exchange the messages of the wire.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::doubles::{arrives, comes_back};
use crate::protocol::Str;
use crate::raft::effect::Absence;
use crate::raft::message::{Request, Response};
use crate::raft::peers_driver::AnswerSlot;
use crate::raft::wire::QuorumAddresses;

const IDS: [i32; 3] = [1, 2, 3];

/// The nodes that run, and those that hear nobody.
#[derive(Default)]
struct World {
    nodes: BTreeMap<BrokerId, Raft>,
    deaf: BTreeSet<BrokerId>,
}

/// All nodes, and the runtime on which their messages travel.
#[derive(Clone)]
struct Cluster {
    world: Arc<Mutex<World>>,
    runtime: Arc<tokio::runtime::Runtime>,
    addresses: Arc<QuorumAddresses>,
}

/// One node's way to the others.
struct Wires {
    local: BrokerId,
    cluster: Cluster,
}

impl Peers for Wires {
    fn ask(&mut self, to: BrokerId, request: Request, slot: AnswerSlot) {
        let world = self.cluster.world.lock();
        let is_cut = world.deaf.contains(&self.local) || world.deaf.contains(&to);
        let node = world.nodes.get(&to).cloned();
        drop(world);
        let addresses = Arc::clone(&self.cluster.addresses);
        let Some(node) = node else {
            slot.unreachable(Absence::Gone);
            return;
        };
        if is_cut {
            // Whoever drops the slot says that nothing was heard.
            return;
        }
        self.cluster.runtime.spawn(async move {
            slot.answered(travel(&addresses, &node, to, &request).await);
        });
    }
}

async fn travel(
    addresses: &QuorumAddresses,
    node: &Raft,
    to: BrokerId,
    request: &Request,
) -> Response {
    let asked = arrives(addresses, to, request);
    let served = node.serve(asked.clone()).await;
    comes_back(addresses, &asked, &served).expect("it can be read")
}

impl Cluster {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build();
        let addresses = QuorumAddresses {
            cluster_id: Str::from_static("one-cluster"),
            voters: IDS.map(voter).into(),
            listener: Str::from_static("CONTROLLER"),
        };
        Self {
            world: Arc::default(),
            runtime: Arc::new(runtime.unwrap()),
            addresses: Arc::new(addresses),
        }
    }

    fn start(&self, id: i32, disk: &CrashDisk) -> Recorder {
        self.start_with(&config_of(id), disk).unwrap()
    }

    fn start_with(&self, config: &RaftConfig, disk: &CrashDisk) -> Result<Recorder, RaftError> {
        let recorder = Recorder::default();
        let local = config.node_id;
        let cluster = self.clone();
        let peers = Box::new(Wires { local, cluster });
        let listener = Box::new(recorder.clone());
        let raft = Raft::open(config, Arc::new(disk.clone()), listener, peers)?;
        self.world.lock().nodes.insert(local, raft);
        Ok(recorder)
    }

    fn node(&self, id: i32) -> Raft {
        self.world.lock().nodes[&BrokerId(id)].clone()
    }

    /// Takes a node away, as if its process had ended; what it had under way is dropped.
    fn kill(&self, id: i32) -> Raft {
        let mut world = self.world.lock();
        world.nodes.remove(&BrokerId(id)).unwrap()
    }
}

fn config_of(id: i32) -> RaftConfig {
    RaftConfig {
        node_id: BrokerId(id),
        directory_id: Uuid::from_bytes([id as u8; 16]),
        voters: IDS.map(voter).into(),
        seed: id as u64,
        ..config()
    }
}

impl Recorder {
    /// Which epoch this node leads now, if it does.
    fn leads(&self) -> Option<LeaderEpoch> {
        let events = self.0.0.lock();
        let newest = events.iter().rev().find_map(|event| match event {
            RaftEvent::BecameLeader { epoch, .. } => Some(Some(*epoch)),
            RaftEvent::Resigned { .. } => Some(None),
            _ => None,
        });
        newest.flatten()
    }
}

/// Waits until one of the nodes leads, and says which, and in which epoch.
fn wait_for_leader(nodes: &[(i32, Recorder)]) -> (i32, LeaderEpoch) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut leaders = nodes
            .iter()
            .filter_map(|(id, recorder)| Some((*id, recorder.leads()?)));
        if let Some(leader) = leaders.next() {
            return leader;
        }
        assert!(Instant::now() < deadline, "nobody leads");
        thread::yield_now();
    }
}

struct Three {
    cluster: Cluster,
    disks: BTreeMap<i32, CrashDisk>,
    recorders: BTreeMap<i32, Recorder>,
}

impl Three {
    fn start() -> Self {
        let cluster = Cluster::new();
        let disks: BTreeMap<_, _> = IDS.map(|id| (id, formatted_disk())).into();
        let started = disks.iter();
        let recorders = started.map(|(id, disk)| (*id, cluster.start(*id, disk)));
        let recorders = recorders.collect();
        let this = Self {
            cluster,
            disks,
            recorders,
        };
        this.wait_for_votes();
        this
    }

    /// Waits until no node is a newcomer any more: before that the others may need it for a majority, and it
    /// has no vote.
    fn wait_for_votes(&self) {
        let deadline = Instant::now() + PATIENCE;
        for id in IDS {
            while self.cluster.node(id).info().newcomer.is_some() {
                assert!(Instant::now() < deadline, "node {id} has no vote");
                thread::yield_now();
            }
        }
    }

    fn leader(&self) -> (i32, LeaderEpoch) {
        wait_for_leader(&self.but(None))
    }

    /// All nodes but one.
    fn but(&self, one: Option<i32>) -> Vec<(i32, Recorder)> {
        let others = self.recorders.iter().filter(|(id, _)| Some(**id) != one);
        others
            .map(|(id, recorder)| (*id, recorder.clone()))
            .collect()
    }

    fn append(&self, text: &str) -> Offset {
        let (leader, epoch) = self.leader();
        let node = self.cluster.node(leader);
        node.append(epoch, vec![record(text)]).unwrap()
    }

    fn kill(&mut self, id: i32) -> Raft {
        self.recorders.remove(&id);
        self.cluster.kill(id)
    }

    fn stop(self) {
        let nodes = std::mem::take(&mut self.cluster.world.lock().nodes);
        for node in nodes.values() {
            node.close();
        }
    }
}

#[test]
fn what_one_of_three_appends_is_committed_on_all() {
    let three = Three::start();

    let offset = three.append("to all");

    for (id, recorder) in &three.recorders {
        assert!(recorder.wait_for_commit(offset), "node {id}");
        assert_eq!(recorder.records(), [record("to all")], "node {id}");
    }
    three.stop();
}

#[test]
fn a_leader_that_is_gone_is_followed_by_another_with_all_that_was_committed() {
    let mut three = Three::start();
    let offset = three.append("before");
    for recorder in three.recorders.values() {
        assert!(recorder.wait_for_commit(offset));
    }
    let (first, _) = three.leader();

    let gone = three.kill(first);
    let (second, _) = three.leader();
    let offset = three.append("after");

    assert_ne!(second, first);
    for recorder in three.recorders.values() {
        assert!(recorder.wait_for_commit(offset));
        assert_eq!(recorder.records(), [record("before"), record("after")]);
    }
    three.stop();
    gone.close();
}

#[test]
fn a_leader_that_stops_hands_over_before_it_is_closed() {
    let mut three = Three::start();
    let (first, epoch) = three.leader();
    let offset = three.append("before");
    assert!(three.recorders[&first].wait_for_commit(offset));

    let started = Instant::now();
    three.cluster.node(first).close();
    let took = started.elapsed();
    three.kill(first);

    assert!(took < HANDOVER, "{took:?}");
    let (second, next) = three.leader();
    assert!(second != first && next > epoch);
    three.stop();
}

/// Well below the five seconds that a leader waits for others.
const HANDOVER: Duration = Duration::from_secs(4);

#[test]
fn a_voter_whose_disk_is_empty_is_filled_from_a_snapshot() {
    let mut three = Three::start();
    let (leader, _) = three.leader();
    let wiped = IDS.into_iter().find(|id| *id != leader).unwrap();
    let gone = three.kill(wiped);
    gone.close();
    let first = three.append("in the snapshot");
    for recorder in three.recorders.values() {
        assert!(recorder.wait_for_commit(first));
    }
    let node = three.cluster.node(leader);
    let end = OffsetAndEpoch {
        offset: first + 1,
        epoch: node.leader_and_epoch().1,
    };
    let content = std::iter::once(vec![record("in the snapshot")]);
    assert!(node.write_snapshot(end, Timestamp(7), content).unwrap());
    let second = three.append("behind it");

    let empty = formatted_disk();
    let recorder = three.cluster.start(wiped, &empty);

    assert!(recorder.wait_for_commit(second));
    let expected = [record("in the snapshot"), record("behind it")];
    assert_eq!(recorder.records(), expected);
    let loaded = recorder.wait_for(|event| match event {
        RaftEvent::LoadSnapshot { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(loaded, end);

    // All of it is on the disk: the node starts again with the snapshot.
    three.cluster.kill(wiped).close();
    let recorder = three.cluster.start(wiped, &empty);
    assert!(recorder.wait_for_commit(second));
    assert_eq!(recorder.records(), expected);
    three.stop();
}

#[test]
fn a_node_that_starts_again_is_told_of_the_leader_that_it_knew() {
    let mut three = Three::start();
    let offset = three.append("before");
    let (leader, epoch) = three.leader();
    let other = IDS.into_iter().find(|id| *id != leader).unwrap();
    assert!(three.recorders[&other].wait_for_commit(offset));
    three.kill(other).close();

    let recorder = three.cluster.start(other, &three.disks[&other]);

    let told = recorder.wait_for(|event| match event {
        RaftEvent::LeaderChanged { leader, epoch } => Some((*leader, *epoch)),
        _ => None,
    });
    assert_eq!(told, (Some(BrokerId(leader)), epoch));
    three.stop();
}

#[test]
fn a_directory_of_one_voter_does_not_become_one_of_three() {
    let disk = formatted_disk();
    let (raft, _, _) = lead(&config(), &disk);
    raft.close();

    let cluster = Cluster::new();
    let refused = cluster.start_with(&config_of(1), &disk);

    let message = refused.err().expect("it is refused").to_string();
    assert!(message.contains("whose voters are 1, but"), "{message}");
    assert!(message.contains("names 1,2,3"), "{message}");
}

#[test]
fn a_voter_that_counts_others_than_its_leader_stops_and_says_so() {
    let three = Three::start();
    let (leader, _) = three.leader();
    let other = IDS.into_iter().find(|id| *id != leader).unwrap();
    three.cluster.kill(other).close();

    let strange = RaftConfig {
        voters: vec![voter(1), voter(2), voter(3), voter(4)],
        ..config_of(other)
    };
    let recorder = three
        .cluster
        .start_with(&strange, &formatted_disk())
        .unwrap();

    let reason = recorder.wait_for(|event| match event {
        RaftEvent::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("elected by the voters 1,2,3"), "{reason}");
    three.stop();
}

#[test]
fn a_node_that_hears_nobody_stops_leading_and_takes_part_again_later() {
    let three = Three::start();
    let (first, epoch) = three.leader();
    three.cluster.world.lock().deaf.insert(BrokerId(first));

    let (_, next) = wait_for_leader(&three.but(Some(first)));
    assert!(next > epoch);
    three.recorders[&first].wait_for(|event| match event {
        RaftEvent::Resigned { epoch: of } => (*of == epoch).then_some(()),
        _ => None,
    });
    three.cluster.world.lock().deaf.clear();

    let offset = three.append("for all");
    assert!(three.recorders[&first].wait_for_commit(offset));
    three.stop();
}
