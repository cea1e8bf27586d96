//! Whole programs of other languages' clients: each does the main job and exits with 0.

use std::path::Path;
use std::process::Command;

use crate::support::{Broker, path_text, tools};

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interoperability")
        .join(name)
}

fn succeeds(command: &mut Command, broker: &Broker) -> String {
    let output = command.output().expect("the client starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{printed}\n{}\nthe broker's log:\n{}",
        String::from_utf8_lossy(&output.stderr),
        broker.log()
    );
    printed
}

#[test]
fn the_newest_java_client_does_the_main_job() {
    let Some(jars) = tools::directory("KAFKA_CLIENTS_44_JARS", "Java client 4.4.0") else {
        return;
    };
    java_roundtrip(&jars);
}

#[test]
fn the_java_client_of_4_3_does_the_main_job() {
    let Some(jars) = tools::kafka_jars() else {
        return;
    };
    java_roundtrip(&jars);
}

fn java_roundtrip(jars: &Path) {
    let broker = Broker::start();
    let mut java = Command::new("java");
    java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
        .arg(format!("{}/*", path_text(jars)))
        .arg(folder("java/Roundtrip.java"))
        .arg(broker.bootstrap());

    let printed = succeeds(&mut java, &broker);

    assert!(printed.ends_with("ok\n"), "{printed}");
}

#[test]
fn franz_go_does_the_main_job() {
    let Some(go) = tools::program("go") else {
        return;
    };
    let broker = Broker::start();
    let mut run = Command::new(go);
    run.args(["run", "."])
        .arg(broker.bootstrap())
        .current_dir(folder("go"));

    let printed = succeeds(&mut run, &broker);

    assert!(printed.ends_with("ok\n"), "{printed}");
}

#[test]
fn kcat_produces_lists_and_consumes() {
    let Some(kcat) = tools::program("kcat") else {
        return;
    };
    let broker = Broker::start();
    let lines = broker.directory().join("lines");
    std::fs::write(&lines, "a:one\nb:two\n:three\n").expect("the input can be written");

    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut produce = Command::new(kcat);
        produce.args([
            "-b",
            broker.bootstrap(),
            "-P",
            "-t",
            "kcat",
            "-K:",
            "-Z",
            "-z",
            codec,
        ]);
        produce.args(["-H", "header=value", "-l"]).arg(&lines);
        succeeds(&mut produce, &broker);
    }
    let mut consume = Command::new(kcat);
    consume.args([
        "-b",
        broker.bootstrap(),
        "-C",
        "-t",
        "kcat",
        "-o",
        "beginning",
        "-e",
        "-q",
    ]);
    let consumed = succeeds(consume.args(["-f", "%o %k=%s %h\n"]), &broker);
    let mut list = Command::new(kcat);
    let listed = succeeds(
        list.args(["-b", broker.bootstrap(), "-L", "-t", "kcat"]),
        &broker,
    );

    assert_eq!(consumed.lines().count(), 15, "{consumed}");
    assert!(
        consumed.starts_with("0 a=one header=value\n1 b=two header=value\n"),
        "{consumed}"
    );
    assert!(
        listed.contains("topic \"kcat\" with 1 partitions"),
        "{listed}"
    );
}
