//! Pushes as clients make them, and as they should not.

use super::otlp::{Malformed, points};
use super::*;

/// A field whose bytes are `bytes`.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

/// A point with a double and one attribute of text.
fn point(value: f64, attribute: (&str, &str)) -> Vec<u8> {
    let (key, text) = attribute;
    let pair = [
        message(1, key.as_bytes()),
        message(2, &message(1, text.as_bytes())),
    ];
    let mut point = message(7, &pair.concat());
    point.push(4 << 3 | 1);
    point.extend_from_slice(&value.to_bits().to_le_bytes());
    message(1, &point)
}

/// A push of one metric; `data` is its field with the points.
fn push(name: &str, data: Vec<u8>) -> Vec<u8> {
    let metric = [message(1, name.as_bytes()), data].concat();
    message(1, &message(2, &message(2, &metric)))
}

#[test]
fn a_gauge_and_sums_are_told_apart() {
    let points_of = |push: &[u8]| {
        let mut found = Vec::new();
        points(push, |point| found.push((point.sum, point.value))).unwrap();
        found
    };
    let one = point(1.5, ("node_id", "1"));
    let sum = |temporality: u8, monotonic: u8| {
        let tail = [2 << 3, temporality, 3 << 3, monotonic];
        message(7, &[one.clone(), tail.to_vec()].concat())
    };

    assert_eq!(points_of(&push("g", message(5, &one))), [(Sum::No, 1.5)]);
    assert_eq!(points_of(&push("s", sum(1, 1))), [(Sum::Delta, 1.5)]);
    assert_eq!(points_of(&push("s", sum(2, 1))), [(Sum::Cumulative, 1.5)]);
    assert_eq!(points_of(&push("s", sum(2, 0))), [(Sum::No, 1.5)]);
}

#[test]
fn names_and_attributes_are_read() {
    let push = push(
        "org.apache.kafka.x",
        message(5, &point(2.0, ("node_id", "7"))),
    );
    let mut found = Vec::new();

    points(&push, |point| found.push(point)).unwrap();

    assert_eq!(found[0].name, "org.apache.kafka.x");
    assert_eq!(found[0].attributes, [("node_id", Attribute::Text("7"))]);
}

#[test]
fn whatever_bytes_come_they_are_read_or_refused() {
    let whole = push("name", message(5, &point(2.0, ("key", "text"))));
    for length in 0..whole.len() {
        let _ = points(&whole[..length], |_| {});
    }
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            let _ = points(&flipped, |_| {});
        }
    }
    assert_eq!(points(&[0xff; 11], |_| {}), Err(Malformed));
    assert_eq!(
        points(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], |_| {}),
        Err(Malformed)
    );
}

fn identity(client_id: &str) -> ClientIdentity {
    ClientIdentity {
        instance_id: "AAAA".to_owned(),
        client_id: client_id.to_owned(),
        software: Some(("librdkafka".to_owned(), "2".to_owned())),
        peer: ([10, 0, 0, 1], 9).into(),
    }
}

fn written(pushes: Vec<(ClientIdentity, i8, Vec<u8>)>) -> String {
    let pushes = pushes.into_iter();
    let pushes = pushes.map(|(identity, codec, push)| (identity, codec, push.into()));
    let mut text = String::new();
    let clients = Clients::read(pushes.collect());
    clients.write(&mut Exposition::new(&mut text)).unwrap();
    text
}

#[test]
fn a_push_becomes_series_of_its_client() {
    let gauge = message(5, &point(2.5, ("node.id", "7")));
    let text = written(vec![(
        identity("a\"b"),
        0,
        push("org.apache.kafka.producer.queue-time", gauge),
    )]);

    let expected = "kafka_client_producer_queue_time{client_id=\"a\\\"b\",\
                    client_instance_id=\"AAAA\",client_software_name=\"librdkafka\",\
                    client_software_version=\"2\",node_id=\"7\"} 2.5";
    assert!(text.lines().any(|line| line == expected), "{text}");
}

#[test]
fn a_client_cannot_pose_as_another_or_name_what_is_reserved() {
    let posing = message(5, &point(1.0, ("client_id", "other")));
    let reserved = message(5, &point(1.0, ("le", "x")));
    let text = written(vec![
        (identity("me"), 0, push("a", posing)),
        (identity("me"), 0, push("__b 9", reserved)),
    ]);

    assert!(
        !text.contains("other") && text.contains("client_id=\"me\""),
        "{text}"
    );
    assert!(
        text.contains("xle=\"x\"") && text.contains("kafka_client_x__b_9{"),
        "{text}"
    );
}

#[test]
fn a_flood_of_series_is_cut_and_counted() {
    let points: Vec<u8> = (0..MOST_OF_CLIENT + 50)
        .flat_map(|at| point(1.0, ("n", &at.to_string())))
        .collect();
    let text = written(vec![(identity("c"), 0, push("m", message(5, &points)))]);

    assert_eq!(text.matches("\nkafka_client_m{").count(), MOST_OF_CLIENT);
    assert!(text.contains("broker_client_metrics_left_out 50"), "{text}");
}

#[test]
fn what_cannot_be_read_is_counted() {
    let text = written(vec![
        (identity("a"), 0, vec![0xff; 20]),
        (identity("b"), 4, b"no zstd".to_vec()),
        (identity("c"), 9, Vec::new()),
    ]);

    assert!(text.contains("broker_client_metrics_malformed 3"), "{text}");
}
