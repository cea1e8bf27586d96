//! Folders that are slow to make hold back neither heartbeats nor answers.

use super::*;

/// A disk on which each new folder takes [`SLOW_MKDIR`], until it is said to be quick.
#[derive(Debug)]
struct SlowFolders {
    disk: CrashDisk,
    is_slow: AtomicBool,
    made: watch::Sender<usize>,
}

const SLOW_MKDIR: Duration = Duration::from_millis(100);

impl Disk for SlowFolders {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if self.is_slow.load(Ordering::SeqCst) {
            thread::sleep(SLOW_MKDIR);
        }
        self.made.send_modify(|made| *made += 1);
        self.disk.create_dir(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path, mode)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<FileStat>> {
        self.disk.stat(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.disk.lock(path)
    }

    fn boot_id(&self) -> Option<String> {
        self.disk.boot_id()
    }
}

/// Makes a folder for each new topic, as replicas do.
struct Folders(Arc<SlowFolders>);

impl MetadataPublisher for Folders {
    fn on_update(&mut self, delta: &MetadataDelta, _image: &Arc<MetadataImage>) {
        for topic in delta.created_topics() {
            self.0.create_dir(Path::new(&*topic.name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_folders_delay_neither_heartbeats_nor_the_answers_of_the_controller() {
    // All folders take 50 s: a busy machine is far from either limit.
    const SESSION: Duration = Duration::from_secs(2);
    const ANSWER_LIMIT: Duration = Duration::from_secs(2);
    let slow = Arc::new(SlowFolders {
        disk: formatted_disk(),
        is_slow: AtomicBool::new(true),
        made: watch::Sender::new(0),
    });
    let mut config = config();
    config.controller.broker_session_timeout = SESSION;
    let folders = Box::new(Folders(Arc::clone(&slow)));
    let node = Node::start_with(&formatted_disk(), config, vec![folders]);
    let broker = node.join(1).await;

    let request = CreateTopicsRequest {
        topics: (0..500)
            .map(|index| CreatableTopic {
                name: format!("many-{index}").into(),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            })
            .collect(),
        ..CreateTopicsRequest::default()
    };
    let controller = node.metadata.controller().clone();
    let many = tokio::spawn(async move {
        let context = ControllerRequestContext::unlimited(Principal::ANONYMOUS, 7);
        controller.change(request, context).await
    });
    let mut made = slow.made.subscribe();
    made.wait_for(|made| *made > 0).await.unwrap();
    let begun = Instant::now();
    for round in 0.. {
        let asked = Instant::now();
        let outcome = node.create(&format!("one-{round}")).await;
        let took = asked.elapsed();
        assert_eq!(outcome, ErrorCode::NONE);
        assert!(took < ANSWER_LIMIT, "{took:?}");
        assert!(
            matches!(broker.state(), LifecycleState::Unfenced(_)),
            "{:?}",
            broker.state()
        );
        if begun.elapsed() > SESSION + SESSION / 2 {
            break;
        }
    }
    assert!(*made.borrow() < 500, "the folders took too little to tell");

    slow.is_slow.store(false, Ordering::SeqCst);
    let response = many.await.unwrap();
    assert!(
        response
            .topics
            .iter()
            .all(|topic| !topic.error_code.is_error())
    );
    node.until(|image| {
        let names = ["many-499", "one-0"];
        let is_there = |name: &str| image.topics().by_name(name).is_some();
        names.into_iter().all(is_there)
    })
    .await;
    let fenced = |image: &MetadataImage| image.brokers().iter().any(|broker| broker.fenced);
    assert!(!fenced(&node.metadata.published().image()));
    node.stop();
}
