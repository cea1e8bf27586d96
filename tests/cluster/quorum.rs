//! Three controllers of ours: elections, commits, deaths, wiped disks, and what they refuse.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::nodes::{Maker, Nodes};
use crate::voice;

const OURS: [Maker; 3] = [Maker::Ours; 3];

/// A snapshot after every few records.
pub const SNAPSHOTS: [(&str, &str); 1] =
    [("metadata.log.max.record.bytes.between.snapshots", "500")];

fn three(test: u8) -> Nodes {
    let mut nodes = Nodes::controllers(test, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    nodes
}

fn others(nodes: &Nodes, id: i32) -> Vec<i32> {
    let mut ids = nodes.ids();
    ids.retain(|other| *other != id);
    ids
}

#[test]
fn what_is_committed_survives_the_death_of_each_controller_in_turn() {
    let mut nodes = three(30);
    let all = nodes.ids();
    let mut value = 1;
    voice::write(&nodes, &all, value);
    for _ in 0..3 {
        let leader = voice::leader(&nodes, &all);
        nodes.kill(leader);
        let left = others(&nodes, leader);
        value += 1;
        voice::write(&nodes, &left, value);
        nodes.start(leader);
        for id in &all {
            voice::wait_until_read(&nodes, *id, value);
        }
    }
    // All at once, too.
    for id in &all {
        nodes.kill(*id);
    }
    nodes.start_all();
    for id in &all {
        voice::wait_until_read(&nodes, *id, value);
    }
}

#[test]
fn a_killed_leader_is_replaced_within_a_second_and_a_paused_one_by_time_outs() {
    let mut nodes = three(31);
    let all = nodes.ids();
    let first = voice::leader(&nodes, &all);
    voice::wait_until_level(&nodes, &all);

    let started = Instant::now();
    nodes.kill(first);
    let second = voice::leader(&nodes, &others(&nodes, first));
    let took = started.elapsed();
    println!("a leader that was killed is replaced in {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    nodes.start(first);
    voice::wait_until_level(&nodes, &all);

    nodes.signal(second, Signal::STOP);
    let started = Instant::now();
    voice::leader(&nodes, &others(&nodes, second));
    println!(
        "a leader that is paused is replaced in {:?}",
        started.elapsed()
    );
    voice::write(&nodes, &others(&nodes, second), 7);
    nodes.signal(second, Signal::CONT);
    voice::wait_until_level(&nodes, &all);
    voice::wait_until_read(&nodes, second, 7);
}

#[test]
fn a_leader_that_is_stopped_hands_over_first() {
    let mut nodes = three(32);
    let all = nodes.ids();
    let first = voice::leader(&nodes, &all);
    voice::wait_until_level(&nodes, &all);

    let started = Instant::now();
    let output = nodes.stop(first);
    let took = started.elapsed();

    let left = others(&nodes, first);
    let second = voice::leader(&nodes, &left);
    println!(
        "stopped in {took:?}, {second} leads in {:?}",
        started.elapsed()
    );
    assert!(took < Duration::from_secs(4), "{took:?}\n{output}");
    voice::write(&nodes, &left, 3);
}

#[test]
fn a_controller_with_an_empty_disk_is_filled_and_takes_part_again() {
    let mut nodes = Nodes::controllers(33, &OURS, &SNAPSHOTS).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    for value in 1..=60 {
        voice::write(&nodes, &all, value);
    }
    let leader = voice::leader(&nodes, &all);
    let wiped = others(&nodes, leader)[0];
    nodes.kill(wiped);
    nodes.wipe(wiped);
    nodes.start(wiped);
    voice::wait_until_level(&nodes, &all);
    voice::wait_until_read(&nodes, wiped, 60);

    // It votes again: with the leader gone nobody else could elect the third.
    nodes.kill(leader);
    let left = others(&nodes, leader);
    voice::leader(&nodes, &left);
    voice::write(&nodes, &left, 61);
}

#[test]
fn a_controller_of_another_cluster_is_not_taken_in_and_says_so() {
    let mut nodes = Nodes::controllers(34, &OURS, &[]).expect("they are ours");
    nodes.set(3, "cluster.id", "AAAAAAAAQACAAAAAAAAAAw");
    nodes.spawn(1);
    nodes.spawn(2);
    nodes.spawn(3);

    nodes.wait_for_line(3, "it belongs to another cluster");
    assert!(voice::described_by(&nodes, 3).is_none());
}

#[test]
fn one_node_does_not_become_one_of_three_by_its_config() {
    let mut alone = Nodes::controllers(35, &[Maker::Ours], &[]).expect("it is ours");
    alone.start_all();
    voice::write(&alone, &[1], 5);
    alone.stop(1);
    let voters = format!(
        "{},2@127.0.0.1:1,3@127.0.0.1:2",
        format_args!("1@{}", alone.controller(1))
    );
    alone.set(1, "controller.quorum.voters", &voters);

    alone.spawn(1);
    let output = alone.ended(1);

    assert!(
        output.contains("of a quorum whose voters are 1, but"),
        "{output}"
    );
}

#[test]
fn the_logs_of_all_controllers_are_the_same_byte_for_byte() {
    let mut nodes = three(36);
    let all = nodes.ids();
    for value in 1..=5 {
        voice::write(&nodes, &all, value);
        let leader = voice::leader(&nodes, &all);
        nodes.kill(leader);
        nodes.start(leader);
    }
    voice::wait_until_level(&nodes, &all);
    for id in &all {
        nodes.kill(*id);
    }
    assert_same_logs(&nodes);
}

/// All logs are the same as far as the shortest of them goes, which is not empty.
pub fn assert_same_logs(nodes: &Nodes) {
    let log = |id: &i32| {
        let folder = nodes.data_dir(*id).join("__cluster_metadata-0");
        let content = fs::read(folder.join("00000000000000000000.log"));
        // Room that is reserved ahead is not part of the log.
        let mut content = content.expect("there is a first segment");
        let end = content.iter().rposition(|byte| *byte != 0);
        content.truncate(end.map_or(0, |end| end + 1));
        content
    };
    let logs: Vec<Vec<u8>> = nodes.ids().iter().map(log).collect();
    let shortest = logs.iter().map(Vec::len).min().expect("there are logs");
    assert!(shortest > 300, "{shortest} bytes");
    for (index, log) in logs.iter().enumerate() {
        let differs = log
            .iter()
            .zip(&logs[0])
            .take(shortest)
            .position(|(a, b)| a != b);
        assert_eq!(differs, None, "log {index} differs from the first");
    }
}

#[test]
fn a_node_takes_its_cluster_from_its_directories_and_founds_no_other() {
    let mut nodes = three(37);
    let all = nodes.ids();
    voice::write(&nodes, &all, 1);
    for id in [1, 2] {
        nodes.stop(id);
        nodes.unset(id, "cluster.id");
    }

    nodes.start(1);
    voice::wait_until_read(&nodes, 1, 1);

    nodes.wipe(2);
    nodes.spawn(2);
    let output = nodes.ended(2);
    assert!(output.contains("Set cluster.id"), "{output}");
}

#[test]
fn a_node_whose_quorum_fails_does_not_wait_long_before_it_ends() {
    let mut nodes = Nodes::combined(38, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    voice::write(&nodes, &all, 1);
    let leader = voice::leader(&nodes, &all);
    let log = nodes.data_dir(leader).join("__cluster_metadata-0");
    fs::rename(&log, log.with_extension("gone")).expect("it can be renamed");

    let left = others(&nodes, leader);
    nodes.signal(leader, Signal::STOP);
    voice::leader(&nodes, &left);
    // It hears of the next epoch, and finds no folder to write that down.
    nodes.signal(leader, Signal::CONT);
    let begun = Instant::now();
    let output = nodes.ended(leader);

    println!("it has ended after {:?}", begun.elapsed());
    assert!(output.contains("the metadata quorum stopped"), "{output}");
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    voice::write(&nodes, &left, 2);
}
