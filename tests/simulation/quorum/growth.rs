//! What an operator does where too few voters have a `quorum-state`: the disk of the one that has the most
//! is copied to the others.

use std::time::Duration;

use broker::model::LeaderEpoch;
use broker::raft::ElectionState;

use super::disk::SimulatedDisk;
use super::elections::at_work;
use super::world::World;

/// Long enough that nothing of before is on its way.
const STOPPED: Duration = Duration::from_secs(5);

impl World {
    /// The same cluster with other voters: the first node keeps its disk, all others are new.
    fn grown(mut self, voters: i32) -> Self {
        let mut grown = Self::new(self.random.next(), voters);
        let mut kept = std::mem::take(&mut self.nodes[0].disk);
        kept.flush();
        for (id, node) in grown.nodes.iter_mut().enumerate() {
            // Its processes are others than those of the smaller cluster.
            node.incarnation = 1000;
            self.invariants.epochs.on_wipe(id);
        }
        grown.nodes[0].disk = kept;
        grown.invariants = self.invariants;
        grown.writes = self.writes;
        grown
    }

    fn stop_voters(&mut self) {
        for node in 0..self.voters.ids().len() {
            self.shut_off(node);
        }
        self.run(STOPPED);
    }

    /// All voters start with what one of them has.
    fn start_voters_with_disk_of(&mut self, source: usize, raised: Option<LeaderEpoch>) {
        let copied = self.nodes[source].disk.clone();
        for node in 0..self.voters.ids().len() {
            if node != source {
                self.replace_disk(node, copied.clone());
            }
            if let Some(epoch) = raised {
                self.nodes[node].disk.election = Some(ElectionState {
                    epoch,
                    ..ElectionState::default()
                });
            }
            self.switch_on(node);
        }
    }
}

#[test]
fn a_cluster_of_one_grows_to_three_once_its_disk_is_copied_and_not_before() {
    for seed in 0..30 {
        let (one, _) = at_work(8_600_000 + seed, 1);
        let mut world = one.grown(3);
        world.run(Duration::from_secs(20));
        assert!(world.last_leader.is_none(), "seed {seed}");
        assert!(world.is_newcomer(1) && world.is_newcomer(2), "seed {seed}");

        world.stop_voters();
        world.start_voters_with_disk_of(0, None);

        world.heal();
        world.assert_gets_to_work();
    }
}

#[test]
fn two_wiped_of_three_go_on_with_what_the_third_has_in_an_epoch_that_was_never_used() {
    for seed in 0..30 {
        let (mut world, leader) = at_work(8_700_000 + seed, 3);
        world.stop_voters();
        for node in (0..3).filter(|node| *node != leader) {
            world.replace_disk(node, SimulatedDisk::default());
        }
        let (_, epoch, _) = world.last_leader.expect("there was one");
        let raised = LeaderEpoch(epoch.0 + 1000);

        world.start_voters_with_disk_of(leader, Some(raised));

        world.heal();
        world.assert_gets_to_work();
    }
}
