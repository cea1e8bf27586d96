//! Who may change something by the pages, and who may not.

use serde_json::json;

use crate::browser::{Answer, get, json as data, post};
use crate::changing::{
    FORM, HTML, JSON, PASSWORD, RIGHT, Session, WRONG, encoded, log_in, order, ordered,
};
use crate::support::Broker;

const CREATE: &str = "/change/create-topic";

/// A node whose pages are on loopback, and their address.
pub fn node(settings: &[(&str, &str)]) -> (Broker, String) {
    let mut all = vec![("admin.listeners", "http://127.0.0.1:0")];
    all.extend_from_slice(settings);
    let broker = Broker::start_with(&all);
    let address = broker.admin();
    (broker, address)
}

fn topics(address: &str) -> i64 {
    data(address, "/topics")["topics"]
        .as_i64()
        .expect("a number")
}

fn assert_refused(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 403, "{why}: {answer:?}");
}

#[test]
fn a_topic_is_made_by_form_and_by_json() {
    let (mut broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);

    let fields = [
        ("topic", "orders"),
        ("partitions", "3"),
        ("configs", "retention.ms=3600000\r\n"),
    ];
    let page = session.change(CREATE, &fields);
    assert!(page.body.contains("Topic orders is created."), "{page:?}");
    let body = json!({"topic": "bills", "replication_factor": 1, "configs": {"retention.ms": 1}});
    let told = ordered(&address, CREATE, &body);

    assert_eq!(told["see"], "/topics/bills");
    let topic = data(&address, "/topics/orders");
    assert_eq!(topic["partitions"], 3);
    assert_eq!(topics(&address), 2);
    let again = order(&address, CREATE, &body);
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["code"], "TOPIC_ALREADY_EXISTS");
    let log = broker.wait_until_logged("topic=\"bills\"");
    assert!(log.contains("127.0.0.1"), "{log}");
    broker.stop();
}

#[test]
fn what_was_typed_is_kept_beside_what_is_wrong_with_it() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let hostile = "<img src=x onerror=alert(1)>";

    let fields = [
        ("topic", hostile),
        ("partitions", "2"),
        ("configs", "</textarea><script>=1"),
    ];
    let page = session.send(CREATE, &fields);

    assert_eq!(page.status, 409, "{page:?}");
    assert!(page.body.contains("The cluster refuses"), "{page:?}");
    assert!(page.body.contains("value=\"2\""), "{page:?}");
    assert!(
        page.body.contains("&lt;/textarea&gt;&lt;script&gt;=1"),
        "{page:?}"
    );
    assert!(
        !page.body.contains("<img") && !page.body.contains("<script>"),
        "{page:?}"
    );
    let page = session.send(CREATE, &[("topic", "t"), ("partitions", "many")]);
    assert_eq!(page.status, 400);
    assert!(page.body.contains("aria-invalid=\"true\""), "{page:?}");
    assert_eq!(topics(&address), 0);
}

#[test]
fn pages_of_others_can_change_nothing() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let token = session.token();
    let right = encoded(&[("form_token", token.as_str()), ("topic", "t")]);
    let without = encoded(&[("topic", "t")]);
    let own = format!("Origin: http://{address}");
    let send = |more: &[&str], body: &str| {
        let mut headers = vec![session.cookie.as_str(), HTML, FORM];
        headers.extend_from_slice(more);
        post(&address, CREATE, &headers, body)
    };

    for foreign in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_refused(&send(&[foreign], &right), foreign);
    }
    assert_refused(&send(&[&own], &without), "no token");
    let wrong = encoded(&[("form_token", "AAAA"), ("topic", "t")]);
    assert_refused(&send(&[&own], &wrong), "another token");
    // What a browser adds by itself, if it was told the password in its own window.
    assert_refused(
        &post(&address, CREATE, &[RIGHT, HTML, FORM], &without),
        "no header",
    );
    assert_refused(
        &post(&address, CREATE, &[RIGHT, JSON[1]], "{\"topic\":\"t\"}"),
        "no header",
    );
    let rebound = [
        &format!("Host: evil.example\r\n{own}"),
        session.cookie.as_str(),
        FORM,
    ];
    let answer = post_with_host(&address, &rebound, &right);
    assert_refused(&answer, "another name of this node");
    for path in [format!("{CREATE}?{right}"), format!("{CREATE}?{without}")] {
        assert_eq!(session.get(&path).status, 200);
    }
    let plain = post(
        &address,
        CREATE,
        &[&session.cookie, "Content-Type: text/plain"],
        &right,
    );
    assert_eq!(plain.status, 415);
    assert_eq!(topics(&address), 0);

    assert_eq!(
        send(&[&own, "Sec-Fetch-Site: same-origin"], &right).status,
        303
    );
    assert_eq!(topics(&address), 1);
}

fn post_with_host(address: &str, headers: &[&str], body: &str) -> Answer {
    crate::browser::send(address, "POST", CREATE, headers, body)
}

#[test]
fn a_page_with_a_form_cannot_be_framed_and_says_where_it_is_sent_from() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let page = session.get(CREATE);

    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert!(!page.body.contains("<script"), "nothing runs on it");
}

#[test]
fn without_a_password_everything_is_shown_and_nothing_changed() {
    let (_broker, address) = node(&[]);

    let page = get(&address, CREATE, &[HTML]);
    assert_refused(&page, "the form");
    assert!(page.body.contains("admin.password"), "{page:?}");
    assert_refused(&get(&address, "/login", &[HTML]), "the login");
    assert_refused(&order(&address, CREATE, &json!({"topic": "t"})), "JSON");
    assert_refused(&post(&address, CREATE, &[HTML, FORM], "topic=t"), "a form");
    assert_eq!(topics(&address), 0);
}

#[test]
fn a_node_for_reading_only_changes_nothing() {
    let settings = [("admin.password", PASSWORD), ("admin.read.only", "true")];
    let (_broker, address) = node(&settings);
    let session = Session::begin(&address);

    for answer in [
        session.get(CREATE),
        order(&address, CREATE, &json!({"topic": "t"})),
        post(&address, CREATE, &[&session.cookie, HTML, FORM], "topic=t"),
    ] {
        assert_refused(&answer, "read only");
        assert!(answer.body.contains("admin.read.only"), "{answer:?}");
    }
    assert_eq!(session.get("/topics").status, 200);
    assert_eq!(topics(&address), 0);
}

#[test]
fn a_session_ends_when_it_is_logged_out() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let session = Session::begin(&address);
    let cookie = log_in(&address, PASSWORD);
    let cookie = cookie.header("set-cookie").expect("a cookie");
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let token = session.token();

    let foreign = encoded(&[("form_token", "AAAA")]);
    let headers = [session.cookie.as_str(), HTML, FORM];
    assert_refused(
        &post(&address, "/logout", &headers, &foreign),
        "another token",
    );
    assert_eq!(session.get(CREATE).status, 200);
    let ours = encoded(&[("form_token", token.as_str())]);
    assert_eq!(post(&address, "/logout", &headers, &ours).status, 303);

    let page = session.get(CREATE);
    assert_eq!(page.status, 303, "{page:?}");
    assert_eq!(
        page.header("location"),
        Some("/login?next=%2Fchange%2Fcreate-topic")
    );
    let body = encoded(&[("form_token", token.as_str()), ("topic", "t")]);
    assert_refused(&post(&address, CREATE, &headers, &body), "no session");
    assert_eq!(topics(&address), 0);
}

#[test]
fn an_address_may_guess_a_few_times() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    for _ in 0..5 {
        let answer = log_in(&address, "wrong");
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("set-cookie"), None);
    }
    for _ in 0..5 {
        let headers = [JSON[0], JSON[1], JSON[2], WRONG];
        assert_eq!(post(&address, CREATE, &headers, "{}").status, 401);
    }

    assert_eq!(log_in(&address, PASSWORD).status, 429);
    assert_eq!(order(&address, CREATE, &json!({"topic": "t"})).status, 429);
    assert_eq!(topics(&address), 0, "pages are shown all the same");
}

#[test]
fn a_form_takes_no_more_than_its_bytes() {
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    let body = format!("{{\"topic\": \"{}\"}}", "x".repeat(2 << 20));
    let headers = [JSON[0], JSON[1], JSON[2], RIGHT];

    assert_eq!(post(&address, CREATE, &headers, &body).status, 413);
}
