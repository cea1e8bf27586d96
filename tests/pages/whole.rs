//! Every page, on every node.

use broker::protocol::ErrorCode;
use serde_json::Value;

use crate::browser::{commit, get, json, pages, three};
use crate::topics;
use crate::voice::wait_for;

const PAGES: [&str; 13] = [
    "/",
    "/topics",
    "/topics/orders",
    "/topics/orders/messages",
    "/topics/orders/live",
    "/groups",
    "/group?id=readers",
    "/brokers",
    "/brokers/2",
    "/log-dirs",
    "/quorum",
    "/moves",
    "/charts",
];

#[test]
fn every_node_shows_every_page_of_the_whole_cluster_as_html_and_as_json() {
    let nodes = three(31);
    let address = nodes.bootstrap(1);
    let created = topics::create(&address, "orders", (6, 3), &[("retention.ms", "3600000")]);
    assert_eq!(created, Some(ErrorCode::NONE));
    commit(&nodes, "readers", ("orders", 0), 0);

    for id in nodes.ids() {
        let address = pages(&nodes, id);
        wait_for("the group to be told of", || {
            let groups = json(&address, "/groups");
            (groups["rows"][0]["id"] == "readers").then_some(())
        });
        for path in PAGES {
            let page = get(&address, path, &[]);
            assert_eq!(page.status, 200, "{path}: {page:?}");
            assert!(page.body.contains("</html>") && page.body.contains("<nav"));
            let policy = page.header("content-security-policy").expect("a policy");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert!(!page.body.contains(" style="), "{path}");
            assert!(json(&address, path).is_object(), "{path}");
        }
        let topic = json(&address, "/topics/orders");
        assert_eq!(topic["partitions"], 6);
        let rows = topic["partition_part"]["rows"].as_array().expect("rows");
        assert!(
            rows.iter().all(|row| row["end"] == 0 && row["start"] == 0),
            "{topic}"
        );
        assert_eq!(topic["groups"][0]["id"], "readers");
        let is_set =
            |config: &Value| config["name"] == "retention.ms" && config["source"] == "topic";
        assert!(
            topic["configs"]
                .as_array()
                .expect("configs")
                .iter()
                .any(is_set)
        );
        let brokers = json(&address, "/brokers");
        let brokers = brokers["brokers"].as_array().expect("brokers").clone();
        assert_eq!(brokers.len(), 3);
        assert!(
            brokers
                .iter()
                .all(|it| it["directories"][0]["log_bytes"].is_u64())
        );
        let broker = json(&address, "/brokers/2");
        assert!(
            broker["configs"].as_array().expect("configs").len() > 100,
            "{broker}"
        );
        // On a busy machine a node may miss its time, which a page tells.
        wait_for("the quorum to answer", || {
            let quorum = json(&address, "/quorum");
            (quorum["replicas"].as_array()?.len() == 3).then_some(())
        });
    }
}

#[test]
fn what_pages_load_is_served_by_the_node_and_may_be_kept() {
    let nodes = three(32);
    let address = pages(&nodes, 1);
    let page = get(&address, "/", &[]);
    let mut loaded = 0;
    for part in page
        .body
        .split(['"'])
        .filter(|it| it.starts_with("/assets/"))
    {
        let asset = get(&address, part, &[]);
        assert_eq!(asset.status, 200, "{part}");
        let kept = asset.header("cache-control").expect("it may be kept");
        assert!(kept.contains("immutable"), "{kept}");
        loaded += 1;
    }
    assert_eq!(loaded, 3);
    assert!(!page.body.contains("http:") && !page.body.contains("https:"));

    let described = json(&address, "/openapi.json");
    let paths = described["paths"].as_object().expect("paths");
    for path in PAGES {
        let path = path.split('?').next().expect("a path");
        let path = path.replace("/topics/orders", "/topics/{name}");
        let path = path.replace("/brokers/2", "/brokers/{id}");
        assert!(paths.contains_key(&path), "{path}");
    }

    for path in [
        "/nothing",
        "/topics/nothing",
        "/brokers/77",
        "/brokers/x",
        "/group?id=no",
    ] {
        let page = get(&address, path, &[]);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.body.contains("<nav"), "{path}");
        let page = get(&address, path, &["Accept: application/json"]);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.json()["error"].is_string(), "{path}");
    }
}

#[test]
fn a_page_that_has_not_changed_is_not_sent_again() {
    let nodes = three(33);
    let address = pages(&nodes, 2);
    wait_for("a page that stays the same", || {
        let page = get(&address, "/topics", &[]);
        let tag = page.header("etag").expect("a tag").to_owned();
        let again = get(&address, "/topics", &[&format!("If-None-Match: {tag}")]);
        (again.status == 304 && again.body.is_empty()).then_some(())
    });
}

#[test]
fn a_node_that_is_gone_is_told_and_keeps_no_page_waiting() {
    let mut nodes = three(34);
    let address = nodes.bootstrap(1);
    let created = topics::create(&address, "orders", (6, 3), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let address = pages(&nodes, 1);
    wait_for("all to be well", || {
        (json(&address, "/")["verdict"]["level"] == "good").then_some(())
    });

    nodes.kill(3);

    let verdict = wait_for("the broker to be missed", || {
        let asked = std::time::Instant::now();
        let overview = json(&address, "/");
        assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
        (overview["brokers_serving"] == 2).then(|| overview["verdict"].clone())
    });
    assert_eq!(verdict["level"], "warn", "{verdict}");
    assert!(
        verdict.to_string().contains("broker 3 is away"),
        "{verdict}"
    );
    let brokers = json(&address, "/brokers");
    assert_eq!(brokers["brokers"][2]["state"], "fenced");
    let page = get(&address, "/brokers/3", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("it is fenced, and was not asked"));
}
