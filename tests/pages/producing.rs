//! Messages that are written by the pages.

use broker::protocol::ErrorCode;
use serde_json::json;

use crate::browser::json as data;
use crate::changing::{PASSWORD, Session, order, ordered};
use crate::guard::node;
use crate::support::Broker;
use crate::topics;

/// A node with a topic `t` of two partitions, and where its pages are.
fn node_with_topic() -> (Broker, String) {
    let (broker, address) = node(&[("admin.password", PASSWORD)]);
    let created = topics::create(broker.bootstrap(), "t", (2, 1), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    (broker, address)
}

#[test]
fn a_message_is_written_sent_again_and_edited_as_a_copy() {
    let (_broker, address) = node_with_topic();
    let session = Session::begin(&address);

    let page = session.change(
        "/change/produce",
        &[
            ("topic", "t"),
            ("partition", "1"),
            ("key", "k"),
            ("value", "line 1\r\nline 2"),
            ("headers", "a=b\r\nc"),
        ],
    );
    assert!(page.body.contains("Message 0 of t-1"), "{}", page.body);
    let first = data(&address, "/topics/t/messages/1/0");
    assert_eq!(first["value"]["text"], "line 1\nline 2");
    assert_eq!(first["headers"][0]["name"], "a");
    assert_eq!(first["headers"][1]["value"]["form"], "null");
    let edit = page
        .body
        .split('"')
        .find(|it| it.starts_with("/change/produce?"));
    let form = session.get(&edit.expect("a link").replace("&amp;", "&"));
    assert!(
        form.body.contains("\nline 1\nline 2</textarea>"),
        "{}",
        form.body
    );

    session.change(
        "/change/resend-message",
        &[("topic", "t"), ("partition", "1"), ("offset", "0")],
    );
    let again = data(&address, "/topics/t/messages/1/1");
    for part in ["key", "value", "headers"] {
        assert_eq!(again[part], first[part], "{part}");
    }
}

#[test]
fn a_message_may_have_no_key_and_no_value_and_a_key_decides_on_the_partition() {
    let (_broker, address) = node_with_topic();

    let told = ordered(
        &address,
        "/change/produce",
        &json!({ "topic": "t", "partition": 0, "null_value": true }),
    );
    assert_eq!(told["offset"], 0);
    let null = data(&address, "/topics/t/messages/0/0");
    assert_eq!(
        (&null["key"]["form"], &null["value"]["form"]),
        (&"null".into(), &"null".into())
    );
    let by_key = |key: &str| {
        ordered(
            &address,
            "/change/produce",
            &json!({ "topic": "t", "key": key }),
        )["partition"]
            .clone()
    };
    assert_eq!(by_key("k"), by_key("k"), "the key decides");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let (_broker, address) = node_with_topic();

    for (path, body) in [
        ("/change/produce", json!({ "topic": "nothing" })),
        ("/change/produce", json!({ "topic": "t", "partition": 7 })),
        (
            "/change/resend-message",
            json!({ "topic": "t", "partition": 0, "offset": 99 }),
        ),
        (
            "/change/resend-message",
            json!({ "topic": "t", "partition": 9, "offset": 0 }),
        ),
    ] {
        assert_eq!(order(&address, path, &body).status, 400, "{path}: {body}");
    }
}
