//! In-sync sets: who is asked for what, and what comes of the answer.

use super::support::{Change, World};
use super::*;
use crate::config::{BrokerConfig, Layers, Settings};
use crate::model::BrokerId;

impl World {
    /// Looks for followers that lag, of which none may lag at all: what the controller is asked for.
    pub(super) fn shrink(&self) -> Vec<IsrChange> {
        self.manager.rooms.upkeep.settle_in_sync_sets();
        std::mem::take(&mut *self.isr_changes.lock())
    }

    pub(super) fn allow_no_lag(&self) {
        let config = BrokerConfig::read(&Layers::of(&Settings::default())).unwrap();
        self.manager.reconfigure(ReplicaSettings {
            node_id: BrokerId(1),
            max_lag: Duration::ZERO,
            ..ReplicaSettings::of(&config)
        });
    }
}

#[test]
fn a_follower_that_lags_leaves_and_what_waited_for_it_is_committed() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic_on("t", &[1, 2])]);
    world.append("t", 0, 1).unwrap();
    let partition = world.partition("t", 0);
    assert!(world.shrink().is_empty(), "30 seconds are allowed");
    world.allow_no_lag();

    let changes = world.shrink();

    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].isr, [(BrokerId(1), -1)]);
    assert_eq!(partition.high_watermark(), Offset(0));
    assert!(world.shrink().is_empty(), "it is asked for already");
    let taken = IsrOutcome::Taken {
        isr: vec![BrokerId(1)],
        partition_epoch: 1,
    };
    world.manager.isr_change_ended(&changes[0], &taken);
    assert_eq!(partition.high_watermark(), Offset(1));
}
