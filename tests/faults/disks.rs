//! The disk of one of three nodes fails, fills up, or cannot be written any more: what depends on it moves to
//! the others, and nothing else does.

use std::thread;
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;

use crate::cluster::{Cluster, NODES, PARTITIONS, TOPIC};
use crate::faulty_disk::FaultyDisk;
use crate::long::takes_its_time;
use crate::mounts::Mount;
use crate::short::{BEYOND_THE_SESSION, FAIL_OVER, SOME, others, run};
use crate::support::path_text;
use crate::voice::{self, wait_for};
use crate::workload::Workload;

/// The node whose disk is a file system of its own.
const VICTIM: i32 = 1;

/// Waits until none of these partitions is led by a node or has it in sync, as another node says.
pub fn wait_until_gone_from(cluster: &Cluster, node: i32, gone: &[i32]) {
    let witness = others(node)[0];
    wait_for("leaders elsewhere", || {
        let partitions = cluster.partitions(witness)?;
        let mut those = partitions
            .iter()
            .filter(|it| gone.contains(&it.partition_index));
        those
            .all(|it| it.leader_id >= 0 && it.leader_id != node && !it.isr_nodes.contains(&node))
            .then_some(())
    });
}

fn assert_quick(workload: &Workload, what: &str) {
    let gap = workload.longest_gap();
    println!("{what}: {gap:?} without an acknowledgement");
    assert!(gap < 2 * FAIL_OVER, "{what}: {gap:?}");
}

#[test]
fn a_sync_that_fails_is_not_tried_again_and_others_lead() {
    let settings = [("log.flush.interval.messages", "20")];
    let Some(mut cluster) = Cluster::in_memory(40, &settings) else {
        return;
    };
    let disks = NODES.map(|id| FaultyDisk::of(&mut cluster.nodes, id));
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let victim = cluster.leader(0);
        let Some(disk) = &disks[victim as usize - 1] else {
            return;
        };
        let data = cluster.nodes.data_dir(victim);
        disk.fail_syncs(&data.join(format!("{TOPIC}-")));
        let said = cluster.nodes.ended(victim);

        assert!(said.contains("offline"), "{said}");
        disk.assert_never_tried_again();
        wait_until_gone_from(cluster, victim, &[0, 1, 2]);
        workload.wait_for_acks(SOME);
        assert_quick(workload, "a sync failed");
        disk.heal();
    });
}

#[test]
fn one_directory_of_two_fails_and_its_partitions_alone_move() {
    let (Some(first), Some(second)) = (Mount::ext4(), Mount::ext4()) else {
        return;
    };
    let Some(mut cluster) = Cluster::in_memory(41, &[]) else {
        return;
    };
    let dirs = [first.path().join("data"), second.path().join("data")];
    let both = dirs.each_ref().map(|dir| path_text(dir)).join(",");
    cluster.nodes.set(VICTIM, "log.dirs", &both);
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let (lost, kept): (Vec<i32>, Vec<i32>) =
            (0..PARTITIONS).partition(|it| dirs[1].join(format!("{TOPIC}-{it}")).exists());
        println!("in the directory that fails: {lost:?}, in the other: {kept:?}");
        assert!(!lost.is_empty() && !kept.is_empty());
        let witness = others(VICTIM)[0];
        let of_kept = |cluster: &Cluster| -> Vec<_> {
            let partitions = cluster.partitions(witness).expect("it runs");
            let those = partitions
                .into_iter()
                .filter(|it| kept.contains(&it.partition_index));
            those.map(|it| (it.leader_id, it.leader_epoch)).collect()
        };
        let before = of_kept(cluster);

        second.cut_power();
        wait_until_gone_from(cluster, VICTIM, &lost);
        workload.wait_for_acks(SOME);
        assert_quick(workload, "one of two directories failed");
        assert_eq!(of_kept(cluster), before, "what is on the other stays");
        assert!(cluster.metadata(VICTIM).is_some(), "the broker lives");

        cluster.nodes.stop(VICTIM);
        second.power_on();
        cluster.nodes.start(VICTIM);
    });
}

#[test]
fn a_file_system_becomes_read_only_and_others_lead() {
    let Some(disk) = Mount::ext4() else { return };
    let Some(mut cluster) = Cluster::in_memory(42, &[]) else {
        return;
    };
    let data = disk.path().join("data");
    cluster.nodes.set(VICTIM, "log.dirs", path_text(&data));
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        disk.make_read_only();
        let said = cluster.nodes.ended(VICTIM);

        assert!(said.contains("offline"), "{said}");
        wait_until_gone_from(cluster, VICTIM, &[0, 1, 2]);
        workload.wait_for_acks(SOME);
        assert_quick(workload, "a file system became read-only");
        disk.power_on();
    });
}

/// How long a follower may be behind before it is no more in sync, where a test waits for that.
const LAG: Duration = Duration::from_secs(4);

#[test]
fn a_full_disk_stops_what_its_node_leads_and_nothing_else_until_it_has_room() {
    let Some(disk) = Mount::tmpfs(128) else {
        return;
    };
    let lag = LAG.as_millis().to_string();
    let settings = [
        ("replica.lag.time.max.ms", lag.as_str()),
        ("disk.reserve.bytes", "4194304"),
    ];
    let Some(mut cluster) = Cluster::in_memory(43, &settings) else {
        return;
    };
    let data = disk.path().join("data");
    cluster.nodes.set(VICTIM, "log.dirs", path_text(&data));
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let witness = others(VICTIM)[0];
        disk.fill();
        let full_at = Instant::now();
        cluster.nodes.wait_for_line(VICTIM, "the disk is full");
        let led = |by_victim: bool| -> Vec<i32> {
            let partitions = cluster.partitions(witness).expect("it runs");
            let those = partitions
                .iter()
                .filter(|it| (it.leader_id == VICTIM) == by_victim);
            those.map(|it| it.partition_index).collect()
        };
        let others_lead = led(false);
        println!("others lead {others_lead:?}, the full node {:?}", led(true));
        workload.wait_for_acks_of(&others_lead, SOME);
        let waited = full_at.elapsed();
        println!("acknowledged by others {waited:?} after the disk was full");
        assert!(waited < 2 * LAG + FAIL_OVER, "{waited:?}");
        let created = cluster.create(witness, "made-beside-a-full-disk");
        assert_eq!(created, Some(ErrorCode::NONE), "the quorum goes on");
        assert!(cluster.metadata(VICTIM).is_some(), "the broker lives");

        disk.grow(256);
        let roomy_at = Instant::now();
        workload.wait_for_acks(SOME);
        cluster.wait_until_in_sync();
        println!("all goes on {:?} after there was room", roomy_at.elapsed());
    });
}

/// Runs the clients while syncs and writes of a node take this much longer. No partition may be without
/// acknowledgements for longer than `bound`, and no node be fenced for it, but for the slow one where it
/// `may_be_fenced`.
fn slow(
    test: u8,
    who: impl FnOnce(&Cluster) -> i32,
    (syncs, writes): (Duration, Duration),
    bound: Duration,
    may_be_fenced: bool,
) {
    let Some(mut cluster) = Cluster::in_memory(test, &[("log.flush.interval.messages", "200")])
    else {
        return;
    };
    let disks = NODES.map(|id| FaultyDisk::of(&mut cluster.nodes, id));
    cluster.start();
    run(&mut cluster, |cluster, workload| {
        let victim = who(cluster);
        let Some(disk) = &disks[victim as usize - 1] else {
            return;
        };
        let said = NODES.map(|id| cluster.nodes.process(id).output().len());
        disk.delay(&cluster.nodes.data_dir(victim), syncs, writes);
        thread::sleep(BEYOND_THE_SESSION);
        workload.wait_for_acks(20);
        let gap = workload.longest_gap();
        println!("{victim} is slow: {gap:?} without an acknowledgement");
        for (id, before) in NODES.into_iter().zip(said) {
            let said = cluster.nodes.process(id).output().split_off(before);
            let is_fenced = said.contains("state=Fenced");
            assert!(
                !is_fenced || may_be_fenced && id == victim,
                "{id} was fenced: {said}"
            );
        }
        assert!(gap < bound, "{gap:?}");
        disk.heal();
    });
}

#[test]
fn a_leader_whose_disk_is_slow_is_not_fenced() {
    let delays = (Duration::from_secs(2), Duration::from_millis(200));
    slow(44, |cluster| cluster.leader(0), delays, FAIL_OVER, false);
}

#[test]
fn an_active_controller_whose_disk_is_slow_is_not_fenced() {
    // Its part of the quorum waits longer than a term lasts, and hears of its successor late.
    let delays = (Duration::from_secs(2), Duration::from_millis(200));
    slow(47, active_controller, delays, FAIL_OVER, false);
}

#[test]
fn an_active_controller_whose_syncs_are_slow_is_not_fenced() {
    let delays = (Duration::from_millis(500), Duration::ZERO);
    slow(45, active_controller, delays, FAIL_OVER, false);
}

/// Its quorum's thread waits for its disk for longer than a term lasts, and it may not hear in a whole session
/// that another is active. The others lose nothing but a leader.
#[test]
fn an_active_controller_whose_disk_almost_stands_still_costs_the_others_nothing() {
    if !takes_its_time() {
        return;
    }
    let delays = (Duration::from_secs(5), Duration::from_millis(500));
    slow(46, active_controller, delays, 2 * FAIL_OVER, true);
}

fn active_controller(cluster: &Cluster) -> i32 {
    voice::leader(&cluster.nodes, &NODES)
}
