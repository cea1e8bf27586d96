//! The `broker` command with its config flags, as a process.

use std::fs;
use std::process::{Command, Output};

fn broker(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broker"));
    // The developer's own variables are not part of the test.
    command
        .env_clear()
        .args(arguments)
        .output()
        .expect("the broker can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the broker prints UTF-8")
}

#[test]
fn a_good_config_is_called_good() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/broker.toml");

    let output = broker(&["--config", example, "--check-config"]);

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "The config is good.\n");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_wrong_config_is_explained_on_standard_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    fs::write(&path, "num.partition = 1").unwrap();

    let output = broker(&["--config", path.to_str().unwrap(), "--check-config"]);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("did you mean num.partitions?"));
}

#[test]
fn warnings_are_told_with_the_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.properties");
    fs::write(&path, "num.io.threads=3\n").unwrap();

    let output = broker(&["--config", path.to_str().unwrap(), "--check-config"]);

    assert!(text(&output.stdout).starts_with("warning: num.io.threads does nothing here"));
}

#[test]
fn the_effective_config_can_be_read_back_and_hides_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    let written = "node.id = 4\n\"max.connections\" = 7\nssl.key.password = \"hunter2\"\n\
                   log.cleaner.io.max.bytes.per.second = 1e9";
    fs::write(&path, written).unwrap();

    let output = broker(&[
        "--config",
        path.to_str().unwrap(),
        "--print-effective-config",
    ]);

    let printed = text(&output.stdout);
    assert!(printed.contains("\nnode.id = 4 # from "), "{printed}");
    assert!(printed.contains("\"max.connections\" = 7 # from "));
    assert!(printed.contains("log.cleaner.io.max.bytes.per.second = 1.0E9 # from "));
    assert!(printed.contains("\n# num.partitions = 1\n"));
    assert!(printed.contains("\n# log.retention.ms is unset\n"));
    assert!(printed.contains("ssl.key.password = \"[hidden]\""));
    assert!(!printed.contains("hunter2"));
    let again = directory.path().join("again.toml");
    fs::write(&again, &printed).unwrap();
    let checked = broker(&["--config", again.to_str().unwrap(), "--check-config"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
}

#[test]
fn every_printed_default_can_be_set() {
    let directory = tempfile::tempdir().unwrap();
    let printed = text(&broker(&["--print-effective-config"]).stdout);
    let defaults: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        // A second name of the node's id, and a map that, once set, has to name all listeners.
        .filter(|line| !line.starts_with("broker.id") && !line.starts_with("listener.security"))
        .filter(|line| line.contains(" = "))
        .collect();
    let path = directory.path().join("broker.toml");
    fs::write(&path, defaults.join("\n")).unwrap();

    let checked = broker(&["--config", path.to_str().unwrap(), "--check-config"]);

    assert!(defaults.len() > 250);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
}

#[test]
fn help_and_version_are_printed() {
    let help = text(&broker(&["--help"]).stdout);
    for flag in [
        "--config",
        "--check-config",
        "--print-effective-config",
        "--version",
    ] {
        assert!(help.contains(flag), "{flag} is not in\n{help}");
    }
    assert_eq!(
        text(&broker(&["--version"]).stdout),
        format!("broker {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(broker(&["--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn health_says_why_a_node_cannot_be_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    let ask = |text: &str| {
        fs::write(&path, text).unwrap();
        broker(&["health", "--config", path.to_str().unwrap()])
    };

    let unknown_port = ask("listeners = \"PLAINTEXT://:0\"");
    assert_eq!(unknown_port.status.code(), Some(1));
    let sentence = text(&unknown_port.stdout);
    assert!(
        sentence.contains("only the node knows the port"),
        "{sentence}"
    );
    let nobody = ask("listeners = \"PLAINTEXT://127.123.123.123:1\"");
    assert_eq!(nobody.status.code(), Some(1));
    let sentence = text(&nobody.stdout);
    assert!(
        sentence.contains("cannot connect to 127.123.123.123:1"),
        "{sentence}"
    );
    let wrong = ask("num.partition = 1");
    assert_eq!(wrong.status.code(), Some(2));
}
