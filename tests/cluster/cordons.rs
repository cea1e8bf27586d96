//! `cordoned.log.dirs`: directories that keep what they have, and get nothing new (KIP-1066).

use std::path::PathBuf;

use broker::protocol::ErrorCode;
use broker::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use tempfile::TempDir;

use crate::nodes::{Maker, Nodes};
use crate::operator::{log_dirs, set_of_broker};
use crate::support::path_text;
use crate::topics;
use crate::voice::{ask, wait_for};

const KEY: &str = "cordoned.log.dirs";

/// One node with two log directories.
struct TwoDirs {
    nodes: Nodes,
    directory: TempDir,
}

impl TwoDirs {
    fn start(test: u8, settings: &[(&str, &str)]) -> Self {
        let mut nodes = Nodes::combined(test, &[Maker::Ours], settings).expect("it is ours");
        let directory = tempfile::tempdir().expect("a directory");
        let mut this = Self {
            directory,
            nodes: {
                nodes.set(1, "offsets.topic.replication.factor", "1");
                nodes
            },
        };
        let both = format!("{},{}", this.path(0), this.path(1));
        this.nodes.set(1, "log.dirs", &both);
        this.nodes.start_all();
        this
    }

    fn path(&self, number: usize) -> String {
        let path: PathBuf = self.directory.path().join(number.to_string());
        path_text(&path).to_owned()
    }

    fn address(&self) -> String {
        self.nodes.bootstrap(1)
    }

    /// By directory: how many partitions it has, and whether it is cordoned.
    fn told(&self) -> [(usize, bool); 2] {
        let dirs = log_dirs(&self.address());
        [0, 1].map(|number| {
            let path = self.path(number);
            let mut dirs = dirs.iter();
            let dir = dirs.find(|dir| *dir.log_dir == *path).expect("it is told");
            let partitions = dir.topics.iter().map(|topic| topic.partitions.len());
            (partitions.sum(), dir.is_cordoned)
        })
    }

    fn create(&self, name: &str, partitions: i32) -> ErrorCode {
        topics::create(&self.address(), name, (partitions, 1), &[]).expect("an answer")
    }

    fn cordon(&self, value: Option<&str>) -> ErrorCode {
        set_of_broker(&self.address(), 1, KEY, value)
    }

    fn move_first(&self, topic: &'static str, to: usize) -> ErrorCode {
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: self.path(to).into(),
                topics: vec![AlterReplicaLogDirTopic {
                    name: topic.into(),
                    partitions: vec![0],
                }],
            }],
        };
        let answer = ask(&self.address(), &request).expect("an answer");
        answer.results[0].partitions[0].error_code
    }

    /// Waits until a topic can be made, or cannot, as the controller hears of directories by heartbeats.
    fn wait_until_created(&self, name: &str, expected: ErrorCode) {
        wait_for("what the controller knows", || {
            let code = self.create(name, 1);
            (code == expected).then_some(())
        });
    }
}

#[test]
fn a_cordoned_directory_keeps_what_it_has_and_gets_nothing_new_also_after_a_restart() {
    let mut node = TwoDirs::start(140, &[]);
    assert_eq!(node.create("before", 4), ErrorCode::NONE);
    assert_eq!(node.told(), [(2, false), (2, false)]);

    let first = node.path(0);
    assert_eq!(node.cordon(Some(&first)), ErrorCode::NONE);
    wait_for("the cordon", || node.told()[0].1.then_some(()));
    assert_eq!(node.create("after", 4), ErrorCode::NONE);
    assert_eq!(node.told(), [(2, true), (6, false)]);
    node.nodes.stop(1);
    node.nodes.start(1);
    assert_eq!(node.create("again", 2), ErrorCode::NONE);
    assert_eq!(node.told(), [(2, true), (8, false)]);
    let outcomes = [0, 1].map(|to| node.move_first("after", to));
    assert_eq!(
        outcomes,
        [ErrorCode::INVALID_REPLICA_ASSIGNMENT, ErrorCode::NONE]
    );

    assert_eq!(node.cordon(None), ErrorCode::NONE);
    wait_for("its end", || (!node.told()[0].1).then_some(()));
    assert_eq!(node.move_first("after", 0), ErrorCode::NONE);
}

#[test]
fn a_broker_that_is_cordoned_in_its_file_gets_nothing_until_that_is_overruled() {
    let node = TwoDirs::start(141, &[(KEY, "*")]);
    assert_eq!(node.told(), [(0, true), (0, true)]);

    // The broker serves once the controller has heard of its directories.
    assert_eq!(
        node.create("refused", 1),
        ErrorCode::INVALID_REPLICATION_FACTOR
    );
    assert_eq!(node.cordon(Some(&node.path(1))), ErrorCode::NONE);
    node.wait_until_created("taken", ErrorCode::NONE);
    assert_eq!(node.told(), [(1, false), (0, true)]);
    assert_eq!(node.cordon(Some("*")), ErrorCode::NONE);
    node.wait_until_created("refused", ErrorCode::INVALID_REPLICATION_FACTOR);
}

#[test]
fn only_the_broker_itself_is_asked_to_cordon_and_knows_its_paths() {
    let node = TwoDirs::start(142, &[]);
    assert_eq!(node.cordon(Some("/no/such")), ErrorCode::INVALID_REQUEST);
    let both = format!("*,{}", node.path(0));
    assert_eq!(node.cordon(Some(&both)), ErrorCode::INVALID_REQUEST);

    let controller = node.nodes.controller(1);
    let ask_controller = |value: &str| set_of_broker(&controller, 1, KEY, Some(value));
    let (first, both) = (node.path(0), format!("{},{}", node.path(0), node.path(1)));
    assert_eq!(ask_controller(&first), ErrorCode::INVALID_CONFIG);
    assert_eq!(node.cordon(Some(&both)), ErrorCode::NONE);
    assert_eq!(ask_controller(&first), ErrorCode::NONE, "one is taken away");
    wait_for("the other one free", || {
        (node.told().map(|it| it.1) == [true, false]).then_some(())
    });
}
