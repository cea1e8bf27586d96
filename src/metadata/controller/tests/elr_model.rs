//! Random lives of one replicated partition, with what its replicas have: whoever leads has all that was
//! committed, unless the controller says that it has to recover.
//!
//! The model's brokers act as replicas must: a follower takes what its leader has, the leader commits what
//! all in sync have, if enough are. They stop in order, or are killed and lose the end of their logs, or
//! lose their disks.

use std::collections::BTreeMap;

use super::configs::{SET, alter, op, resource};
use super::elr::{MIN_ISR, state};
use super::{World, registration};
use crate::doubles::history::Dice;
use crate::metadata::image::PartitionImage;
use crate::model::{BrokerId, TopicId, Uuid};
use crate::protocol::messages::alter_partition::{
    AlterPartitionRequest, BrokerState, RequestPartitionData, RequestTopicData,
};
use crate::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, RequestDirectoryData, RequestPartitionData as Assigned,
    RequestTopicData as AssignedTopic,
};
use crate::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};

const BROKERS: i32 = 3;

/// One broker with its replica.
#[derive(Clone, Debug, Default)]
struct Node {
    is_running: bool,
    log: Vec<u32>,
    directory: u8,
    incarnation: u8,
    /// The epoch in which it stopped in order; -1 if it did not.
    marked: i64,
    /// Whether the log was lost, and has not been in sync since.
    is_emptied: bool,
    /// Whether it was killed, and has not been in sync since.
    has_lost_end: bool,
}

struct Model {
    seed: u64,
    world: World,
    topic: TopicId,
    nodes: BTreeMap<i32, Node>,
    committed: Vec<u32>,
    /// What the leader knows of the others, in this leader epoch: the end of the log and the broker epoch.
    known: BTreeMap<i32, (usize, i64)>,
    known_in: i32,
    next: u32,
    min: usize,
    unclean: usize,
    elections: usize,
    /// Elections of a lost replica that is whole after all.
    repaired: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut world = World::with_brokers(BROKERS);
        world.dice = Dice::new(seed);
        let topic = world.create_assigned("t", &[&[1, 2, 3]]);
        let node = |id: i32| Node {
            is_running: true,
            directory: u8::try_from(id).unwrap(),
            incarnation: u8::try_from(id).unwrap(),
            marked: -1,
            ..Node::default()
        };
        let mut this = Self {
            seed,
            world,
            topic,
            nodes: (1..=BROKERS).map(|id| (id, node(id))).collect(),
            committed: Vec::new(),
            known: BTreeMap::new(),
            known_in: 0,
            next: 0,
            min: 1,
            unclean: 0,
            elections: 0,
            repaired: 0,
        };
        this.set_min(2);
        this
    }

    fn partition(&self) -> &PartitionImage {
        let topics = self.world.controller.image().topics();
        topics.partition(&self.topic, 0).unwrap()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.world.dice.below(bound)
    }

    fn set_min(&mut self, min: usize) {
        const VALUES: [&str; 4] = ["1", "2", "3", "4"];
        let value = op(MIN_ISR, SET, Some(VALUES[min - 1]));
        alter(&mut self.world, vec![resource(2, "t", vec![value])]);
        self.min = min;
    }

    /// The leader, if its process runs.
    fn leader(&self) -> Option<i32> {
        let leader = self.partition().leader.0;
        (leader > 0 && self.nodes[&leader].is_running).then_some(leader)
    }

    fn is_active(&self, id: i32) -> bool {
        self.nodes[&id].is_running
            && self
                .world
                .controller
                .image()
                .brokers()
                .is_active(BrokerId(id))
    }

    fn step(&mut self) {
        let id = 1 + i32::try_from(self.below(BROKERS as usize)).unwrap();
        match self.below(24) {
            0..4 => self.produce(),
            4..10 => self.follow(id),
            10..13 => self.commit(),
            13..16 => self.expand(id),
            16 => self.shrink(id),
            17 => self.stop(id),
            18 => self.kill(id),
            19 => self.fence(id),
            20 if self.below(4) == 0 => {
                let min = 1 + self.below(4);
                self.set_min(min);
            }
            21 if self.below(8) == 0 => self.lose_log(id),
            21 if self.below(4) == 0 => self.misread_log(id),
            22 if self.below(4) == 0 => self.elect_uncleanly(),
            _ => self.start(id),
        }
    }

    fn produce(&mut self) {
        if let Some(leader) = self.leader() {
            self.next += 1;
            let next = self.next;
            self.node(leader).log.push(next);
        }
    }

    fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    fn follow(&mut self, id: i32) {
        let Some(leader) = self.leader() else { return };
        if id == leader || !self.nodes[&id].is_running {
            return;
        }
        let more = self.below(4);
        let source = self.nodes[&leader].log.clone();
        let log = &mut self.node(id).log;
        let common = common(log, &source);
        log.truncate(common);
        log.extend(source[common..].iter().take(more));
        let end = log.len();
        self.learn(id, end);
    }

    fn learn(&mut self, id: i32, end: usize) {
        let epoch = self.partition().leader_epoch.0;
        if epoch != self.known_in {
            self.known.clear();
            self.known_in = epoch;
        }
        let broker_epoch = self.world.epoch(id);
        self.known.insert(id, (end, broker_epoch));
    }

    fn knows(&self, id: i32) -> (usize, i64) {
        let is_current = self.known_in == self.partition().leader_epoch.0;
        let known = self.known.get(&id).filter(|_| is_current);
        known.copied().unwrap_or((0, -1))
    }

    fn commit(&mut self) {
        let Some(leader) = self.leader() else { return };
        let partition = self.partition();
        if partition.isr.len() < self.min.min(BROKERS as usize) {
            return;
        }
        let own = self.nodes[&leader].log.len();
        let of = |id: &BrokerId| {
            if id.0 == leader {
                own
            } else {
                self.knows(id.0).0
            }
        };
        let end = partition.isr.iter().map(of).min().unwrap_or(0);
        if end > self.committed.len() {
            self.committed = self.nodes[&leader].log[..end].to_vec();
        }
    }

    fn expand(&mut self, id: i32) {
        let has_all = self.knows(id).0 >= self.committed.len();
        let is_here = self.nodes[&id].is_running;
        if has_all && is_here && !self.partition().isr.contains(&BrokerId(id)) {
            let mut isr: Vec<i32> = self.partition().isr.iter().map(|id| id.0).collect();
            isr.push(id);
            if self.ask(&isr) {
                self.node(id).is_emptied = false;
                self.node(id).has_lost_end = false;
            }
        }
    }

    fn shrink(&mut self, id: i32) {
        let isr = self.partition().isr.iter().map(|id| id.0);
        let isr: Vec<i32> = isr.filter(|it| *it != id).collect();
        if self.leader() != Some(id) {
            self.ask(&isr);
        }
    }

    fn ask(&mut self, isr: &[i32]) -> bool {
        let Some(leader) = self.leader() else {
            return false;
        };
        let partition = self.partition();
        let states = isr.iter().map(|id| BrokerState {
            broker_id: *id,
            broker_epoch: if *id == leader {
                self.world.epoch(leader)
            } else {
                self.knows(*id).1
            },
        });
        let request = AlterPartitionRequest {
            broker_id: leader,
            broker_epoch: self.world.epoch(leader),
            topics: vec![RequestTopicData {
                topic_id: self.topic,
                partitions: vec![RequestPartitionData {
                    leader_epoch: partition.leader_epoch.0,
                    partition_epoch: partition.partition_epoch,
                    new_isr_with_epochs: states.collect(),
                    ..RequestPartitionData::default()
                }],
            }],
        };
        let decision = self.world.controller.alter_partition(&request).unwrap();
        let (records, _) = self.observed(|world| world.apply(decision));
        !records.is_empty()
    }

    /// Does something, and notes what it did to leadership.
    fn observed<R>(&mut self, act: impl FnOnce(&mut World) -> R) -> R {
        let before = self.partition().clone();
        let result = act(&mut self.world);
        let after = self.partition();
        let leader = after.leader;
        if leader != BrokerId::NONE && after.leader_epoch != before.leader_epoch {
            let is_clean = before.isr.contains(&leader) || before.elr.contains(&leader);
            self.elections += 1;
            let node = &self.nodes[&leader.0];
            // One that is gone, which the controller has not seen yet, does not act as the leader.
            if !is_clean && node.is_running {
                let seed = self.seed;
                assert!(!node.is_emptied, "an emptied replica leads, seed {seed}");
                let kept = common(&node.log, &self.committed);
                self.committed.truncate(kept);
                self.unclean += 1;
            }
        }
        result
    }

    fn stop(&mut self, id: i32) {
        if !self.is_active(id) {
            return;
        }
        for _ in 0..4 {
            let is_done = self.observed(|world| {
                let (_, answer) = world.heartbeat(id, |request| request.want_shut_down = true);
                answer.should_shut_down
            });
            for other in (1..=BROKERS).filter(|other| *other != id) {
                if self.is_active(other) {
                    self.observed(|world| world.heartbeat(other, |_| {}));
                }
            }
            if is_done {
                break;
            }
        }
        let epoch = self.world.epoch(id);
        let node = self.node(id);
        node.is_running = false;
        node.marked = epoch;
    }

    fn kill(&mut self, id: i32) {
        if !self.nodes[&id].is_running {
            return;
        }
        let kept = self.below(self.nodes[&id].log.len() + 1);
        let is_wiped = self.below(3) == 0;
        let incarnation = self.nodes[&id].incarnation;
        let node = self.node(id);
        node.is_running = false;
        node.marked = -1;
        node.log.truncate(kept);
        node.has_lost_end = true;
        if is_wiped {
            node.log.clear();
            node.directory = 0x80 | incarnation;
            node.is_emptied = true;
        }
    }

    /// The session of a broker that is gone ends.
    fn fence(&mut self, id: i32) {
        if !self.nodes[&id].is_running {
            let epoch = self.world.epoch(id);
            if let Some(decision) = self.world.controller.fence_gone_broker(BrokerId(id), epoch) {
                self.observed(|world| world.apply(decision));
            }
        }
    }

    fn start(&mut self, id: i32) {
        if self.nodes[&id].is_running {
            if self.below(2) == 0 {
                self.observed(|world| world.heartbeat(id, |_| {}));
            }
            return;
        }
        let node = self.node(id);
        node.incarnation = node.incarnation.wrapping_add(3) & 0x7f;
        let (incarnation, marked) = (node.incarnation, node.marked);
        let directory = Uuid::from_bytes([node.directory; 16]);
        let mut request = registration(id, incarnation);
        request.log_dirs = vec![directory];
        request.previous_broker_epoch = marked;
        self.world.now += super::SESSION;
        for other in (1..=BROKERS).filter(|other| *other != id) {
            if self.nodes[&other].is_running {
                self.observed(|world| world.heartbeat(other, |_| {}));
            }
        }
        let decision = self
            .world
            .controller
            .register_broker(&request, self.world.now);
        let decision = decision.unwrap();
        self.observed(|world| world.apply(decision));
        self.node(id).is_running = true;
        self.node(id).marked = -1;
        self.observed(|world| world.heartbeat(id, |_| {}));
        self.assign(id, directory);
    }

    fn assign(&mut self, id: i32, directory: Uuid) {
        let request = AssignReplicasToDirsRequest {
            broker_id: id,
            broker_epoch: self.world.epoch(id),
            directories: vec![RequestDirectoryData {
                id: directory,
                topics: vec![AssignedTopic {
                    topic_id: self.topic,
                    partitions: vec![Assigned { partition_index: 0 }],
                }],
            }],
        };
        let decision = self.world.controller.assign_replicas_to_dirs(&request);
        let decision = decision.unwrap();
        self.observed(|world| world.apply(decision));
    }

    /// The broker finds that its log is damaged, and begins it anew.
    fn lose_log(&mut self, id: i32) {
        if !self.nodes[&id].is_running {
            return;
        }
        self.assign(id, Uuid::LOST_DIRECTORY);
        let node = self.node(id);
        node.log.clear();
        node.is_emptied = true;
        let directory = Uuid::from_bytes([node.directory; 16]);
        self.known.remove(&id);
        self.assign(id, directory);
    }

    /// The broker finds that its log is damaged, and later that it is whole. In between the broker may act on no
    /// log, nor the controller on its word.
    fn misread_log(&mut self, id: i32) {
        if !self.nodes[&id].is_running {
            return;
        }
        self.assign(id, Uuid::LOST_DIRECTORY);
        self.known.remove(&id);
        if self.leader() == Some(id) {
            return;
        }
        let partition = self.partition();
        let is_last = !partition.has_leader() && *partition.last_known_elr == [BrokerId(id)];
        let directory = Uuid::from_bytes([self.nodes[&id].directory; 16]);
        if is_last {
            let is_whole = !self.nodes[&id].has_lost_end;
            let committed = self.committed.len();
            self.assign(id, Uuid::UNASSIGNED_DIRECTORY);
            if self.leader() == Some(id) {
                self.repaired += 1;
                let kept = self.committed.len();
                assert!(!is_whole || kept == committed, "seed {}", self.seed);
            }
        } else {
            // It is told of the directory, and has lost nothing: as if the log had been fetched anew.
            self.node(id).is_emptied = true;
        }
        self.assign(id, directory);
    }

    /// The operator gives up what is lost.
    fn elect_uncleanly(&mut self) {
        let partition = self.partition();
        let is_hopeless = !partition.has_leader() && partition.elr.is_empty();
        if is_hopeless && self.nodes.values().all(|node| node.is_running) {
            for node in self.nodes.values_mut() {
                node.is_emptied = false;
            }
            let request = ElectLeadersRequest {
                election_type: 1,
                topic_partitions: Some(vec![TopicPartitions {
                    topic: "t".into(),
                    partitions: vec![0],
                }]),
                ..ElectLeadersRequest::default()
            };
            let decision = self.world.controller.elect_leaders(&request).unwrap();
            self.observed(|world| world.apply(decision));
        }
    }

    fn check(&self, what: &str) {
        let partition = self.partition();
        let all = state(&self.world, self.topic);
        let min = self.min.min(BROKERS as usize);
        assert!(
            partition.isr.len() < min || partition.elr.is_empty(),
            "{what}: {all:?}"
        );
        let overlap = partition.elr.iter().any(|id| partition.isr.contains(id));
        assert!(!overlap, "{what}: {all:?}");
        if let Some(leader) = self.leader() {
            let log = &self.nodes[&leader].log;
            assert!(
                log.starts_with(&self.committed),
                "{what}: {leader} leads with {log:?}, committed is {:?}; {all:?}",
                self.committed
            );
        }
    }
}

fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[test]
fn who_leads_has_all_that_was_committed() {
    let (mut elections, mut unclean, mut committed) = (0, 0, 0);
    let mut repaired = 0;
    for seed in 0..300 {
        let mut model = Model::new(seed);
        for step in 0..300 {
            model.step();
            model.check(&format!("seed {seed}, step {step}"));
        }
        elections += model.elections;
        unclean += model.unclean;
        repaired += model.repaired;
        committed += model.committed.len();
    }
    println!(
        "{elections} elections, {unclean} uncleanly, {repaired} of repaired logs; {committed} records committed"
    );
    assert!(elections > 3 * unclean && unclean > 0 && committed > 1_000 && repaired > 0);
}
