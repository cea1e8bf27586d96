//! Where replicas are put: evenly, over racks, and never where they should not be.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, registration, settings};
use crate::metadata::controller::placement::{Brokers, place};
use crate::metadata::image::MetadataImage;
use crate::model::BrokerId;

/// Unfenced brokers, each with the rack of its place in `racks`.
fn brokers(racks: &[Option<&'static str>]) -> World {
    let mut world = World::empty(settings());
    for (broker, rack) in (1..).zip(racks) {
        let mut request = registration(broker, u8::try_from(broker).unwrap());
        request.rack = rack.map(Into::into);
        let decision = world
            .controller
            .register_broker(&request, world.now)
            .unwrap();
        world.apply(decision);
        world.heartbeat(broker, |_| {});
    }
    world
}

fn placed(world: &mut World, partitions: usize, factor: i16) -> Vec<Vec<BrokerId>> {
    let dice = &mut world.dice;
    let brokers = Brokers {
        registered: world.controller.image().brokers(),
        drained: &BTreeSet::new(),
    };
    place(&brokers, partitions, factor, &mut |bytes| dice.fill(bytes)).unwrap()
}

#[test]
fn leaders_and_replicas_are_spread_evenly() {
    let mut world = brokers(&[None; 6]);

    let placed = placed(&mut world, 600, 3);

    let mut leaders = BTreeMap::<BrokerId, usize>::new();
    let mut replicas = BTreeMap::<BrokerId, usize>::new();
    for partition in &placed {
        let distinct: BTreeSet<_> = partition.iter().collect();
        assert_eq!(distinct.len(), 3, "{partition:?}");
        *leaders.entry(partition[0]).or_default() += 1;
        for replica in partition {
            *replicas.entry(*replica).or_default() += 1;
        }
    }
    assert!(leaders.values().all(|count| *count == 100), "{leaders:?}");
    assert!(
        replicas.values().all(|count| (290..=310).contains(count)),
        "{replicas:?}"
    );
}

#[test]
fn replicas_of_a_partition_are_in_different_racks() {
    let racks = [
        Some("a"),
        Some("a"),
        Some("b"),
        Some("b"),
        Some("c"),
        Some("c"),
    ];
    let mut world = brokers(&racks);

    for partition in placed(&mut world, 100, 3) {
        let used: BTreeSet<_> = partition
            .iter()
            .map(|broker| racks[usize::try_from(broker.0).unwrap() - 1])
            .collect();
        assert_eq!(used.len(), 3, "{partition:?}");
    }
}

#[test]
fn a_fenced_broker_never_leads_but_may_follow() {
    let mut world = brokers(&[None; 3]);
    world.heartbeat(2, |request| request.want_fence = true);

    for partition in placed(&mut world, 20, 3) {
        assert_ne!(partition[0], BrokerId(2));
        assert_eq!(partition[2], BrokerId(2), "after all that are unfenced");
    }
}

#[test]
fn a_broker_that_is_shutting_down_or_cordoned_takes_nothing() {
    let mut world = brokers(&[None; 3]);
    world.create_assigned("t", &[&[2, 3]]);
    world.heartbeat(2, |request| request.want_shut_down = true);
    let directory = super::directory(3);
    world.heartbeat(3, |request| {
        request.cordoned_log_dirs = Some(vec![directory])
    });

    for partition in placed(&mut world, 10, 1) {
        assert_eq!(partition, [BrokerId(1)]);
    }
}

#[test]
fn no_broker_at_all_is_a_refusal() {
    let image = MetadataImage::default();

    let brokers = Brokers {
        registered: image.brokers(),
        drained: &BTreeSet::new(),
    };
    let refusal = place(&brokers, 1, 1, &mut |_| {}).unwrap_err();

    assert_eq!(
        refusal.message.unwrap(),
        "All brokers are currently fenced, or have all their log directories cordoned."
    );
}
