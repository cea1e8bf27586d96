//! Names that try to be more than text.

use broker::protocol::ErrorCode;

use crate::browser::{commit, get, json, pages, three};
use crate::topics;
use crate::voice::wait_for;

const NAMES: [&str; 6] = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"><svg onload=alert(1)>",
    "javascript:alert(1)",
    "../../etc/passwd?a=b&c=d#e%2e%2e",
    "' onmouseover='alert(1)",
];

/// What of a page a browser would take for elements: those of ours are known.
fn assert_is_ours(page: &str, path: &str) {
    for element in ["<img", "<svg", "<iframe", "<style", "javascript:alert(1)\""] {
        assert!(!page.contains(element), "{path} has {element}");
    }
    assert_eq!(page.matches("<script").count(), 1, "{path}");
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().expect("split yields one");
        let is_handler = |name: &str| tag.contains(&format!(" {name}="));
        assert!(
            !is_handler("onerror") && !is_handler("onload"),
            "{path}: {tag}"
        );
    }
}

#[test]
fn names_of_groups_are_text_wherever_they_are_shown() {
    let nodes = three(41);
    let created = topics::create(&nodes.bootstrap(1), "t", (1, 3), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    for name in NAMES {
        commit(&nodes, name, ("t", 0), 0);
    }
    let address = pages(&nodes, 2);

    let groups = wait_for("all groups to be told of", || {
        let groups = json(&address, "/groups");
        (groups["groups"] == NAMES.len()).then_some(groups)
    });
    let told: Vec<&str> = groups["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["id"].as_str().expect("text"))
        .collect();
    for name in NAMES {
        assert!(told.contains(&name), "{name}: {told:?}");
    }
    let list = get(&address, "/groups", &[]).body;
    assert_is_ours(&list, "/groups");
    let links: Vec<&str> = list
        .split('"')
        .filter(|it| it.starts_with("/group?id="))
        .collect();
    assert_eq!(links.len(), NAMES.len());
    for link in links {
        let page = get(&address, link, &[]);
        assert_eq!(page.status, 200, "{link}");
        assert_is_ours(&page.body, link);
    }
    let topic = get(&address, "/topics/t", &[]).body;
    assert!(topic.contains("&lt;img src=x"), "{topic}");
    assert_is_ours(&topic, "/topics/t");
}

#[test]
fn what_is_searched_for_is_text() {
    let nodes = three(42);
    let address = pages(&nodes, 1);
    for path in [
        "/topics",
        "/groups",
        "/group",
        "/brokers/%3Cimg%3E",
        "/%3Cscript%3E",
    ] {
        let query = "?q=%22%3E%3Cimg+src=x+onerror=alert(1)%3E&sort=%22%3E%3Csvg%20onload=a%3E&id=%3Cimg%3E";
        let page = get(&address, &format!("{path}{query}"), &[]);
        assert!([200, 404].contains(&page.status), "{path}: {page:?}");
        for element in ["<img", "<svg"] {
            assert!(!page.body.contains(element), "{path} has {element}");
        }
    }
}

#[test]
fn a_page_is_for_who_knows_the_node_by_its_name() {
    let nodes = three(43);
    let address = pages(&nodes, 1);
    let page = get(&address, "http://evil.example/", &[]);

    assert_eq!(page.status, 403, "{page:?}");
}
