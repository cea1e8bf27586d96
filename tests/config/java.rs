//! The table against Apache Kafka itself, where its jars are (`KAFKA_JARS`).

use std::process::Command;

use crate::table::{agree, ours, parse};

#[test]
fn the_table_is_what_apache_kafka_prints() {
    let Some(jars) = std::env::var_os("KAFKA_JARS") else {
        assert!(
            std::env::var_os("REQUIRE_TOOLS").is_none(),
            "KAFKA_JARS is not set"
        );
        println!("*** SKIPPED: KAFKA_JARS is not set: no Apache Kafka's jars ***");
        return;
    };
    let mut class_path = jars;
    class_path.push("/*");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/Facts.java");

    let ran = Command::new("java")
        .arg("-cp")
        .arg(class_path)
        .arg(program)
        .output()
        .unwrap();

    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}");
    let kafkas = parse(&String::from_utf8(ran.stdout).unwrap());
    let ours = ours();
    // The jars may be older than 4.4: a key that they have, we have.
    assert!(kafkas.len() > 350);
    for (name, facts) in &kafkas {
        let found = ours
            .get(name)
            .unwrap_or_else(|| panic!("{name:?} is missing"));
        assert!(
            agree(name, found, facts),
            "{name:?}: {found:?}, in Kafka {facts:?}"
        );
    }
}
