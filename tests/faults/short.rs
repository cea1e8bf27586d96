//! One fault at a time.

use std::fs;
use std::thread;
use std::time::Duration;

use broker::protocol::ErrorCode;

use crate::cluster::{Cluster, NODES, PARTITIONS, TOPIC};
use crate::mounts::Mount;
use crate::support::path_text;
use crate::voice::{self, wait_for};
use crate::workload::{self, Workload};

/// Longer than a broker may be silent (`broker.session.timeout.ms`).
pub const BEYOND_THE_SESSION: Duration = Duration::from_secs(11);
/// How long a partition may be without its killed leader, with default settings.
pub const FAIL_OVER: Duration = Duration::from_secs(4);
/// How many messages of each partition show that the cluster is at work.
pub const SOME: u64 = 100;

/// All nodes but one.
pub fn others(id: i32) -> Vec<i32> {
    NODES.into_iter().filter(|other| *other != id).collect()
}

/// Runs clients while `harm` is done to the cluster, heals it, and checks what they saw.
fn under(test: u8, harm: impl FnOnce(&mut Cluster, &Workload)) {
    if let Some(mut cluster) = Cluster::new(test, &[]) {
        cluster.start();
        run(&mut cluster, harm);
    }
}

/// As [`under`], with Java's clients at work, too.
fn under_with_java(test: u8, harm: impl FnOnce(&mut Cluster, &Workload)) {
    if let Some(mut cluster) = Cluster::new(test, &[]) {
        cluster.start();
        let mut workload = Workload::start(cluster.bootstrap());
        workload.join_java();
        check(&mut cluster, workload, harm);
    }
}

/// Checks what clients see of a cluster that runs while harm is done to it.
pub fn run(cluster: &mut Cluster, harm: impl FnOnce(&mut Cluster, &Workload)) {
    check(cluster, Workload::start(cluster.bootstrap()), harm);
}

fn check(cluster: &mut Cluster, workload: Workload, harm: impl FnOnce(&mut Cluster, &Workload)) {
    workload.wait_for_acks(SOME);
    workload.wait_for_commits();
    workload.longest_gap();
    harm(cluster, &workload);
    cluster.heal();
    cluster.wait_until_in_sync();
    workload.wait_for_acks(SOME);
    println!(
        "the longest time without an acknowledgement: {:?}",
        workload.longest_gap()
    );
    workload.finish(cluster);
    for id in NODES {
        assert!(!cluster.nodes.has_ended(id), "{id} ended by itself");
    }
    cluster.assert_same_replicas();
}

#[test]
fn leaders_are_killed_one_after_the_other() {
    under_with_java(1, |cluster, workload| {
        for round in 0..4 {
            let leader = cluster.leader(round % 3);
            cluster.nodes.kill(leader);
            workload.wait_for_acks(SOME);
            let gap = workload.longest_gap();
            println!("{leader} was killed: {gap:?} without an acknowledgement");
            assert!(
                gap < FAIL_OVER,
                "{leader} was killed: {gap:?} without an acknowledgement"
            );
            cluster.nodes.start(leader);
            cluster.wait_until_in_sync();
        }
    });
}

#[test]
fn all_are_killed_at_once() {
    under(2, |cluster, workload| {
        for _ in 0..2 {
            for id in NODES {
                cluster.nodes.kill(id);
            }
            for id in [2, 3, 1] {
                cluster.nodes.spawn(id);
            }
            cluster.wait_until_in_sync();
            workload.wait_for_acks(SOME);
        }
    });
}

#[test]
fn the_active_controller_is_killed_while_topics_are_made() {
    under_with_java(3, |cluster, workload| {
        let mut made = Vec::new();
        for round in 0..3 {
            let controller = voice::leader(&cluster.nodes, &NODES);
            let left = others(controller);
            for number in 0..10 {
                if number == 5 {
                    cluster.nodes.kill(controller);
                }
                let name = format!("made-{round}-{number}");
                let code = cluster.create(left[number % 2], &name);
                if code == Some(ErrorCode::NONE) {
                    made.push(name);
                }
            }
            workload.wait_for_acks(SOME);
            cluster.nodes.start(controller);
        }
        assert!(
            made.len() >= 15,
            "only {} of 30 topics were made",
            made.len()
        );
        for witness in NODES {
            wait_for("all topics that were made", || {
                let topics = cluster.metadata(witness)?.topics;
                let has = |name: &String| {
                    topics
                        .iter()
                        .any(|topic| topic.name.as_deref() == Some(name.as_str()))
                };
                made.iter().all(has).then_some(())
            });
        }
    });
}

#[test]
fn each_is_restarted_in_turn() {
    under_with_java(4, |cluster, workload| {
        for id in NODES {
            cluster.nodes.stop(id);
            workload.wait_for_acks(SOME);
            cluster.nodes.start(id);
            cluster.wait_until_in_sync();
            println!(
                "{id}: {:?} without an acknowledgement",
                workload.longest_gap()
            );
        }
        assert_nobody_noticed(workload);
    });
}

/// Checks that clients were told of nothing but where else to go: neither of too few in sync, nor of anything
/// that does not pass.
pub fn assert_nobody_noticed(workload: &Workload) {
    let errors = workload.errors();
    println!("what a client was told: {errors:?}");
    for code in errors {
        let too_few = [
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ];
        assert!(code.is_retriable() && !too_few.contains(&code), "{code:?}");
    }
}

#[test]
fn a_leader_is_paused_until_another_leads_and_wakes_up() {
    under_with_java(5, |cluster, workload| {
        for partition in 0..2 {
            let leader = cluster.leader(partition);
            cluster.pause(leader);
            let left = others(leader);
            cluster.leader_among(partition, left[0], &left);
            workload.wait_for_acks(SOME);
            cluster.heal();
            cluster.wait_until_in_sync();
        }
    });
}

#[test]
fn all_are_paused_for_longer_than_their_sessions() {
    under(6, |cluster, workload| {
        for id in NODES {
            cluster.pause(id);
        }
        thread::sleep(BEYOND_THE_SESSION);
        cluster.heal();
        workload.wait_for_acks(SOME);
    });
}

#[test]
fn a_leader_is_cut_off_from_the_others_but_not_from_clients() {
    under_with_java(7, |cluster, workload| {
        let leader = cluster.leader(0);
        cluster.network.isolate(leader);
        let left = others(leader);
        cluster.leader_among(0, left[0], &left);
        workload.wait_for_acks(SOME);
        cluster.heal();
        cluster.wait_until_in_sync();
    });
}

#[test]
fn a_leader_is_not_heard_and_then_does_not_hear() {
    under(8, |cluster, workload| {
        for is_heard in [false, true] {
            let leader = cluster.leader(0);
            let left = others(leader);
            for other in &left {
                if is_heard {
                    cluster.network.cut_one_way(*other, leader);
                } else {
                    cluster.network.cut_one_way(leader, *other);
                }
            }
            cluster.leader_among(0, left[0], &left);
            workload.wait_for_acks(SOME);
            cluster.heal();
            cluster.wait_until_in_sync();
        }
    });
}

#[test]
fn two_that_do_not_reach_each_other_go_on_by_the_third() {
    under(9, |cluster, workload| {
        for node in NODES {
            let other = others(node)[0];
            cluster.network.cut(node, &[other]);
            thread::sleep(BEYOND_THE_SESSION);
            workload.wait_for_acks(SOME);
            cluster.heal();
            cluster.wait_until_in_sync();
        }
    });
}

#[test]
fn the_links_of_a_leader_come_and_go() {
    under(10, |cluster, workload| {
        let leader = cluster.leader(0);
        for _ in 0..20 {
            cluster.network.isolate(leader);
            thread::sleep(Duration::from_millis(200));
            cluster.network.mend();
            thread::sleep(Duration::from_millis(200));
        }
        workload.wait_for_acks(SOME);
    });
}

#[test]
fn followers_are_gone_and_too_few_are_in_sync() {
    under(11, |cluster, workload| {
        let leader = cluster.leader(0);
        for other in others(leader) {
            cluster.nodes.kill(other);
        }
        thread::sleep(BEYOND_THE_SESSION);
        cluster.heal();
        workload.wait_for_acks(SOME);
    });
}

#[test]
fn a_disk_is_replaced_by_an_empty_one() {
    under(12, |cluster, workload| {
        for node in [1, 2] {
            cluster.nodes.kill(node);
            cluster.nodes.wipe(node);
            workload.wait_for_acks(SOME);
            cluster.nodes.start(node);
            cluster.wait_until_in_sync();
        }
    });
}

/// Nodes whose disks are real file systems, each of its own.
fn on_disks(test: u8, settings: &[(&str, &str)]) -> Option<(Vec<Mount>, Cluster)> {
    let disks: Vec<Mount> = NODES.iter().map_while(|_| Mount::ext4()).collect();
    let mut cluster = Cluster::new(test, settings)?;
    for (id, disk) in NODES.into_iter().zip(&disks) {
        let data = disk.path().join("data");
        cluster.nodes.set(id, "log.dirs", path_text(&data));
    }
    cluster.start();
    Some((disks, cluster))
}

/// Cuts the power of these nodes, all at once, and gives it back; they do not run then.
fn cut_power(cluster: &mut Cluster, disks: &[Mount], victims: &[i32]) {
    for victim in victims {
        disks[*victim as usize - 1].cut_power();
    }
    for victim in victims {
        cluster.nodes.kill(*victim);
        disks[*victim as usize - 1].power_on();
    }
}

fn power_fails(test: u8, settings: &[(&str, &str)], victims: &[i32]) {
    let Some((disks, mut cluster)) = on_disks(test, settings) else {
        return;
    };
    run(&mut cluster, |cluster, workload| {
        for _ in 0..2 {
            cut_power(cluster, &disks, victims);
            if victims.len() == 1 {
                workload.wait_for_acks(SOME);
            }
            for victim in victims {
                cluster.nodes.spawn(*victim);
            }
            cluster.wait_until_in_sync();
            workload.wait_for_acks(SOME);
        }
    });
}

#[test]
fn the_power_of_one_fails() {
    power_fails(13, &[], &[2]);
}

#[test]
fn the_power_of_all_fails_and_what_is_synced_stays() {
    power_fails(14, &[("log.flush.interval.messages", "1")], &NODES);
}

/// How far every replica of a partition is synced, as their disks say.
fn synced(cluster: &Cluster, partition: i32) -> usize {
    let line = format!("{TOPIC} {partition} ");
    let of = |id| {
        let file = cluster.nodes.data_dir(id);
        let file = file.join("recovery-point-offset-checkpoint");
        let text = fs::read_to_string(file).unwrap_or_default();
        let point = text.lines().find_map(|it| it.strip_prefix(&line));
        point.map_or(0, |point| point.parse().expect("an offset"))
    };
    NODES.into_iter().map(of).min().unwrap_or_default()
}

#[test]
fn the_power_of_all_fails_and_no_more_than_a_tail_that_was_not_synced_goes() {
    let settings = [
        ("log.flush.interval.messages", "300"),
        ("log.flush.offset.checkpoint.interval.ms", "100"),
    ];
    let Some((disks, mut cluster)) = on_disks(15, &settings) else {
        return;
    };
    let workload = Workload::start(cluster.bootstrap());
    workload.wait_for_acks(1_000);
    workload.finish(&cluster);
    let all = |cluster: &Cluster| {
        (0..PARTITIONS)
            .map(|partition| workload::whole(&cluster.bootstrap(), partition))
            .collect::<Vec<_>>()
    };
    let before = all(&cluster);
    let points: Vec<usize> = (0..PARTITIONS)
        .zip(&before)
        .map(|(partition, before)| {
            wait_for("a recovery point near the end", || {
                Some(synced(&cluster, partition))
                    .filter(|point| *point > 0 && point + 600 > before.len())
            })
        })
        .collect();

    cut_power(&mut cluster, &disks, &NODES);
    cluster.heal();
    cluster.wait_until_in_sync();

    let after = all(&cluster);
    for ((before, after), point) in before.iter().zip(&after).zip(&points) {
        println!(
            "{} before, {} after, {point} were synced",
            before.len(),
            after.len()
        );
        assert!(
            before.starts_with(after),
            "what is left is all that was there up to some offset"
        );
        assert!(after.len() >= *point, "what was synced is left");
    }
    let mut workload = Workload::start(cluster.bootstrap());
    workload.wait_for_acks(SOME);
    workload.stop();
    cluster.assert_same_replicas();
}
