//! Opening log directories: what is accepted, what is formatted, and what is refused.

use super::*;
use crate::model::{Offset, Uuid};
use crate::storage::applied_metadata::AppliedMetadata;
use crate::storage::disk::FileDisk;
use crate::storage::partition_folder::FolderMark;

struct Setup {
    root: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    made: u8,
}

impl Setup {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            disk: Arc::new(FileDisk::new(8)),
            made: 100,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn with_properties(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name)).unwrap();
        std::fs::write(self.path(name).join(META_PROPERTIES_FILE), text).unwrap();
    }

    fn open(&mut self, names: &[&str], cluster_id: Option<&str>) -> Result<LogDirs, LogDirError> {
        let paths: Vec<_> = names.iter().map(|name| self.path(name)).collect();
        let identity = Identity {
            node_id: BrokerId(1),
            cluster_id: cluster_id.map(str::to_owned),
        };
        let made = &mut self.made;
        LogDirs::open(&self.disk, &paths, &identity, || {
            *made += 1;
            Uuid::from_bytes([*made; 16])
        })
    }

    fn refusal(&mut self, names: &[&str], cluster_id: Option<&str>) -> String {
        self.open(names, cluster_id).unwrap_err().to_string()
    }
}

#[test]
fn an_empty_directory_is_formatted_and_opens_again() {
    let mut setup = Setup::new();
    let first = setup.open(&["a", "b"], Some("c1")).unwrap();
    let ids: Vec<_> = first.online.iter().map(|log_dir| log_dir.id()).collect();
    assert_ne!(ids[0], ids[1]);
    drop(first);

    let again = setup.open(&["a", "b"], None).unwrap();

    assert_eq!(again.cluster_id, "c1");
    let same: Vec<_> = again.online.iter().map(|log_dir| log_dir.id()).collect();
    assert_eq!(same, ids);
}

#[test]
fn a_directory_that_was_used_for_another_cluster_than_it_says_is_refused() {
    let mut setup = Setup::new();
    drop(setup.open(&["a"], Some("c1")).unwrap());
    let applied = AppliedMetadata {
        offset: Offset(5),
        cluster_id: Some("c1".to_owned()),
    };
    applied_metadata::remember(&*setup.disk, &setup.path("a"), &applied).unwrap();
    drop(setup.open(&["a"], None).unwrap());
    let path = setup.path("a").join(META_PROPERTIES_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("cluster.id=c1", "cluster.id=b1")).unwrap();

    for configured in [None, Some("b1")] {
        let refused = setup.refusal(&["a"], configured);

        assert!(refused.contains("write cluster.id=c1 into it"), "{refused}");
    }
}

#[test]
fn a_directory_added_later_joins_the_cluster_of_the_others() {
    let mut setup = Setup::new();
    setup.open(&["a"], Some("c1")).unwrap();

    let opened = setup.open(&["a", "b"], None).unwrap();

    assert_eq!(opened.online.len(), 2);
    let text = std::fs::read_to_string(setup.path("b").join(META_PROPERTIES_FILE)).unwrap();
    assert!(
        text.contains("cluster.id=c1\nnode.id=1\ndirectory.id="),
        "{text}"
    );
}

#[test]
fn version_0_is_brought_to_version_1_and_gets_an_id() {
    let mut setup = Setup::new();
    setup.with_properties("a", "broker.id=1\n");

    let opened = setup.open(&["a"], Some("c1")).unwrap();

    let properties = MetaProperties::load(&*setup.disk, &setup.path("a"))
        .unwrap()
        .unwrap();
    assert_eq!(properties.version, 1);
    assert_eq!(properties.directory_id, Some(opened.online[0].id()));
}

#[test]
fn a_locked_directory_names_the_file_and_what_to_do() {
    let mut setup = Setup::new();
    let held = setup.open(&["a"], Some("c1")).unwrap();

    let message = setup.refusal(&["a"], Some("c1"));

    assert!(message.contains("a/.lock is locked"), "{message}");
    assert!(message.contains("Stop it"), "{message}");
    drop(held);
    setup.open(&["a"], Some("c1")).unwrap();
}

#[test]
fn foreign_directories_are_refused_with_what_to_do() {
    let mut setup = Setup::new();
    setup.with_properties("a", "version=1\ncluster.id=other\nnode.id=1\n");
    setup.with_properties("b", "version=1\ncluster.id=c1\nnode.id=9\n");

    let message = setup.refusal(&["a"], Some("c1"));
    assert!(message.contains("Set cluster.id to other"), "{message}");
    let message = setup.refusal(&["b"], Some("c1"));
    assert!(message.contains("Set node.id to 9"), "{message}");
    let message = setup.refusal(&["a", "b"], None);
    assert!(message.contains("belongs to cluster c1"), "{message}");
}

#[test]
fn a_refused_start_formats_nothing() {
    let mut setup = Setup::new();
    setup.with_properties("b", "version=1\ncluster.id=other\nnode.id=1\n");

    setup.refusal(&["a", "b"], Some("c1"));

    assert!(!setup.path("a").join(META_PROPERTIES_FILE).exists());
}

#[test]
fn copied_and_reserved_directory_ids_are_refused() {
    let mut setup = Setup::new();
    let text = "version=1\ncluster.id=c1\nnode.id=1\ndirectory.id=_____________________w\n";
    setup.with_properties("a", text);
    setup.with_properties("b", text);
    assert!(setup.refusal(&["a", "b"], None).contains("one is a copy"));

    let reserved = text.replace("_____________________w", "AAAAAAAAAAAAAAAAAAAAAg");
    setup.with_properties("c", &reserved);
    assert!(setup.refusal(&["c"], None).contains("is reserved"));
}

#[test]
fn partition_folders_without_properties_are_never_taken_over() {
    let mut setup = Setup::new();
    std::fs::create_dir_all(setup.path("a").join("events-0")).unwrap();
    std::fs::create_dir_all(setup.path("b").join("lost+found")).unwrap();

    assert!(
        setup
            .refusal(&["a"], Some("c1"))
            .contains("such as events-0")
    );
    assert_eq!(setup.open(&["b"], Some("c1")).unwrap().online.len(), 1);
}

#[test]
fn without_any_cluster_id_the_config_must_say_one() {
    assert!(
        Setup::new()
            .refusal(&["a"], None)
            .contains("Set cluster.id")
    );
}

#[test]
fn a_damaged_directory_costs_only_itself() {
    let mut setup = Setup::new();
    setup.with_properties("a", "version=one\n");

    let opened = setup.open(&["a", "b"], Some("c1")).unwrap();

    assert_eq!(opened.online.len(), 1);
    assert_eq!(opened.failed[0].0, setup.path("a"));
    assert!(
        setup
            .refusal(&["a"], Some("c1"))
            .contains("no log directory can be used")
    );
}

#[test]
fn only_the_first_to_take_a_directory_offline_is_told() {
    let mut setup = Setup::new();
    let opened = setup.open(&["a"], Some("c1")).unwrap();
    let log_dir = &opened.online[0];
    assert!(!log_dir.is_offline());

    assert!(log_dir.take_offline("input/output error".to_owned()));
    assert!(!log_dir.take_offline("again".to_owned()));

    assert_eq!(log_dir.failure(), Some("input/output error"));
}

#[test]
fn partition_folders_are_discovered_and_others_are_named() {
    let mut setup = Setup::new();
    let opened = setup.open(&["a"], Some("c1")).unwrap();
    let unique = "0".repeat(32);
    let marked = format!("old-1.{unique}-delete");
    for name in ["events-0", "lost+found", &marked] {
        std::fs::create_dir(setup.path("a").join(name)).unwrap();
    }
    std::fs::write(setup.path("a").join("events-1"), "a file, not a folder").unwrap();

    let folders = opened.online[0].folders().unwrap();

    let names: Vec<_> = folders
        .partitions
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["events-0", &*marked]);
    assert_eq!(folders.partitions[1].1.mark, Some(FolderMark::Delete));
    assert_eq!(folders.unknown, ["lost+found"]);
}
