//! `--format json`, which Kafka's tools do not have: one document that any program reads.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Broker, program};

fn tool(broker: &Broker, words: &str) -> Output {
    Command::new(program())
        .args(words.split(' '))
        .args(["--bootstrap-server", broker.bootstrap()])
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// The document that a tool prints.
fn document(broker: &Broker, words: &str) -> Value {
    let ended = tool(broker, words);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{words}: {said}");
    serde_json::from_slice(&ended.stdout).expect("one document and nothing else")
}

#[test]
fn topics_are_listed_and_described_as_json() {
    let broker = Broker::start();
    let none = document(&broker, "topics --list --format json");
    tool(
        &broker,
        "topics --create --topic a --partitions 2 --config retention.ms=5000",
    );
    tool(&broker, "topics --create --topic b --partitions 1");

    let names = document(&broker, "topics --list --format json");
    let all = document(&broker, "topics --describe --format json");
    let with_configs = document(
        &broker,
        "topics --describe --topics-with-overrides --format json",
    );
    let unavailable = document(
        &broker,
        "topics --describe --unavailable-partitions --format json",
    );

    assert_eq!(none, json!([]));
    assert_eq!(names, json!(["a", "b"]));
    assert_eq!(all[0]["topic"], "a");
    assert_eq!(all[0]["partitionCount"], 2);
    assert_eq!(all[0]["replicationFactor"], 1);
    assert_eq!(all[0]["configs"]["retention.ms"], "5000");
    let leader = &all[1]["partitions"][0]["leader"];
    assert!(leader.is_i64(), "{all}");
    assert_eq!(
        all[1]["partitions"],
        json!([{
            "partition": 0, "leader": leader, "replicas": [leader], "isr": [leader],
            "elr": [], "lastKnownElr": []
        }])
    );
    assert_eq!(with_configs[0]["topic"], "a");
    assert_eq!(with_configs[0].get("partitions"), None);
    assert_eq!(unavailable, json!([]));
}

#[test]
fn groups_are_listed_and_described_as_json() {
    let broker = Broker::start();
    tool(&broker, "topics --create --topic t --partitions 1");
    let reset = "consumer-groups --group g --topic t --reset-offsets --to-earliest --execute";
    assert!(tool(&broker, reset).status.success());

    let list = document(&broker, "consumer-groups --list --format json");
    let describe = "consumer-groups --describe --group g --format json";
    let offsets = document(&broker, describe);
    let members = document(&broker, &format!("{describe} --members"));
    let state = document(&broker, &format!("{describe} --state"));

    assert_eq!(
        list,
        json!([{"group": "g", "type": "Classic", "state": "Empty"}])
    );
    let epoch = &offsets[0]["offsets"][0]["leaderEpoch"];
    assert_eq!(
        offsets,
        json!([{"group": "g", "state": "Empty", "offsets": [{
            "topic": "t", "partition": 0, "leaderEpoch": epoch, "currentOffset": 0, "logEndOffset": 0,
            "lag": 0, "consumerId": null, "host": null, "clientId": null
        }]}])
    );
    assert_eq!(members[0]["members"], json!([]));
    assert_eq!(state[0]["members"], 0);
    assert_eq!(state[0]["assignmentStrategy"], Value::Null);
    let address = broker.bootstrap().rsplit_once(':');
    let port = address.and_then(|(_, port)| port.parse::<i32>().ok());
    assert_eq!(state[0]["coordinator"]["port"], json!(port));
}

#[test]
fn an_error_ends_a_tool_that_prints_json_without_a_document() {
    let broker = Broker::start();
    for words in [
        "topics --describe --topic missing --format json",
        "consumer-groups --describe --group missing --format json",
        "topics --create --topic t --format json",
        "consumer-groups --delete --group g --format json",
        "topics --list --format xml",
    ] {
        let ended = tool(&broker, words);

        assert_eq!(ended.status.code(), Some(1), "{words}");
        assert!(ended.stdout.is_empty(), "{words}");
        assert!(!ended.stderr.is_empty(), "{words}");
    }
}
