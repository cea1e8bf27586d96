//! Partitions that move to other brokers by the pages.

use serde_json::{Value, json};

use crate::browser::{json as data, pages};
use crate::changes::{partitions, three};
use crate::changing::{Session, fill, order, ordered};
use crate::voice::wait_for;

const PATH: &str = "/change/move-partitions";

fn replicas(address: &str) -> Vec<Value> {
    let partitions = partitions(address, "t");
    partitions.iter().map(|it| it["replicas"].clone()).collect()
}

/// Sees that replicas of the topic are held back, and ends that.
fn end_limits(session: &Session) {
    let address = &session.address;
    let limits = || {
        let configs = data(address, "/topics/t")["configs"].to_string();
        configs.contains("\"source\":\"topic\"") && configs.contains("throttled.replicas")
    };
    wait_for("the limits to be told", || limits().then_some(()));
    session.change("/change/end-limits", &[]);
    let set = |it: &Value| it["source"] == "topic";
    wait_for("the limits to end", || {
        let configs = data(address, "/topics/t")["configs"].as_array()?.clone();
        (!configs.iter().any(set)).then_some(())
    });
}

#[test]
fn a_plan_is_proposed_shown_and_carried_out() {
    let nodes = three(45);
    let address = pages(&nodes, 3);
    let session = Session::begin(&address);
    let create = json!({"topic": "t", "partitions": 2, "replication_factor": 1});
    ordered(&address, "/change/create-topic", &create);
    let leader = partitions(&address, "t")[0]["leader"]
        .as_i64()
        .expect("a leader");
    let leader = i32::try_from(leader).expect("an id");
    fill(&nodes.bootstrap(leader), ("t", 0), 100);
    wait_for("the size to be told", || {
        partitions(&address, "t")[0]["bytes"]
            .as_u64()
            .filter(|it| *it > 0)
    });
    let before = replicas(&address);

    let wish = [
        ("topic", "t"),
        ("brokers", "1, 2, 3"),
        ("replication_factor", "3"),
        ("how", "stay"),
    ];
    let page = session.send(PATH, &wish);
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("2 partitions would"), "{page:?}");
    let told = ordered(
        &address,
        PATH,
        &json!({"topic": "t", "brokers": "1,2,3", "replication_factor": 3}),
    );
    assert!(told["bytes"].as_u64().expect("bytes") > 10_000, "{told}");
    assert_eq!(replicas(&address), before, "nothing was moved yet");
    for (move_, before) in told["moves"].as_array().expect("moves").iter().zip(&before) {
        assert_eq!(
            (&move_["now"], &move_["then"][0]),
            (before, &before[0]),
            "it stays"
        );
    }

    let plan = told["plan"].as_str().expect("lines");
    let run = [("plan", plan), ("throttle", "50000000"), ("step", "run")];
    let page = session.change(PATH, &run);
    assert!(
        page.body.contains("2 partitions began to move."),
        "{page:?}"
    );
    wait_for("the replicas to be in sync", || {
        let partitions = partitions(&address, "t");
        partitions
            .iter()
            .all(|it| it["isr"].as_array().map(Vec::len) == Some(3))
            .then_some(())
    });
    wait_for("the moves to end", || {
        (data(&address, "/moves")["moving"] == 0).then_some(())
    });
    end_limits(&session);
    let same = json!({"plan": plan, "step": "run"});
    assert_eq!(
        order(&address, PATH, &same).json()["field"],
        "plan",
        "it is so already"
    );
}

#[test]
fn what_can_be_no_plan_moves_nothing() {
    let nodes = three(46);
    let address = pages(&nodes, 1);
    let session = Session::begin(&address);
    let create = json!({"topic": "t", "partitions": 1, "replication_factor": 3});
    ordered(&address, "/change/create-topic", &create);
    let before = replicas(&address);

    for (body, field) in [
        (json!({"topic": "no", "brokers": "1"}), "topic"),
        (json!({"topic": "t", "brokers": "1,9"}), "brokers"),
        (json!({"topic": "t", "brokers": "x"}), "brokers"),
        (json!({"plan": "t-0", "step": "run"}), "plan"),
        (json!({"plan": "t-7: 1", "step": "run"}), "plan"),
        (json!({"step": "run"}), "plan"),
        (
            json!({"plan": "t-0: 1", "throttle": 0, "step": "run"}),
            "throttle",
        ),
    ] {
        let answer = order(&address, PATH, &body);
        assert_eq!(
            (answer.status, &answer.json()["field"]),
            (400, &field.into()),
            "{body}"
        );
    }
    let hostile = "<script>alert(1)</script>-0: 1";
    let page = session.send(PATH, &[("plan", hostile), ("step", "run")]);
    assert_eq!(page.status, 400);
    assert!(!page.body.contains("<script>alert"), "{page:?}");
    let beyond = order(&address, PATH, &json!({"plan": "t-0: 9", "step": "run"}));
    assert_eq!(beyond.status, 409, "{beyond:?}");
    let none = ordered(&address, "/change/cancel-moves", &json!({}));
    assert_eq!(none["done"], "Nothing was moving.");
    assert_eq!(replicas(&address), before);
}

#[test]
fn a_move_is_cancelled_and_replicas_stay_where_they_were() {
    let mut nodes = three(47);
    let address = pages(&nodes, 1);
    let session = Session::begin(&address);
    let create = json!({"topic": "t", "partitions": 1, "replication_factor": 1});
    ordered(&address, "/change/create-topic", &create);
    let place = json!({"plan": "t-0: 1", "step": "run"});
    order(&address, PATH, &place);
    wait_for("it to be on broker 1", || {
        (replicas(&address) == [json!([1])] && data(&address, "/moves")["moving"] == 0)
            .then_some(())
    });
    // Nobody can copy to a broker that is away.
    nodes.kill(3);
    ordered(&address, PATH, &json!({"plan": "t-0: 3", "step": "run"}));

    let moves = data(&address, "/moves");
    assert_eq!(
        (&moves["moving"], &moves["moves"][0]["adding"]),
        (&1.into(), &json!([3])),
        "{moves}"
    );
    let page = session.get("/moves");
    assert!(
        page.body.contains("/change/cancel-moves?topic=t"),
        "{page:?}"
    );
    session.change("/change/cancel-moves", &[("topic", "t")]);

    assert_eq!(data(&address, "/moves")["moving"], 0);
    assert_eq!(replicas(&address), [json!([1])]);
}
