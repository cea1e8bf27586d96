//! Brokers that follow each other: their logs end with the same bytes, whatever happens between.

mod cluster;
mod healing;
mod lanes;
mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cluster::{Cluster, until};

use crate::doubles::CrashDisk;
use crate::model::Offset;

/// Waits until two brokers have the same of a topic, down to the bytes, and have committed all of it. (Logs
/// of the same length may still differ.)
fn assert_same(cluster: &Cluster, topic: &str) {
    let (one, other) = (cluster.partition(1, topic), cluster.partition(2, topic));
    until(|| cluster.log_bytes(1, topic) == cluster.log_bytes(2, topic));
    for replica in [one, other] {
        until(|| replica.high_watermark() == replica.end_offset());
    }
    assert_eq!(cluster.log_bytes(1, topic), cluster.log_bytes(2, topic));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_copies_its_leaders_log_and_commits_with_it() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.create("t", &[1, 2], &[]);

    for count in 1..20 {
        cluster.append(1, "t", count, "value");
    }

    assert_same(&cluster, "t");
    let copied: usize = cluster.log_bytes(2, "t").values().map(Vec::len).sum();
    let received = |id| cluster.replication_metrics(id).received_bytes.get();
    assert!(received(2) >= copied as u64, "what was copied is counted");
    assert_eq!(received(1), 0, "a leader copies nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_replica_starts_no_thread_that_fetches() {
    let mut cluster = Cluster::start(&[1]).await;
    cluster.create("t", &[1], &[]);

    assert_eq!(cluster.nodes[&1].manager.rooms.followers.fetcher_count(), 0);
}

/// Moves leadership back and forth. The old leader goes on each time until it hears of the new one; with
/// `settles` it is as long as the others before it leads again.
async fn move_leadership(settles: bool) -> Cluster {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.create("t", &[1, 2], &[]);
    cluster.append(1, "t", 3, "first");
    for round in 0..12 {
        let (old, new) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        cluster.append(old, "t", 2, "before");
        if settles || round % 3 == 0 {
            cluster.until_caught_up(old, new, "t");
        }
        let elected = [cluster.led_by("t", new, &[1, 2])];
        let mut told = 0;
        cluster.apply_in_order(&elected, &[new, old], |cluster| {
            told += 1;
            if told == 1 {
                cluster.append(old, "t", 1 + i64::from(round % 4), "lost");
                cluster.append(old, "t", 1, "lost as well");
                cluster.append(new, "t", 2, "kept");
            }
        });
        cluster.append(new, "t", 1, "after");
        if settles || round % 4 == 1 {
            assert_same(&cluster, "t");
        }
    }
    assert_same(&cluster, "t");
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_back_and_forth_and_both_logs_end_the_same() {
    move_leadership(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_leader_takes_is_cut_and_what_the_new_one_takes_is_kept() {
    let cluster = move_leadership(true).await;

    let bytes: Vec<u8> = cluster.log_bytes(1, "t").into_values().flatten().collect();
    let count = |text: &[u8]| bytes.windows(text.len()).filter(|it| *it == text).count();
    assert_eq!((count(b"kept"), count(b"before")), (24, 24));
    assert_eq!(count(b"lost"), 0);
    let truncations = [1, 2].map(|id| cluster.replication_metrics(id).truncations.get());
    assert!(
        truncations.iter().all(|count| *count > 0),
        "{truncations:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_missed_several_epochs_finds_where_the_logs_part() {
    let mut cluster = Cluster::start(&[1, 2, 3]).await;
    cluster.create("t", &[1, 2, 3], &[]);
    cluster.append(1, "t", 5, "common");
    cluster.until_caught_up(1, 2, "t");
    cluster.until_caught_up(1, 3, "t");

    // Each leads in turn, and is heard of by nobody else in time.
    for (leader, count) in [(2, 3), (3, 2), (2, 4), (3, 1)] {
        let elected = [cluster.led_by("t", leader, &[1, 2, 3])];
        cluster.apply_in_order(&elected, &[leader], |_| {});
        cluster.append(leader, "t", count, "of an epoch");
    }
    let elected = [cluster.led_by("t", 1, &[1, 2, 3])];
    cluster.apply(&elected);
    cluster.append(1, "t", 2, "of the last epoch");

    assert_same(&cluster, "t");
    until(|| cluster.log_bytes(1, "t") == cluster.log_bytes(3, "t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_partition_is_fetched_while_a_fetch_waits_at_the_leader() {
    let mut cluster = Cluster::start_with(&[1, 2], |settings| {
        settings.follower.max_wait_ms = 3_600_000;
        settings.follower.socket_timeout = std::time::Duration::from_secs(7_200);
    })
    .await;
    cluster.create("t", &[1, 2], &[]);
    until(|| cluster.nodes[&1].server.fetch_count.load(Ordering::Relaxed) > 0);

    for topic in ["u", "v"] {
        cluster.create(topic, &[1, 2], &[]);
        cluster.append(1, topic, 3, "value");
        cluster.until_caught_up(1, 2, topic);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_count_on_a_follower_that_syncs_writes_once_they_are_durable_there() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.create("t", &[1, 2], &[("flush.messages", "1")]);

    for _ in 0..10 {
        let first = cluster.append(1, "t", 2, "value");
        until(|| cluster.partition(1, "t").high_watermark() >= first + 2);
        assert!(cluster.partition(2, "t").flushed_offset() >= first + 2);
    }

    assert_same(&cluster, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_follower_starts_over_where_the_leaders_log_starts_within_a_batch() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.create("t", &[1, 2], &[("segment.bytes", "1048576")]);
    for _ in 0..4 {
        cluster.append(1, "t", 5, "value");
    }
    assert_same(&cluster, "t");
    let leader = cluster.partition(1, "t");
    let wait = crate::replication::delayed::AckWait::new(1);
    let manager = cluster.nodes[&1].manager.clone();
    manager.delete_records(&leader, 7, wait.ticket(0)).unwrap();
    until(|| cluster.partition(2, "t").log_start_offset() == Offset(7));

    cluster.start_node(2, CrashDisk::new()).await;

    cluster.until_caught_up(1, 2, "t");
    let follower = cluster.partition(2, "t");
    until(|| follower.log_start_offset() == Offset(7));
    until(|| follower.high_watermark() == Offset(20));
    cluster.append(1, "t", 1, "more");
    cluster.until_caught_up(1, 2, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_damaged_on_the_way_is_fetched_again() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.nodes[&1]
        .server
        .damages
        .store(true, Ordering::Relaxed);
    cluster.create("t", &[1, 2], &[]);

    cluster.append(1, "t", 3, "value");

    assert_same(&cluster, "t");
    assert!(!cluster.nodes[&1].server.damages.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_broker_comes_back_and_catches_up() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.create("t", &[1, 2], &[]);
    cluster.append(1, "t", 3, "value");
    cluster.until_caught_up(1, 2, "t");

    cluster.nodes[&2].manager.close(2);
    let disk = cluster.nodes[&2].disk.clone();
    let disk = disk.after_power_cut(crate::doubles::Tear::Kept);
    cluster.append(1, "t", 4, "meanwhile");
    cluster.start_node(2, disk).await;

    assert_same(&cluster, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_numbers_of_fetchers_take_effect_while_it_runs() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    for topic in ["t", "u", "v", "w"] {
        cluster.create(topic, &[1, 2], &[]);
    }
    let count = |cluster: &Cluster| cluster.nodes[&2].manager.rooms.followers.fetcher_count();
    assert_eq!(count(&cluster), 1);

    for wanted in [3, 1] {
        let manager = cluster.nodes[&2].manager.clone();
        let mut settings = cluster.nodes[&2].settings.clone();
        settings.follower.num_replica_fetchers = wanted;
        manager.reconfigure(settings);
        assert_eq!(count(&cluster), wanted);
        for topic in ["t", "u", "v", "w"] {
            cluster.append(1, topic, 2, "value");
            assert_same(&cluster, topic);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followers_disk_that_hangs_keeps_no_other_directory_from_being_fetched_for() {
    let mut cluster = Cluster::start(&[1]).await;
    cluster.paths = &["/a", "/b"];
    cluster.start_node(2, CrashDisk::new()).await;
    cluster.create("t", &[1, 2], &[]);
    cluster.create("u", &[1, 2], &[]);
    let dirs = ["t", "u"].map(|topic| cluster.partition(2, topic).dir().path().to_owned());
    assert_ne!(dirs[0], dirs[1]);
    let disk = cluster.nodes[&2].disk.clone();
    disk.stall(&dirs[0].join("t-0/00000000000000000000.log"));
    cluster.append(1, "t", 1, "value");
    until(|| !cluster.partition(2, "t").is_free());

    for _ in 0..5 {
        cluster.append(1, "u", 1, "value");
        cluster.until_caught_up(1, 2, "u");
        let leader = cluster.partition(1, "u");
        until(|| leader.high_watermark() == leader.end_offset());
    }

    assert_eq!(cluster.end(2, "t"), Offset(0));
    disk.end_stall();
    cluster.until_caught_up(1, 2, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetcher_that_ends_by_a_bug_is_replaced() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    cluster.create("t", &[1, 2], &[]);
    cluster.append(1, "t", 3, "before");
    assert_same(&cluster, "t");

    let planted = &cluster.nodes[&2].plants_panic;
    planted.store(true, Ordering::Release);
    // The answer to this one brings the thread to the bug.
    cluster.append(1, "t", 1, "last of the first");
    until(|| !planted.load(Ordering::Acquire));
    cluster.append(1, "t", 3, "after");

    assert_same(&cluster, "t");
    assert_eq!(cluster.replication_metrics(2).fetcher_panics.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_at_one_log_keeps_no_other_from_being_fetched() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    for topic in ["t", "u"] {
        cluster.create(topic, &[1, 2], &[]);
        cluster.append(1, topic, 3, "before");
        assert_same(&cluster, topic);
    }
    let followers = Arc::clone(&cluster.nodes[&2].manager.rooms.followers);
    assert_eq!(followers.fetcher_count(), 1, "both are fetched by one");
    let planted = &followers.logs().plants_panic_at;
    // Of the two it is the one that is served first.
    let ids = ["t", "u"].map(|topic| cluster.partition(2, topic).id());
    *planted.lock() = ids.into_iter().min();
    let (broken, other) = if ids[0] < ids[1] {
        ("t", "u")
    } else {
        ("u", "t")
    };
    cluster.append(1, broken, 1, "after");
    until(|| cluster.replication_metrics(2).fetcher_panics.get() == 1);

    for _ in 0..5 {
        cluster.append(1, other, 1, "after");
        assert_same(&cluster, other);
    }

    assert_ne!(cluster.end(1, broken), cluster.end(2, broken));
    *planted.lock() = None;
    assert_same(&cluster, broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetcher_that_gets_no_thread_gets_one_later() {
    let mut cluster = Cluster::start(&[1, 2]).await;
    let manager = cluster.nodes[&2].manager.clone();
    let followers = &manager.rooms.followers;
    followers.give_no_threads(true);
    cluster.create("t", &[1, 2], &[]);
    cluster.append(1, "t", 3, "value");
    let unfetched = &cluster.replication_metrics(2).unfetched_partitions;
    until(|| unfetched.get() == 1);
    assert_eq!(cluster.end(2, "t"), Offset(0));

    followers.give_no_threads(false);

    assert_same(&cluster, "t");
    until(|| cluster.replication_metrics(2).unfetched_partitions.get() == 0);
}
