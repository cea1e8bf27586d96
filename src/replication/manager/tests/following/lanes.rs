//! What is behind is fetched by a thread of its own.

use std::path::Path;

use super::*;
use crate::replication::settings::ReplicaSettings;

/// How many answers it takes to fetch what is in `t`: some seconds of them.
const ANSWERS: usize = 20_000;

fn small_answers(settings: &mut ReplicaSettings) {
    settings.follower.partition_max_bytes = 100;
    settings.follower.response_max_bytes = 100;
}

/// Brokers 1 and 2 with two topics led by the first: broker 2 has not been in sync with `t` and lacks what is
/// in it, and has all of `u`.
async fn behind_in_one_of_two() -> Cluster {
    let mut cluster = Cluster::start_with(&[1], small_answers).await;
    cluster.create("t", &[1, 2], &[]);
    in_sync(&mut cluster, &[1]);
    for _ in 0..ANSWERS {
        cluster.append(1, "t", 1, "a value that is as long as an answer may be");
    }
    cluster.start_node(2, CrashDisk::new()).await;
    cluster.create("u", &[1, 2], &[]);
    until(|| threads(&cluster) == 2);
    cluster
}

/// The controller says who is in sync with `t`.
fn in_sync(cluster: &mut Cluster, isr: &[i32]) {
    let change = cluster.in_sync("t", isr);
    cluster.apply(&[change]);
}

fn threads(cluster: &Cluster) -> usize {
    cluster.nodes[&2].manager.rooms.followers.fetcher_count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_keeps_nothing_waiting_until_it_is_there() {
    let mut cluster = behind_in_one_of_two().await;
    let disk = cluster.nodes[&2].disk.clone();
    disk.stall(Path::new("/a/t-0/00000000000000000000.log"));
    until(|| !cluster.partition(2, "t").is_free());

    for _ in 0..5 {
        cluster.append(1, "u", 1, "value");
        let leader = cluster.partition(1, "u");
        until(|| leader.high_watermark() == leader.end_offset());
    }

    assert!(cluster.end(2, "t") < cluster.end(1, "t"));
    disk.end_stall();
    until(|| threads(&cluster) == 1);
    cluster.until_caught_up(1, 2, "t");
    in_sync(&mut cluster, &[1, 2]);
    for topic in ["t", "u"] {
        cluster.append(1, topic, 3, "value");
        assert_same(&cluster, topic);
    }
    assert_eq!(threads(&cluster), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_epoch_of_the_same_leader_and_another_leader_find_what_is_behind() {
    let mut cluster = behind_in_one_of_two().await;
    let same_leader = cluster.led_by("t", 1, &[1]);
    cluster.apply(&[same_leader]);
    assert!(cluster.end(2, "t") < cluster.end(1, "t"));
    cluster.until_caught_up(1, 2, "t");

    let led = cluster.led_by("t", 2, &[2]);
    cluster.apply(&[led]);
    cluster.append(2, "t", 3, "value");

    assert_same(&cluster, "t");
    let led = cluster.led_by("t", 1, &[1, 2]);
    cluster.apply(&[led]);
    cluster.append(1, "t", 3, "value");
    assert_same(&cluster, "t");
    until(|| threads(&cluster) == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_fetchers_finds_what_is_behind() {
    let cluster = behind_in_one_of_two().await;
    let mut settings = cluster.nodes[&2].settings.clone();
    settings.follower.num_replica_fetchers = 2;

    cluster.nodes[&2].manager.reconfigure(settings);

    assert!(cluster.end(2, "t") < cluster.end(1, "t"));
    cluster.until_caught_up(1, 2, "t");
    cluster.append(1, "u", 1, "value");
    assert_same(&cluster, "u");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_thread_for_it_what_is_behind_is_fetched_with_the_others() {
    let mut cluster = Cluster::start_with(&[1, 2], small_answers).await;
    cluster.create("u", &[1, 2], &[]);
    cluster.append(1, "u", 1, "value");
    assert_same(&cluster, "u");
    let followers = Arc::clone(&cluster.nodes[&2].manager.rooms.followers);
    followers.give_no_threads(true);
    cluster.create("t", &[1, 2], &[]);
    in_sync(&mut cluster, &[1]);
    for _ in 0..100 {
        cluster.append(1, "t", 1, "a value that is as long as an answer may be");
    }

    cluster.append(1, "u", 1, "value");

    assert_same(&cluster, "t");
    assert_same(&cluster, "u");
}
