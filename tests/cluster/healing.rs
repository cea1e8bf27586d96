//! Damage heals from replicas: a damaged log is fetched anew from its leader, nothing that was acknowledged is
//! lost, and what is all there is stays as it is.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use broker::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};

use crate::nodes::Nodes;
use crate::replication::{
    OURS, TOPIC, assert_same_replicas, create, leader_of_first, partitions, producer, read_all,
    send, wait_until_in_sync,
};
use crate::voice::{PATIENCE, ask, wait_for};

/// Three nodes with a partition of 1000 messages, all in sync, of which two must be.
fn filled(test: u8) -> Nodes {
    filled_with(test, "2")
}

fn filled_with(test: u8, min_in_sync: &str) -> Nodes {
    let mut nodes = Nodes::combined(test, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    create(&nodes, 1, 1, min_in_sync);
    wait_until_in_sync(&nodes, 1, 3);
    write(&nodes, 0..1000);
    nodes
}

fn write(nodes: &Nodes, numbers: std::ops::Range<u64>) {
    let (producer, _) = producer(nodes, &[("enable.idempotence", "true"), ("linger.ms", "0")]);
    for number in numbers {
        send(&producer, number, 0);
    }
    rdkafka::producer::Producer::flush(&producer, PATIENCE).expect("all is acknowledged");
}

fn assert_has(nodes: &Nodes, count: u64) {
    let expected: Vec<String> = (0..count)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(read_all(nodes, 0), expected);
}

fn folder(nodes: &Nodes, id: i32) -> PathBuf {
    nodes.data_dir(id).join(format!("{TOPIC}-0"))
}

fn log(nodes: &Nodes, id: i32) -> PathBuf {
    folder(nodes, id).join("00000000000000000000.log")
}

/// Flips bytes of the first batch of a node's log.
fn damage(nodes: &Nodes, id: i32, position: u64) {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(log(nodes, id));
    let file = file.expect("the log is there");
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, position)
        .expect("it is long enough");
    let flipped = bytes.map(|byte| byte ^ 0x55);
    file.write_all_at(&flipped, position)
        .expect("it can be written");
}

/// Damages the log of a node that was stopped in order, below its recovery point, and lets the next start look
/// at it as after a kill.
fn damage_stopped(nodes: &Nodes, id: i32) {
    damage(nodes, id, 70);
    let mark = nodes.data_dir(id).join(".kafka_cleanshutdown");
    fs::remove_file(mark).expect("it was stopped in order");
}

fn set_aside(nodes: &Nodes, id: i32) -> usize {
    let entries = fs::read_dir(nodes.data_dir(id)).expect("the log directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with(TOPIC) && name.ends_with("-stray"))
        .count()
}

#[test]
fn a_damaged_log_of_a_stopped_follower_is_fetched_anew() {
    let mut nodes = filled(84);
    let leader = leader_of_first(&nodes, 1);
    let victim = nodes.ids().into_iter().find(|id| *id != leader);
    let victim = victim.expect("there are others");
    nodes.stop(victim);
    damage_stopped(&nodes, victim);
    write(&nodes, 1000..1200);

    nodes.start(victim);
    wait_until_in_sync(&nodes, leader, 3);

    assert_same_replicas(&mut nodes, 1);
    assert_eq!(set_aside(&nodes, victim), 1);
    assert_has(&nodes, 1200);
    // It may lead again.
    for id in nodes.ids().into_iter().filter(|id| *id != victim) {
        nodes.stop(id);
        wait_until_in_sync(&nodes, victim, 2);
        nodes.start(id);
        wait_until_in_sync(&nodes, victim, 3);
    }
    assert_has(&nodes, 1200);
}

#[test]
fn a_leader_whose_log_is_damaged_while_it_runs_hands_over_and_is_healed() {
    let mut nodes = filled(85);
    let leader = leader_of_first(&nodes, 1);
    let witness = nodes.ids().into_iter().find(|id| *id != leader);
    let witness = witness.expect("there are others");
    // The length of the first batch: who looks for a record by its time finds it.
    damage(&nodes, leader, 8);
    let by_time = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: TOPIC.into(),
            partitions: vec![ListOffsetsPartition {
                partition_index: 0,
                current_leader_epoch: -1,
                timestamp: 0,
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    ask(&nodes.bootstrap(leader), &by_time).expect("an answer");

    wait_for("another leader", || {
        let all = partitions(&nodes, witness)?;
        (all[0].leader_id >= 0 && all[0].leader_id != leader).then_some(())
    });
    write(&nodes, 1000..1200);
    wait_until_in_sync(&nodes, witness, 3);

    assert_same_replicas(&mut nodes, 1);
    assert_eq!(set_aside(&nodes, leader), 1);
    assert_has(&nodes, 1200);
}

#[test]
fn a_node_that_is_killed_while_its_log_is_healed_heals_it_all_the_same() {
    let mut nodes = filled(86);
    let leader = leader_of_first(&nodes, 1);
    let victim = nodes.ids().into_iter().find(|id| *id != leader);
    let victim = victim.expect("there are others");
    nodes.stop(victim);
    damage_stopped(&nodes, victim);
    nodes.spawn(victim);
    nodes.wait_for_line(victim, "fetching a lost log from its leader");
    nodes.kill(victim);
    write(&nodes, 1000..1200);

    nodes.start(victim);
    wait_until_in_sync(&nodes, leader, 3);

    assert_same_replicas(&mut nodes, 1);
    assert_has(&nodes, 1200);
}

/// Stops all nodes, the leader last, damages its log, and starts it with one of the others. Returns both, and what
/// the leader's log was then.
fn damage_the_last(nodes: &mut Nodes) -> (i32, i32, Vec<u8>) {
    let last = leader_of_first(nodes, 1);
    let others: Vec<i32> = nodes.ids().into_iter().filter(|id| *id != last).collect();
    // In order, so that all of it is below the recovery point.
    nodes.stop(others[0]);
    wait_until_in_sync(nodes, last, 2);
    nodes.stop(others[1]);
    wait_until_in_sync(nodes, last, 1);
    nodes.stop(last);
    damage_stopped(nodes, last);
    let before = fs::read(log(nodes, last)).expect("the log is there");
    nodes.spawn(last);
    nodes.spawn(others[0]);
    nodes.wait_for_line(last, "cannot open the log");
    wait_for("no leader", || {
        let all = partitions(nodes, others[0])?;
        (all[0].leader_id < 0).then_some(())
    });
    nodes.stop(last);
    (last, others[0], before)
}

#[test]
fn the_last_log_in_sync_is_left_alone_when_it_is_damaged() {
    let mut nodes = filled(87);

    let (last, _, before) = damage_the_last(&mut nodes);

    let after = fs::read(log(&nodes, last)).expect("the log is still there");
    assert!(after == before);
    assert_eq!(set_aside(&nodes, last), 0);
}

#[test]
fn the_last_in_sync_leads_again_once_its_log_is_repaired() {
    let mut nodes = filled_with(83, "1");
    let (last, other, _) = damage_the_last(&mut nodes);

    // What was flipped is flipped back.
    damage(&nodes, last, 70);
    nodes.start(last);

    wait_for("it leads", || {
        let all = partitions(&nodes, other)?;
        (all[0].leader_id == last).then_some(())
    });
    wait_until_in_sync(&nodes, last, 2);
    write(&nodes, 1000..1100);
    assert_has(&nodes, 1100);
    assert_eq!(set_aside(&nodes, last), 0);
}
