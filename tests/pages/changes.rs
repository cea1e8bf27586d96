//! Each change once, by form and as data, and what the cluster is like then.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use crate::browser::{json as data, pages, three_with};
use crate::changing::{PASSWORD, Session, encoded, fill, order, ordered};
use crate::guard::node;
use crate::nodes::Nodes;
use crate::voice::wait_for;

/// Three nodes whose pages ask for the password.
pub fn three(test: u8) -> Nodes {
    three_with(test, &[("admin.password", PASSWORD)])
}

fn config(address: &str, path: &str, name: &str) -> Value {
    let page = data(address, path);
    let configs = page["configs"].as_array().expect("configs").clone();
    let found = configs.into_iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not among the configs of {path}"))
}

/// Waits until a config has this value and source: a page knows what it was asked for a moment ago.
fn wait_for_config(address: &str, path: &str, name: &str, (value, source): (&str, &str)) {
    wait_for("the config", || {
        let found = config(address, path, name);
        (found["value"] == value && found["source"] == source).then_some(())
    });
}

/// The rows of a topic's partitions.
pub fn partitions(address: &str, topic: &str) -> Vec<Value> {
    let topic = data(address, &format!("/topics/{topic}?rows=1000"));
    topic["partition_part"]["rows"]
        .as_array()
        .expect("rows")
        .clone()
}

#[test]
fn a_topic_gets_partitions_and_configs_and_goes() {
    let (broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    ordered(
        &address,
        "/change/create-topic",
        &json!({"topic": "t", "partitions": 1}),
    );

    let page = session.change(
        "/change/add-partitions",
        &[("topic", "t"), ("partitions", "3")],
    );
    assert!(
        page.body.contains("Topic t has 3 partitions now."),
        "{page:?}"
    );
    ordered(
        &address,
        "/change/add-partitions",
        &json!({"topic": "t", "partitions": 4}),
    );
    let fewer = order(
        &address,
        "/change/add-partitions",
        &json!({"topic": "t", "partitions": 2}),
    );
    assert_eq!(
        (fewer.status, &fewer.json()["code"]),
        (409, &"INVALID_PARTITIONS".into())
    );
    assert_eq!(partitions(&address, "t").len(), 4);

    let path = "/change/topic-config";
    let form = session.get(&format!("{path}?topic=t&name=retention.ms"));
    assert!(
        form.body.contains("value=\"604800000\""),
        "as it is now: {form:?}"
    );
    let fields = [("topic", "t"), ("name", "retention.ms"), ("value", "77000")];
    session.change(path, &fields);
    wait_for_config(&address, "/topics/t", "retention.ms", ("77000", "topic"));
    let wrong = [
        ("topic", "t"),
        ("name", "retention.ms"),
        ("value", "<svg onload=alert(1)>"),
    ];
    let page = session.send(path, &wrong);
    assert_eq!(page.status, 409);
    assert!(
        page.body.contains("&lt;svg onload=alert(1)&gt;"),
        "{page:?}"
    );
    assert!(!page.body.contains("<svg"), "{page:?}");
    let reset = json!({"topic": "t", "name": "retention.ms", "step": "reset"});
    ordered(&address, path, &reset);
    wait_for_config(
        &address,
        "/topics/t",
        "retention.ms",
        ("604800000", "default"),
    );
    // What was set may be secret, and is in no line.
    assert!(!broker.log().contains("77000"));

    let path = "/change/delete-topic";
    let page = session.send(path, &[("topic", "t"), ("confirm", "T")]);
    assert_eq!(page.status, 400, "{page:?}");
    assert_eq!(partitions(&address, "t").len(), 4);
    session.change(path, &[("topic", "t"), ("confirm", "t")]);
    ordered(&address, "/change/create-topic", &json!({"topic": "u"}));
    ordered(&address, path, &json!({"topic": "u", "confirm": "u"}));
    assert_eq!(data(&address, "/topics")["topics"], 0);
}

#[test]
fn configs_are_set_for_one_broker_and_for_all() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let path = "/change/broker-config";
    let name = "log.retention.ms";

    session.change(path, &[("broker", ""), ("name", name), ("value", "100000")]);
    wait_for_config(&address, "/brokers/1", name, ("100000", "cluster"));
    ordered(
        &address,
        path,
        &json!({"broker": 1, "name": name, "value": "200000"}),
    );
    wait_for_config(&address, "/brokers/1", name, ("200000", "broker"));
    session.change(path, &[("broker", "1"), ("name", name), ("step", "reset")]);
    wait_for_config(&address, "/brokers/1", name, ("100000", "cluster"));
    let fixed = json!({"broker": 1, "name": "node.id", "value": "7"});
    assert_eq!(order(&address, path, &fixed).status, 409);
    let page = session.get("/brokers/1");
    assert!(
        page.body.contains("broker=1&amp;name=log.retention.ms\""),
        "{page:?}"
    );
    assert!(!page.body.contains("name=node.id\""), "{page:?}");
}

#[test]
fn records_go_up_to_an_offset_or_all() {
    let (broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    ordered(
        &address,
        "/change/create-topic",
        &json!({"topic": "t", "partitions": 2}),
    );
    for partition in [0, 1] {
        fill(broker.bootstrap(), ("t", partition), 50);
    }
    let starts = || -> Vec<Value> {
        let partitions = partitions(&address, "t");
        partitions.iter().map(|it| it["start"].clone()).collect()
    };
    let path = "/change/delete-records";

    let fields = [
        ("topic", "t"),
        ("partition", "1"),
        ("offset", "20"),
        ("confirm", "t"),
    ];
    let page = session.change(path, &fields);
    assert!(
        page.body
            .contains("Partition 1 of t begins at offset 20 now."),
        "{page:?}"
    );
    wait_for("the pages to know", || (starts() == [0, 20]).then_some(()));
    let beyond = json!({"topic": "t", "partition": 0, "offset": 51, "confirm": "t"});
    let refused = order(&address, path, &beyond);
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (409, &"OFFSET_OUT_OF_RANGE".into())
    );
    assert_eq!(order(&address, path, &json!({"topic": "t"})).status, 400);
    let told = ordered(&address, path, &json!({"topic": "t", "confirm": "t"}));
    assert_eq!(told["first_offsets"], json!({"0": 50, "1": 50}));
    wait_for("the pages to know", || (starts() == [50, 50]).then_some(()));
}

#[test]
fn a_broker_is_drained_and_leads_again_once_leaders_are_elected() {
    let nodes = three(44);
    let address = pages(&nodes, 2);
    let session = Session::begin(&address);
    let create = json!({"topic": "t", "partitions": 6, "replication_factor": 3});
    ordered(&address, "/change/create-topic", &create);
    let led_by_three = || {
        let partitions = partitions(&address, "t");
        partitions.iter().filter(|it| it["leader"] == 3).count()
    };
    wait_for("all replicas to be in sync", || {
        let partitions = partitions(&address, "t");
        let all = partitions
            .iter()
            .all(|it| it["isr"].as_array().map(Vec::len) == Some(3));
        all.then_some(())
    });
    assert!(led_by_three() > 0);

    let page = session.change("/change/drain", &[("broker", "3"), ("step", "run")]);
    assert!(page.body.contains("Broker 3 is drained"), "{page:?}");
    wait_for("the leaders to leave", || {
        (led_by_three() == 0).then_some(())
    });
    assert_eq!(data(&address, "/brokers/3")["state"], "drained");
    ordered(
        &address,
        "/change/drain",
        &json!({"broker": 3, "step": "undrain"}),
    );
    let told = wait_for("preferred leaders", || {
        let told = ordered(&address, "/change/elect-leaders", &json!({"topic": "t"}));
        (led_by_three() > 0).then_some(told)
    });

    assert_eq!(told["refused"], json!({}), "{told}");
    session.change("/change/elect-leaders", &[]);
    let missing = order(&address, "/change/elect-leaders", &json!({"topic": "no"}));
    assert_eq!(
        (missing.status, &missing.json()["field"]),
        (400, &"topic".into())
    );
}

#[test]
fn every_change_is_described_and_its_form_can_be_looked_at() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let described = data(&address, "/openapi.json");
    let paths = described["paths"].as_object().expect("paths");
    let changes: Vec<&String> = paths
        .keys()
        .filter(|it| it.starts_with("/change/"))
        .collect();
    assert!(changes.len() >= 14, "{changes:?}");

    let hostile = "%22%3E%3Cimg+src=x+onerror=alert(1)%3E";
    for path in changes {
        let schema = &paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let fields = schema["properties"].as_object().expect("fields");
        let query: Vec<String> = fields.keys().map(|it| format!("{it}={hostile}")).collect();
        for query in ["", &query.join("&")] {
            let page = session.get(&format!("{path}?{query}"));
            assert_eq!(page.status, 200, "{path}: {page:?}");
            assert!(!page.body.contains("<img"), "{path}: {page:?}");
            for field in fields.keys().filter(|it| *it != "step") {
                assert!(
                    page.body.contains(&format!("name=\"{field}\"")),
                    "{path}: {field}"
                );
            }
        }
        assert_eq!(
            data(&address, path)["fields"].as_array().map(Vec::len),
            Some(fields.len() - 1)
        );
    }
}

#[test]
fn offsets_of_a_group_are_shown_and_then_reset() {
    let (broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    ordered(
        &address,
        "/change/create-topic",
        &json!({"topic": "t", "partitions": 2}),
    );
    for partition in [0, 1] {
        fill(broker.bootstrap(), ("t", partition), 50);
    }
    let path = "/change/reset-offsets";
    let group = "<img src=x onerror=alert(1)>";
    let link = format!(
        "/group?id={}",
        encoded(&[("", group)]).trim_start_matches('=')
    );
    let committed = || -> Vec<Value> {
        let offsets = data(&address, &link)["offsets"]["rows"].clone();
        offsets
            .as_array()
            .expect("rows")
            .iter()
            .map(|it| it["committed"].clone())
            .collect()
    };

    // A group that nobody has been in yet.
    let new = json!({"group": group, "topic": "t", "to": "offset", "value": 30, "step": "run"});
    ordered(&address, path, &new);
    wait_for("the group", || {
        let groups = data(&address, "/groups");
        (groups["groups"] == 1 && committed() == [30, 30]).then_some(())
    });
    let shift = json!({"group": group, "to": "shift", "value": -10, "partition": 1});
    let told = ordered(&address, path, &shift);
    let row = json!({"topic": "t", "partition": 1, "committed": 30, "then": 20, "lag": 30});
    assert_eq!(told["offsets"], json!([row]));
    let page = session.send(path, &[("group", group), ("to", "latest")]);
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("Nothing is reset yet") && !page.body.contains("<img"),
        "{page:?}"
    );
    assert_eq!(committed(), [30, 30], "it was only shown");
    session.change(
        path,
        &[
            ("group", group),
            ("to", "earliest"),
            ("partition", "0"),
            ("step", "run"),
        ],
    );
    wait_for("the offsets", || (committed() == [0, 30]).then_some(()));
    // The records are of the second second of 1970, one in each millisecond.
    let since = json!({"group": group, "to": "time", "value": 1_010, "step": "run"});
    ordered(&address, path, &since);
    wait_for("the offsets", || (committed() == [10, 10]).then_some(()));
    let nothing = order(&address, path, &json!({"group": "other", "to": "latest"}));
    assert_eq!(
        (nothing.status, &nothing.json()["field"]),
        (400, &"topic".into())
    );
}

#[test]
fn a_group_is_deleted_by_who_types_its_name() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let group = "a group";
    ordered(&address, "/change/create-topic", &json!({"topic": "t"}));
    let new = json!({"group": group, "topic": "t", "to": "earliest", "step": "run"});
    ordered(&address, "/change/reset-offsets", &new);

    let path = "/change/delete-group";
    assert_eq!(
        order(&address, path, &json!({"group": group, "confirm": "x"})).status,
        400
    );
    session.change(path, &[("group", group), ("confirm", group)]);
    wait_for("the group to go", || {
        (data(&address, "/groups")["groups"] == 0).then_some(())
    });
    let gone = order(&address, path, &json!({"group": group, "confirm": group}));
    assert_eq!(
        (gone.status, &gone.json()["code"]),
        (409, &"GROUP_ID_NOT_FOUND".into())
    );
}

#[test]
fn quotas_are_set_shown_and_taken_away() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let path = "/change/quota";
    let hostile = "</script><img src=x onerror=alert(1)>";

    let user = [("user", hostile), ("client_id", "<default>")];
    let quota = [("quota", "producer_byte_rate"), ("value", "1048576")];
    let page = session.change(path, &[user, quota].concat());
    assert!(
        page.body.contains("1048576") && page.body.contains("&lt;default&gt;"),
        "{page:?}"
    );
    assert!(!page.body.contains("<img"), "{page:?}");
    let remove = json!({"user": hostile, "client_id": "<default>", "quota": "producer_byte_rate", "step": "remove"});
    ordered(&address, path, &remove);
    assert!(session.get(path).body.contains("There are no quotas."));
    let nobody = order(
        &address,
        path,
        &json!({"quota": "producer_byte_rate", "value": 1}),
    );
    assert_eq!(
        (nobody.status, &nobody.json()["field"]),
        (400, &"user".into())
    );
    let unknown = order(
        &address,
        path,
        &json!({"user": "a", "quota": "other", "value": 1}),
    );
    assert_eq!(unknown.status, 409, "{unknown:?}");
}

#[test]
fn a_group_with_members_keeps_its_offsets() {
    let (broker, address) = node(&[("admin.password", PASSWORD)]);
    ordered(&address, "/change/create-topic", &json!({"topic": "t"}));
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "g")
        .create()
        .expect("a consumer");
    consumer.subscribe(&["t"]).expect("a name");
    wait_for("the member to be told of", || {
        consumer.poll(Duration::from_millis(10));
        let groups = data(&address, "/groups");
        (groups["rows"][0]["members"] == 1 && groups["rows"][0]["state"] == "Stable").then_some(())
    });

    let reset = json!({"group": "g", "topic": "t", "to": "earliest", "step": "run"});
    for (path, body) in [
        ("/change/reset-offsets", reset),
        (
            "/change/delete-group",
            json!({"group": "g", "confirm": "g"}),
        ),
    ] {
        let refused = order(&address, path, &body);
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (409, &"NON_EMPTY_GROUP".into()),
            "{path}"
        );
    }
    assert_eq!(data(&address, "/groups")["groups"], 1);
}
