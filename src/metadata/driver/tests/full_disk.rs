//! What the metadata of a node writes while its full disk lives on the reserve.

use super::*;

impl Node {
    /// On a disk with a reserve.
    fn start_on(disk: &CrashDisk, config: MetadataConfig, reserve: Arc<Reserve>) -> Self {
        Self::start_by(disk, config, Vec::new(), Some(reserve))
    }
}

#[tokio::test]
async fn an_idle_log_grows_but_not_while_its_full_disk_lives_on_the_reserve() {
    let interval = Duration::from_millis(5);
    let config = MetadataConfig {
        max_idle_interval: Some(interval),
        ..config()
    };
    let disk = formatted_disk();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let reserve = Arc::new(Reserve::for_start(shared, Path::new("data"), 4096));
    reserve.retake();
    let node = Node::start_on(&disk, config, Arc::clone(&reserve));
    let _broker = node.join(1).await;
    node.create("t").await;
    node.published_beyond(node.metadata.published().image().provenance().offset)
        .await;

    reserve.lend();
    // What was begun before is over once this is answered.
    node.create("t").await;
    let end = node.raft.info().log_end_offset;
    let lent = Instant::now();
    while lent.elapsed() < 20 * interval {
        assert_eq!(node.create("t").await, ErrorCode::TOPIC_ALREADY_EXISTS);
    }

    assert_eq!(node.raft.info().log_end_offset, end);
    reserve.retake();
    node.published_beyond(end + -1).await;
    node.stop();
}
