//! How long it takes until there is a leader, without other faults, and what a wiped voter does.

use std::time::Duration;

use super::world::World;

/// A cluster that has elected its first leader and committed something everywhere; that leader.
pub fn at_work(seed: u64, voters: i32) -> (World, usize) {
    let mut world = World::new(seed, voters);
    world.heal();
    world.assert_gets_to_work();
    // So that nobody has only just fetched for the first time.
    world.run(Duration::from_secs(3));
    let (leader, ..) = world.last_leader.expect("one was elected");
    (world, leader)
}

/// How long it takes until another leads, if one does within the limit.
fn time_to_next_leader(world: &mut World, limit: Duration) -> Option<Duration> {
    let (_, epoch, _) = world.last_leader?;
    let start = world.elapsed;
    while world.elapsed < start + limit {
        world.step();
        if let Some((_, next, at)) = world.last_leader
            && next > epoch
        {
            return Some(at - start);
        }
    }
    None
}

/// The longest time of many runs.
fn longest(voters: i32, limit: Duration, fault: impl Fn(&mut World, usize)) -> Duration {
    let times = (0..100).map(|seed| {
        let (mut world, leader) = at_work(8_000_000 + seed, voters);
        fault(&mut world, leader);
        let time = time_to_next_leader(&mut world, limit);
        time.unwrap_or_else(|| panic!("seed {seed}: no leader within {limit:?}"))
    });
    times.max().expect("there are some")
}

#[test]
fn a_leader_that_is_killed_is_replaced_at_once() {
    let limit = Duration::from_secs(1);
    for (voters, expected_ms) in [(3, 150), (5, 250)] {
        let longest = longest(voters, limit, |world, leader| world.crash(leader));
        assert!(longest < Duration::from_millis(expected_ms), "{longest:?}");
    }
}

#[test]
fn a_leader_that_is_paused_is_replaced_after_its_time_out() {
    let limit = Duration::from_secs(10);
    let longest = longest(3, limit, |world, leader| {
        world.stall(leader, Duration::from_secs(60));
    });
    // The fetch time-out is 2 s, by clocks that are off by a twentieth, and a fetch waits 500 ms.
    assert!(longest < Duration::from_millis(3000), "{longest:?}");
}

#[test]
fn a_cluster_that_starts_for_the_first_time_has_a_leader_at_once() {
    for seed in 0..100 {
        let mut world = World::new(9_000_000 + seed, 3);
        // All are started within 300 ms.
        while world.last_leader.is_none() {
            world.step();
        }

        assert!(
            world.elapsed < Duration::from_millis(700),
            "seed {seed}: {:?}",
            world.elapsed
        );
    }
}

#[test]
fn a_cluster_that_starts_again_as_a_whole_has_a_leader_soon() {
    let limit = Duration::from_secs(10);
    let longest = longest(3, limit, |world, _| {
        for node in 0..world.nodes.len() {
            world.crash(node);
            world.restart(node);
            world.act(node);
        }
    });
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[test]
fn a_wiped_voter_counts_for_nothing_while_another_is_down_and_votes_once_it_is_back() {
    for seed in 0..30 {
        let (mut world, leader) = at_work(8_500_000 + seed, 3);
        let (down, wiped) = ((leader + 1) % 3, (leader + 2) % 3);
        world.wipe(wiped);
        world.shut_off(down);
        let none = time_to_next_leader(&mut world, Duration::from_secs(20));
        assert_eq!(none, None, "seed {seed}");
        assert!(world.is_newcomer(wiped), "seed {seed}");

        world.switch_on(down);

        world.heal();
        world.assert_gets_to_work();
        assert!(!world.is_newcomer(wiped), "seed {seed}");
    }
}
