//! Controllers of ours and of Apache Kafka 4.3.1 in one quorum: each elects, commits, is killed and comes
//! back; in the end all logs are the same.

use crate::nodes::{Maker, Nodes};
use crate::quorum::{SNAPSHOTS, assert_same_logs};
use crate::voice;

/// Kills each controller in turn, the leader first, and lets the others go on.
fn kill_each_in_turn(mut nodes: Nodes) {
    nodes.start_all();
    let all = nodes.ids();
    let mut value = 1;
    voice::write(&nodes, &all, value);
    let mut to_kill = all.clone();
    while !to_kill.is_empty() {
        let leader = voice::leader(&nodes, &all);
        let next = to_kill.iter().position(|id| *id == leader).unwrap_or(0);
        let victim = to_kill.remove(next);
        nodes.kill(victim);
        let left: Vec<i32> = all.iter().copied().filter(|id| *id != victim).collect();
        value += 1;
        voice::write(&nodes, &left, value);
        nodes.start(victim);
        voice::wait_until_level(&nodes, &all);
        voice::wait_until_read(&nodes, victim, value);
    }
    for id in &all {
        voice::wait_until_read(&nodes, *id, value);
    }
    voice::wait_until_level(&nodes, &all);
    for id in &all {
        nodes.kill(*id);
    }
    assert_same_logs(&nodes);
}

#[test]
fn one_of_ours_is_a_controller_among_two_of_apaches() {
    let makers = [Maker::Apache, Maker::Apache, Maker::Ours];
    if let Some(nodes) = Nodes::controllers(40, &makers, &[]) {
        kill_each_in_turn(nodes);
    }
}

#[test]
fn one_of_apaches_is_a_controller_among_two_of_ours() {
    let makers = [Maker::Ours, Maker::Ours, Maker::Apache];
    if let Some(nodes) = Nodes::controllers(41, &makers, &[]) {
        kill_each_in_turn(nodes);
    }
}

/// A follower whose disk is empty is filled by the leader's snapshot.
fn fill_by_snapshot(mut nodes: Nodes, filled: Maker) {
    nodes.start_all();
    let all = nodes.ids();
    for value in 1..=60 {
        voice::write(&nodes, &all, value);
    }
    let leader = voice::leader(&nodes, &all);
    let maker = |id: &i32| nodes.maker(*id);
    let wiped = all
        .iter()
        .copied()
        .find(|id| *id != leader && maker(id) == filled);
    let wiped = wiped.expect("the others include one");
    nodes.kill(wiped);
    nodes.wipe(wiped);
    nodes.start(wiped);
    voice::wait_until_level(&nodes, &all);
    voice::wait_until_read(&nodes, wiped, 60);
}

#[test]
fn ours_is_filled_by_a_snapshot_of_apaches() {
    let makers = [Maker::Apache, Maker::Ours, Maker::Ours];
    if let Some(nodes) = Nodes::controllers(42, &makers, &SNAPSHOTS) {
        fill_by_snapshot(nodes, Maker::Ours);
    }
}

#[test]
fn apaches_is_filled_by_a_snapshot_of_ours() {
    let makers = [Maker::Ours, Maker::Apache, Maker::Apache];
    if let Some(nodes) = Nodes::controllers(43, &makers, &SNAPSHOTS) {
        fill_by_snapshot(nodes, Maker::Apache);
    }
}
