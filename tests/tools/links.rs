//! The tools under Kafka's names.

use std::process::Command;

use crate::support::{Broker, program};

#[test]
fn a_link_with_kafkas_name_is_that_tool() {
    let broker = Broker::start();
    let directory = tempfile::tempdir().expect("a temporary directory");
    for _ in 0..2 {
        let made = Command::new(program())
            .arg("install-links")
            .arg(directory.path())
            .status();
        assert!(
            made.expect("the program starts").success(),
            "also where links are already"
        );
    }

    let tool = directory.path().join("kafka-topics.sh");
    let create = [
        "--create",
        "--topic",
        "t",
        "--bootstrap-server",
        broker.bootstrap(),
    ];
    let created = Command::new(tool)
        .args(create)
        .output()
        .expect("the link is there");

    assert_eq!(
        String::from_utf8_lossy(&created.stdout),
        "Created topic t.\n"
    );
    assert!(directory.path().join("kafka-console-producer.sh").exists());
}
