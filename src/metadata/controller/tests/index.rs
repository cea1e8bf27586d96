//! Random lives of a cluster: what must hold of every state in them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{World, registration, topic};
use crate::metadata::controller::partition_index::PartitionIndex;
use crate::metadata::controller::topic_name;
use crate::model::{BrokerId, TopicId};
use crate::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};

const BROKERS: usize = 4;

impl World {
    fn throw_broker(&mut self) -> i32 {
        1 + i32::try_from(self.dice.below(BROKERS)).unwrap()
    }

    fn some_topic(&mut self) -> Option<(TopicId, String, i32)> {
        let count = self.controller.image().topics().len();
        let chosen = self.dice.below(count.max(1));
        let mut topics = self.controller.image().topics().iter();
        topics.nth(chosen).map(|topic| {
            let partitions = i32::try_from(topic.partitions.len()).unwrap();
            (topic.id, topic.name.to_string(), partitions)
        })
    }

    /// One random step of the cluster's life.
    fn step(&mut self) {
        self.now += Duration::from_millis(100);
        let broker = self.throw_broker();
        match self.dice.below(8) {
            0 | 1 => {
                let name = format!("t{}{}", [".", "_"][self.dice.below(2)], self.dice.below(20));
                self.create(vec![topic(&name, 3, 2)]);
            }
            2 => self.delete_some_topic(),
            3 => self.grow_some_topic(),
            4 => {
                let incarnation = u8::try_from(self.dice.below(200)).unwrap();
                let request = registration(broker, incarnation);
                if let Ok(decision) = self.controller.register_broker(&request, self.now) {
                    self.apply(decision);
                }
            }
            6 => {
                if let Some((_, decision)) = self.controller.fence_expired_broker(self.now) {
                    self.apply(decision);
                }
            }
            kind => {
                let registered = self.controller.image().brokers().get(BrokerId(broker));
                let Some(registered) = registered else {
                    return;
                };
                // A process that has begun to stop goes on with it.
                let stops = registered.in_controlled_shutdown || kind == 5;
                self.heartbeat(broker, |request| request.want_shut_down = stops);
            }
        }
    }

    fn delete_some_topic(&mut self) {
        let Some((topic_id, ..)) = self.some_topic() else {
            return;
        };
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: None,
                topic_id,
            }],
            ..DeleteTopicsRequest::default()
        };
        let decision = self.controller.delete_topics(&request, 6, &mut |_| Ok(()));
        self.apply(decision);
    }

    fn grow_some_topic(&mut self) {
        let Some((_, name, partitions)) = self.some_topic() else {
            return;
        };
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: name.into(),
                count: partitions + 2,
                assignments: None,
            }],
            ..CreatePartitionsRequest::default()
        };
        let dice = &mut self.dice;
        let decision =
            self.controller
                .create_partitions(&request, &mut |bytes| dice.fill(bytes), &mut |_| Ok(()));
        self.apply(decision);
    }

    /// What must hold of every state that the controller can reach.
    fn check_invariants(&self) {
        let controller = &self.controller;
        let image = controller.image();
        assert_eq!(controller.index, PartitionIndex::of(image));
        let held = controller.collisions.values().flatten().count();
        let names = image.topics().iter().map(|topic| &topic.name);
        let forms: BTreeSet<_> = names
            .filter_map(|name| topic_name::collision_form(name))
            .collect();
        assert_eq!(held, forms.len(), "no two topics collide");
        for topic in image.topics().iter() {
            for (index, partition) in &topic.partitions {
                let what = format!("{}-{index}: {partition:?}", topic.name);
                let (replicas, isr) = (&partition.replicas, &partition.isr);
                assert!(isr.iter().all(|broker| replicas.contains(broker)), "{what}");
                let is_apart = |id: &BrokerId| replicas.contains(id) && !isr.contains(id);
                assert!(partition.elr.iter().all(is_apart), "{what}");
                assert!(isr.is_empty() || partition.elr.is_empty(), "{what}: min 1");
                assert_eq!(isr.is_empty(), !partition.has_leader(), "{what}");
                let has_last = !partition.last_known_elr.is_empty();
                assert_eq!(has_last, !partition.has_leader(), "{what}");
                if partition.has_leader() {
                    assert!(partition.isr.contains(&partition.leader), "{what}");
                    assert!(image.brokers().is_active(partition.leader), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_leader_is_always_active_and_in_sync_and_the_indexes_agree() {
    for seed in 0..30 {
        let mut world = World::with_brokers(i32::try_from(BROKERS).unwrap());
        world.dice = crate::doubles::history::Dice::new(seed);
        for _ in 0..150 {
            world.step();
            world.check_invariants();
        }
    }
}
