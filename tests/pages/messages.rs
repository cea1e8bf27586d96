//! Messages of topics: where reading begins and goes on, which are wanted, how they are shown and downloaded.

use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::records::Compression;
use serde_json::Value;

use crate::browser::{get, json};
use crate::records::{Written, commit, value, write};
use crate::support::Broker;
use crate::support::http::{self, query_part};
use crate::topics;
use crate::voice::wait_for;

/// A broker with pages, and their address.
fn with_topic(name: &str, partitions: i32, settings: &[(&str, &str)]) -> (Broker, String) {
    let broker = Broker::start_with(&[("admin.listeners", "http://127.0.0.1:0")]);
    let created = topics::create(broker.bootstrap(), name, (partitions, 1), settings);
    assert_eq!(created, Some(ErrorCode::NONE));
    let address = broker.admin();
    (broker, address)
}

/// What `part` of each message is.
fn told(page: &Value, part: &str) -> Vec<String> {
    let messages = page["messages"].as_array().expect("messages");
    let text = |message: &Value| match &message[part]["text"] {
        Value::String(text) => text.clone(),
        _ => message[part].to_string(),
    };
    messages.iter().map(text).collect()
}

/// All pages from `query` on, by their cursors.
fn all(address: &str, query: &str) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    let mut path = format!("/topics/t/messages?{query}");
    loop {
        let page = json(address, &path);
        for message in page["messages"].as_array().expect("messages") {
            let number = |name: &str| message[name].as_i64().expect("a number");
            found.push((number("partition"), number("offset")));
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/topics/t/messages?{query}&cursor={next}"),
            None => return found,
        }
    }
}

#[test]
fn messages_are_read_from_wherever_one_likes_and_each_page_leads_to_the_next() {
    let (broker, address) = with_topic("t", 2, &[]);
    for number in 0..30 {
        let text = format!("v{number}");
        let record = Written {
            timestamp: 1_000 + number,
            ..value(&text)
        };
        let partition = i32::try_from(number % 2).expect("small");
        write(
            broker.bootstrap(),
            ("t", partition),
            Compression::None,
            &[record],
        );
    }
    let page = |query: &str| json(&address, &format!("/topics/t/messages?{query}"));
    let values = |query: &str| told(&page(query), "value");

    assert_eq!(values("limit=3"), ["v29", "v28", "v27"]);
    assert_eq!(values("from=beginning&limit=3"), ["v0", "v1", "v2"]);
    assert_eq!(values("from=offset&at=14"), ["v28", "v29"]);
    assert_eq!(values("from=offset&at=13&partition=1"), ["v27", "v29"]);
    assert_eq!(
        values("from=time&at=1970-01-01T00:00:01.027Z"),
        ["v27", "v28", "v29"]
    );
    assert_eq!(values("from=time&at=2099-01-01"), [] as [&str; 0]);
    let mut forwards = all(&address, "from=beginning&limit=7");
    assert_eq!(forwards.len(), 30);
    let backwards = all(&address, "limit=7");
    forwards.reverse();
    assert_eq!(forwards, backwards);
    for (query, part) in [
        ("from=offset&at=x", "no offset"),
        ("from=time&at=x", "no time"),
        ("partition=9", "no such partition"),
    ] {
        let page = get(
            &address,
            &format!("/topics/t/messages?{query}"),
            &["Accept: application/json"],
        );
        assert_eq!(page.status, 400, "{query}");
        assert!(page.body.contains(part), "{query}: {}", page.body);
    }
    assert_eq!(get(&address, "/topics/nothing/messages", &[]).status, 404);
    let groups = json(&address, "/groups");
    assert_eq!(groups["groups"], 0, "nobody who only looks is in a group");
}

#[test]
fn a_filter_is_read_or_its_mistake_is_shown_where_it_is() {
    let (broker, address) = with_topic("t", 1, &[]);
    for id in 0..20 {
        let text = format!("{{\"user\":{{\"id\":{id}}}}}");
        let source: &[u8] = if id % 2 == 0 { b"web" } else { b"shop" };
        let record = Written {
            key: Some(b"k"),
            headers: &[("source", Some(source))],
            ..value(&text)
        };
        write(broker.bootstrap(), ("t", 0), Compression::Zstd, &[record]);
    }
    let filter = query_part("value.user.id > 15 and header.source == \"web\"");
    let page = json(&address, &format!("/topics/t/messages?filter={filter}"));
    assert_eq!(told(&page, "offset"), ["18", "16"]);
    assert_eq!(page["looked"]["records"], 20);
    assert_eq!(page["messages"][0]["compression"], "zstd");
    assert_eq!(page["messages"][0]["headers"][0]["value"]["text"], "web");

    let wrong = query_part("value.user.id >> 15");
    let page = get(&address, &format!("/topics/t/messages?filter={wrong}"), &[]);
    assert_eq!(page.status, 400);
    assert!(
        page.body.contains("value.user.id &gt;<mark>&gt; 15</mark>"),
        "{}",
        page.body
    );
    let page = get(
        &address,
        &format!("/topics/t/messages?filter={wrong}"),
        &["Accept: application/json"],
    );
    assert_eq!(page.json()["mistake"]["at"], 15);
}

#[test]
fn one_message_is_shown_whole_and_saved_as_it_is() {
    let (broker, address) = with_topic("t", 1, &[("max.message.bytes", "3000000")]);
    let large = vec![b'x'; 1 << 20];
    let records = [
        Written {
            key: Some(&[0, 0, 0, 7]),
            ..value("[1,2]")
        },
        Written {
            value: Some(&large),
            ..Written::default()
        },
        Written::default(),
    ];
    for record in records {
        write(broker.bootstrap(), ("t", 0), Compression::None, &[record]);
    }
    let one = json(&address, "/topics/t/messages/0/0?key=i32");
    assert_eq!(
        (&one["key"]["text"], &one["key"]["form"]),
        (&"7".into(), &"i32".into())
    );
    assert_eq!(one["value"]["text"], "[\n  1,\n  2\n]");
    let list = get(&address, "/topics/t/messages", &[]).body;
    assert!(list.len() < 60_000, "a large value is cut: {}", list.len());
    assert!(
        list.contains("href=\"/topics/t/messages/0/1\">the whole"),
        "{list}"
    );
    let saved = http::get(&address, "/topics/t/messages/0/1/value");
    assert!(saved.body.as_bytes() == large);
    assert_eq!(
        saved.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(
        saved.header("content-disposition"),
        Some("attachment; filename=\"t-0-1.value\"")
    );
    assert_eq!(
        json(&address, "/topics/t/messages/0/2")["value"]["form"],
        "null"
    );
    for path in ["0/2/value", "0/3", "7/0", "0/-1", "x/0", "0/0/headers"] {
        assert_eq!(
            get(&address, &format!("/topics/t/messages/{path}"), &[]).status,
            404,
            "{path}"
        );
    }
    let lines = get(&address, "/topics/t/messages.jsonl?from=beginning", &[]);
    let lines: Vec<Value> = lines
        .body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["key"], "\u{0}\u{0}\u{0}\u{7}");
    assert_eq!(lines[2]["value"], Value::Null);
}

#[test]
fn records_of_coordinators_are_shown_as_what_they_are() {
    let (broker, address) = with_topic("t", 1, &[]);
    commit(broker.bootstrap(), "readers", ("t", 0), 5);

    let filter = query_part("value != null");
    let path = format!("/topics/__consumer_offsets/messages?filter={filter}");
    let page = wait_for("the commit to be shown", || {
        let page = json(&address, &path);
        (!page["messages"].as_array()?.is_empty()).then_some(page)
    });

    assert_eq!(page["messages"][0]["key"]["form"], "record");
    let (key, value) = (told(&page, "key").remove(0), told(&page, "value").remove(0));
    assert!(key.contains("\"group\":\"readers\""), "{key}");
    assert!(value.contains("\"offset\":5"), "{value}");
}

#[test]
fn a_filter_that_finds_nothing_ends_within_its_bound_and_says_how_far_it_looked() {
    let (broker, address) = with_topic("t", 1, &[]);
    let text = "{\"user\":{\"id\":1}}".repeat(8);
    let batch: Vec<Written<'_>> = (0..10_000).map(|_| value(&text)).collect();
    for _ in 0..30 {
        write(broker.bootstrap(), ("t", 0), Compression::Lz4, &batch);
    }
    let filter = query_part("value ~ \"(x+x+)+y\" or value.user.id > 5");
    for from in ["beginning", "end"] {
        let asked = Instant::now();
        let path = format!("/topics/t/messages?from={from}&filter={filter}");
        let page = json(&address, &path);
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(4), "{from}: {took:?}");
        assert_eq!(page["is_bounded"], true, "{page}");
        let looked = page["looked"]["records"].as_u64().expect("a number");
        assert!(looked > 100, "{from}: {looked}");
        let next = page["next"].as_str().expect("a way on");
        let further = json(&address, &format!("{path}&cursor={next}"));
        assert!(further["next"].as_str() != Some(next), "it goes on");
    }
}

#[test]
fn others_are_not_held_up_by_filters() {
    let (broker, address) = with_topic("t", 1, &[]);
    let text = "x".repeat(100);
    let batch: Vec<Written<'_>> = (0..10_000).map(|_| value(&text)).collect();
    for _ in 0..10 {
        write(broker.bootstrap(), ("t", 0), Compression::Zstd, &batch);
    }
    let path = format!(
        "/topics/t/messages?from=beginning&filter={}",
        query_part("value ~ \"(y|z)+$\"")
    );
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| get(&address, &path, &[]).status))
            .collect();
        for _ in 0..20 {
            let asked = Instant::now();
            write(
                broker.bootstrap(),
                ("t", 0),
                Compression::None,
                &[value("y")],
            );
            assert!(
                asked.elapsed() < Duration::from_secs(2),
                "{:?}",
                asked.elapsed()
            );
            assert_eq!(get(&address, "/livez", &[]).status, 200);
        }
        for reader in readers {
            let status = reader.join().expect("no panic");
            assert!([200, 503].contains(&status), "{status}");
        }
    });
}

#[test]
fn a_batch_that_bursts_is_passed_over_with_a_word() {
    let (broker, address) = with_topic("t", 1, &[("max.message.bytes", "10000000")]);
    let zeros = vec![0; 80 << 20];
    write(
        broker.bootstrap(),
        ("t", 0),
        Compression::None,
        &[value("before")],
    );
    let bomb = Written {
        value: Some(&zeros),
        ..Written::default()
    };
    write(broker.bootstrap(), ("t", 0), Compression::Zstd, &[bomb]);
    write(
        broker.bootstrap(),
        ("t", 0),
        Compression::None,
        &[value("after")],
    );
    for (from, expected) in [
        ("beginning", ["before", "after"]),
        ("end", ["after", "before"]),
    ] {
        let page = json(&address, &format!("/topics/t/messages?from={from}"));

        assert_eq!(told(&page, "value"), expected, "{page}");
        let trouble = page["troubles"][0].as_str().expect("a word");
        assert!(
            trouble.starts_with("Offsets 1 to 1 of partition 0 cannot be shown"),
            "{trouble}"
        );
    }
}
