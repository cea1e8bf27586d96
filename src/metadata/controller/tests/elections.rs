//! Elections: of many partitions at once, uncleanly where a topic allows it, and by time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::configs::{SET, alter, op, resource};
use super::{ControllerSettings, ElectionIntervals, World, settings, topic};
use crate::config::Settings;
use crate::metadata::image::LeaderRecovery;
use crate::model::{BrokerId, TopicId};
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

const TOPIC: i8 = 2;
const UNCLEAN: &str = "unclean.leader.election.enable";
const PREFERRED_INTERVAL: Duration = Duration::from_secs(100);
const UNCLEAN_INTERVAL: Duration = Duration::from_secs(70);

/// A controller that looks for elections at these intervals, with brokers 1 to `count`.
fn world(count: i32, settings_of_node: Settings) -> World {
    let mut world = World::empty(ControllerSettings {
        elections: ElectionIntervals {
            preferred: Some(PREFERRED_INTERVAL),
            unclean: UNCLEAN_INTERVAL,
        },
        settings: settings_of_node,
        ..settings()
    });
    for broker in 1..=count {
        world.register(broker);
        world.heartbeat(broker, |_| {});
    }
    world
}

fn fence(world: &mut World, broker: i32) -> Vec<MetadataRecord> {
    world
        .heartbeat(broker, |request| request.want_fence = true)
        .0
}

fn allow_unclean(world: &mut World, topic: &'static str) {
    let allowed = vec![op(UNCLEAN, SET, Some("true"))];
    alter(world, vec![resource(TOPIC, topic, allowed)]);
}

/// The leader and the in-sync set of partition 0.
fn state(world: &World, topic: TopicId) -> (i32, Vec<i32>, LeaderRecovery) {
    let topics = world.controller.image().topics();
    let partition = topics.partition(&topic, 0).unwrap();
    let isr = partition.isr.iter().map(|id| id.0).collect();
    (partition.leader.0, isr, partition.leader_recovery)
}

/// Everything that it is time to elect, decision by decision.
fn elect_by_time(world: &mut World) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let Some(decision) = world.controller.elect_periodically(world.now) {
        let (records, ()) = world.apply(decision);
        sizes.push(records.len());
    }
    sizes
}

/// A partition of brokers 1 and 2 that only broker 1 was in sync of, and that broker 1 has left.
fn left_alone(world: &mut World) -> TopicId {
    let topic = world.create_assigned("t", &[&[1, 2]]);
    fence(world, 2);
    fence(world, 1);
    topic
}

#[test]
fn fencing_a_broker_that_leads_10_000_partitions_moves_all_in_one_decision() {
    let mut world = world(3, Settings::new());
    let replicas: Vec<&[i32]> = vec![&[1, 2, 3]; 10_000];
    let many = world.create_assigned("many", &replicas);

    let started = Instant::now();
    let mut records = fence(&mut world, 1);
    // Deciding and replaying; writing is the quorum's.
    println!("10,000 leaders are elected anew in {:?}", started.elapsed());

    assert!(matches!(
        records.pop(),
        Some(MetadataRecord::BrokerRegistrationChange(_))
    ));
    let expected = (0..10_000).map(|partition_id| {
        let change = PartitionChangeRecord {
            partition_id,
            topic_id: many,
            leader: 2,
            isr: Some(vec![2, 3]),
            ..PartitionChangeRecord::default()
        };
        MetadataRecord::from(change)
    });
    assert!(records.into_iter().eq(expected));
    assert!(!world.controller.index.leads_any(BrokerId(1)));
}

#[test]
fn nobody_leads_in_the_place_of_the_last_replica_in_sync() {
    let mut world = world(2, Settings::new());
    let topic = left_alone(&mut world);

    assert_eq!(
        state(&world, topic),
        (-1, vec![], LeaderRecovery::Recovered)
    );
    world.heartbeat(2, |_| {});
    assert_eq!(state(&world, topic).0, -1, "broker 2 lacks records");
    world.heartbeat(1, |_| {});
    assert_eq!(
        state(&world, topic),
        (1, vec![1], LeaderRecovery::Recovered)
    );
}

#[test]
fn fencing_elects_out_of_sync_only_where_the_topic_allows_it() {
    let of_node: Settings = BTreeMap::from([(UNCLEAN.to_owned(), "true".to_owned())]);
    let recovering = (2, vec![2], LeaderRecovery::Recovering);
    for (settings_of_node, of_topic) in [(Settings::new(), true), (of_node, false)] {
        let mut world = world(2, settings_of_node);
        let topic = world.create_assigned("t", &[&[1, 2]]);
        if of_topic {
            allow_unclean(&mut world, "t");
        }
        fence(&mut world, 2);
        world.heartbeat(2, |_| {});
        assert_eq!(state(&world, topic).1, [1]);

        fence(&mut world, 1);

        assert_eq!(state(&world, topic), recovering);
    }
}

#[test]
fn a_leader_out_of_sync_is_looked_for_by_time_once_the_topic_allows_it() {
    let mut world = world(2, Settings::new());
    let topic = left_alone(&mut world);
    world.heartbeat(2, |_| {});
    allow_unclean(&mut world, "t");
    assert_eq!(state(&world, topic).0, -1);
    assert!(elect_by_time(&mut world).is_empty());

    world.now += UNCLEAN_INTERVAL;

    assert_eq!(world.controller.next_periodic_election(), Some(world.now));
    assert_eq!(elect_by_time(&mut world), [1]);
    assert_eq!(
        state(&world, topic),
        (2, vec![2], LeaderRecovery::Recovering)
    );
}

#[test]
fn no_leader_out_of_sync_is_elected_where_the_topic_does_not_allow_it() {
    let mut world = world(2, Settings::new());
    let topic = left_alone(&mut world);
    world.heartbeat(2, |_| {});

    world.now += UNCLEAN_INTERVAL;

    assert!(elect_by_time(&mut world).is_empty());
    assert_eq!(state(&world, topic).0, -1);
    let next = world.controller.next_periodic_election();
    assert_eq!(
        next,
        Some(world.now + (PREFERRED_INTERVAL - UNCLEAN_INTERVAL))
    );
}

#[test]
fn preferred_replicas_lead_again_by_time_a_thousand_at_once() {
    let mut world = world(2, Settings::new());
    let replicas: Vec<&[i32]> = vec![&[1, 2]; 2_500];
    let many = world.create_assigned("many", &replicas);
    let led_by_2 = (0..2_500).map(|partition_id| {
        let change = PartitionChangeRecord {
            partition_id,
            topic_id: many,
            leader: 2,
            ..PartitionChangeRecord::default()
        };
        MetadataRecord::from(change)
    });
    let led_by_2: Vec<_> = led_by_2.collect();
    world.controller.replay(&led_by_2).unwrap();

    assert!(elect_by_time(&mut world).is_empty());
    world.now += PREFERRED_INTERVAL;
    assert_eq!(elect_by_time(&mut world), [1_000, 1_000, 500]);

    assert!(!world.controller.index.leads_any(BrokerId(2)));
    assert_eq!(world.controller.index.imbalanced().count(), 0);
}

#[test]
fn a_preferred_replica_that_is_out_of_sync_is_not_elected_by_time() {
    let mut world = world(2, Settings::new());
    let topic = world.create_assigned("t", &[&[1, 2]]);
    fence(&mut world, 1);
    world.heartbeat(1, |_| {});

    world.now += PREFERRED_INTERVAL;

    assert!(elect_by_time(&mut world).is_empty());
    assert_eq!(state(&world, topic).0, 2);
}

#[test]
fn leadership_stays_where_it_is_without_automatic_rebalancing() {
    let mut world = World::empty(ControllerSettings {
        elections: ElectionIntervals {
            preferred: None,
            unclean: UNCLEAN_INTERVAL,
        },
        ..settings()
    });
    world.register(1);
    world.heartbeat(1, |_| {});
    world.create(vec![topic("t", 1, 1)]);

    assert_eq!(
        world.controller.next_periodic_election(),
        Some(world.now + UNCLEAN_INTERVAL)
    );
}
