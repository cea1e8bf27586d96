//! What a restart or a power cut leaves.

use super::*;

#[tokio::test]
async fn a_restart_finds_what_was_answered_and_publishes_it_at_once() {
    let disk = formatted_disk();
    let node = Node::start(&disk, config());
    let broker = node.join(1).await;
    let first_epoch = broker.epoch();
    node.create("kept").await;
    node.create("gone").await;
    node.delete("gone").await;
    assert!(broker.shut_down(PATIENCE).await);
    node.until(is_fenced).await;
    node.stop();

    let node = Node::start(&disk, config());
    let broker = node.join(2).await;

    assert_eq!(node.topics(), ["kept"]);
    let first = node.publications.lock().unwrap()[0].clone();
    assert_eq!(
        first,
        (vec!["kept".to_owned()], vec![]),
        "never what is undone later"
    );
    assert!(broker.epoch() > first_epoch);
    let image = node.until(|image| !is_fenced(image)).await;
    let topic = image.topics().by_name("kept").unwrap();
    let partition = topic.partition(0).unwrap();
    assert_eq!(
        (partition.leader, partition.leader_epoch.0),
        (BrokerId(1), 2)
    );
    node.stop();
}

#[tokio::test]
async fn what_was_answered_survives_a_power_cut_and_the_broker_returns_at_once() {
    for tear in [Tear::Lost, Tear::Kept, Tear::Torn(1), Tear::Torn(2)] {
        let disk = formatted_disk();
        let node = Node::start(&disk, config());
        let _broker = node.join(1).await;
        assert_eq!(node.create("orders").await, ErrorCode::NONE);
        let cut = disk.after_power_cut(tear);

        // The session of the first incarnation lasts for longer than the test waits.
        let again = Node::start(&cut, config());
        let _broker = tokio::time::timeout(PATIENCE / 2, again.join(2))
            .await
            .unwrap();

        assert_eq!(again.topics(), ["orders"]);
        again.until(|image| !is_fenced(image)).await;
        again.stop();
        node.stop();
    }
}

#[tokio::test]
async fn a_snapshot_stands_for_the_log_before_it() {
    let disk = formatted_disk();
    let often = || MetadataConfig {
        max_bytes_between_snapshots: 400,
        ..config()
    };
    let node = Node::start(&disk, often());
    let broker = node.join(1).await;
    for name in ["a", "b", "c", "d", "e"] {
        node.create(name).await;
    }
    assert!(broker.shut_down(PATIENCE).await);
    let before = node.until(is_fenced).await;
    node.stop();
    let folder = Path::new("data/__cluster_metadata-0");
    let files = disk.list(folder).unwrap();
    let is_snapshot = |name: &str| name.ends_with(".checkpoint") && name.len() > 30;
    assert!(
        files.iter().any(|file| is_snapshot(&file.name)),
        "{files:?}"
    );

    let node = Node::start(&disk, often());
    node.published_beyond(before.provenance().offset).await;

    let after = node.metadata.published().image_full();
    assert_eq!(after.topics(), before.topics());
    assert_eq!(after.brokers(), before.brokers());
    assert_eq!(after.features(), before.features());
    node.stop();
}

/// Topics come and go, snapshots are written now and then, and the node is stopped, or its power is cut.
#[tokio::test]
async fn the_first_image_of_a_run_has_all_that_was_answered_before_it() {
    for seed in 0..12 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let (mut disk, mut expected) = (formatted_disk(), BTreeSet::new());
        for round in 1..=4_u8 {
            let max_bytes = if dice.below(2) == 0 { 1 } else { u64::MAX };
            let config = MetadataConfig {
                max_bytes_between_snapshots: max_bytes,
                ..config()
            };
            let node = Node::start(&disk, config);
            let _broker = node.join(round).await;
            let first = node.publications.lock().unwrap()[0].0.clone();
            assert_eq!(
                BTreeSet::from_iter(first),
                expected,
                "seed {seed}, round {round}"
            );
            for _ in 0..dice.below(4) {
                let name = format!("t{}", dice.below(8));
                if expected.remove(&name) {
                    assert_eq!(node.delete(&name).await, ErrorCode::NONE);
                } else {
                    assert_eq!(node.create(&name).await, ErrorCode::NONE);
                    expected.insert(name);
                }
            }
            let tears = [Tear::Lost, Tear::Kept, Tear::Torn(1), Tear::Torn(2)];
            let cut = disk.after_power_cut(tears[dice.below(tears.len())]);
            node.stop();
            if dice.below(2) == 0 {
                disk = cut;
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_lost_what_the_replicas_acted_on_is_not_published() {
    let disk = formatted_disk();
    let node = Node::start(&disk, config());
    let _broker = node.join(1).await;
    let acted_on = node.metadata.published().image_full().provenance().offset;
    node.stop();

    let config = MetadataConfig {
        acted_on: Some(acted_on + 1_000),
        ..config()
    };
    let node = Node::start(&disk, config);

    let mut fatal = node.fatal.clone();
    let told = fatal.wait_for(Option::is_some);
    let reason = tokio::time::timeout(PATIENCE, told)
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert!(
        reason
            .unwrap()
            .contains("an older copy was put in its place")
    );
    assert!(node.publications.lock().unwrap().is_empty());
    node.stop();
}
