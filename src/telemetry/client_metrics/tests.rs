//! Who is asked for what and when, which pushes are refused, and the bounds of memory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clients::{MOST_CLIENTS, MOST_IDENTITY_BYTES};
use super::*;

const ID: Uuid = Uuid::from_bytes([7; 16]);

fn subscribed(pairs: &[(&str, &str)]) -> ClientMetricsConfig {
    let set: BTreeMap<String, String> = pairs
        .iter()
        .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
        .collect();
    ClientMetricsConfig::read(&set)
}

fn identity() -> ClientIdentity {
    ClientIdentity {
        instance_id: ID.to_string(),
        client_id: "c".to_owned(),
        software: Some(("librdkafka".to_owned(), "2".to_owned())),
        peer: ([10, 0, 0, 1], 9).into(),
    }
}

fn push(subscription_id: i32, metrics: &'static [u8]) -> Pushed {
    Pushed {
        subscription_id,
        is_last: false,
        compression: 0,
        metrics: Bytes::from_static(metrics),
    }
}

/// Clients are asked for `a` once a second.
fn metrics() -> ClientMetrics {
    let metrics = ClientMetrics::new(4);
    let wanted = [("metrics", "a"), ("interval.ms", "1000")];
    metrics.set_subscriptions(vec![subscribed(&wanted)]);
    metrics
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn all_subscriptions_that_match_count_and_the_shortest_interval() {
    let metrics = ClientMetrics::new(4);
    metrics.set_subscriptions(vec![
        subscribed(&[
            ("metrics", "b,a"),
            ("interval.ms", "2000"),
            ("match", "client_id=c"),
        ]),
        subscribed(&[("metrics", "c"), ("interval.ms", "3000")]),
        subscribed(&[
            ("metrics", "d"),
            ("interval.ms", "100"),
            ("match", "client_id=d"),
        ]),
    ]);

    let asked = metrics.subscription(ID, identity, Instant::now()).unwrap();

    assert_eq!(asked.metrics, ["a", "b", "c"]);
    assert_eq!(asked.push_interval_ms, 2_000);
}

#[test]
fn a_star_stands_for_everything_and_no_subscription_for_nothing() {
    let metrics = ClientMetrics::new(4);
    let now = Instant::now();

    let nothing = metrics.subscription(ID, identity, now).unwrap();
    metrics.set_subscriptions(vec![
        subscribed(&[("metrics", "a")]),
        subscribed(&[("metrics", "*")]),
    ]);
    let all = metrics.subscription(ID, identity, now).unwrap();

    assert_eq!(
        (nothing.metrics.len(), nothing.push_interval_ms),
        (0, 300_000)
    );
    assert_eq!(all.metrics, ["*"], "what has changed is told at once");
    assert_ne!(all.id, nothing.id);
}

#[test]
fn who_comes_too_early_is_refused() {
    let (metrics, now) = (metrics(), Instant::now());
    let asked = metrics.subscription(ID, identity, now).unwrap();
    let take = |at| metrics.push(ID, identity, &push(asked.id, b"x"), at);

    assert_eq!(
        metrics.subscription(ID, identity, now),
        Err(Refused::TooEarly)
    );
    assert_eq!(take(now), Ok(()), "the first push may come at once");
    assert_eq!(take(now), Err(Refused::TooEarly));
    assert_eq!(take(now + SECOND), Ok(()));
    assert_eq!(metrics.newest().len(), 1);
}

#[test]
fn a_push_for_what_is_asked_no_more_is_refused_and_the_client_may_ask_again() {
    let (metrics, now) = (metrics(), Instant::now());
    let asked = metrics.subscription(ID, identity, now).unwrap();

    let refused = metrics.push(ID, identity, &push(asked.id ^ 1, b"x"), now);

    assert_eq!(refused, Err(Refused::UnknownSubscription));
    assert_eq!(metrics.subscription(ID, identity, now), Ok(asked));
    assert_eq!(metrics.newest(), []);
}

#[test]
fn size_and_codec_are_checked() {
    let (metrics, now) = (metrics(), Instant::now());
    let asked = metrics.subscription(ID, identity, now).unwrap();
    let unknown = Pushed {
        compression: 5,
        ..push(asked.id, b"x")
    };

    let large = metrics.push(ID, identity, &push(asked.id, b"12345"), now);
    let unknown = metrics.push(ID, identity, &unknown, now + SECOND);

    assert_eq!(large, Err(Refused::TooLarge));
    assert_eq!(unknown, Err(Refused::UnknownCompression));
}

#[test]
fn the_last_push_may_come_early_and_nothing_comes_after_it() {
    let (metrics, now) = (metrics(), Instant::now());
    let asked = metrics.subscription(ID, identity, now).unwrap();
    let last = Pushed {
        is_last: true,
        ..push(asked.id, b"z")
    };

    metrics
        .push(ID, identity, &push(asked.id, b"x"), now)
        .unwrap();
    assert_eq!(metrics.push(ID, identity, &last, now), Ok(()));
    let after = metrics.push(ID, identity, &last, now + SECOND);

    assert_eq!(after, Err(Refused::AfterTheLast));
    assert_eq!(metrics.newest()[0].2, "z");
}

#[test]
fn clients_and_what_they_pushed_are_bounded_and_the_silent_are_forgotten() {
    let metrics = ClientMetrics::new(1 << 20);
    let mut now = Instant::now();
    let payload = Bytes::from(vec![0; 1 << 20]);
    for n in 0..20_u8 {
        let id = Uuid::from_bytes([n + 10; 16]);
        let asked = metrics.subscription(id, identity, now).unwrap();
        let large = Pushed {
            metrics: payload.clone(),
            ..push(asked.id, b"")
        };
        metrics.push(id, identity, &large, now).unwrap();
        now += Duration::from_millis(1);
    }
    assert_eq!(metrics.newest().len(), 16);
    for n in 0..20_000_u32 {
        let mut bytes = [1; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        metrics
            .subscription(Uuid::from_bytes(bytes), identity, now)
            .unwrap();
    }
    assert_eq!(metrics.clients.lock().known.len(), MOST_CLIENTS);

    metrics
        .subscription(ID, identity, now + SECOND * 3600)
        .unwrap();

    let clients = metrics.clients.lock();
    assert_eq!(
        (clients.known.len(), clients.heard.len(), clients.bytes),
        (1, 1, 0)
    );
}

#[test]
fn who_clients_say_they_are_is_bounded_in_bytes() {
    const LONG: usize = 30_000;
    let metrics = ClientMetrics::new(1 << 20);
    let now = Instant::now();
    let talkative = || ClientIdentity {
        client_id: "x".repeat(LONG),
        ..identity()
    };

    for n in 0..5_000_u64 {
        let mut bytes = [1; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        let asked_at = now + Duration::from_millis(n);
        let id = Uuid::from_bytes(bytes);
        metrics.subscription(id, talkative, asked_at).unwrap();
    }

    let clients = metrics.clients.lock();
    assert!(clients.identity_bytes <= MOST_IDENTITY_BYTES);
    let sizes = clients.known.values().map(|client| client.identity.size());
    assert_eq!(clients.identity_bytes, sizes.sum::<usize>());
    assert_eq!(clients.known.len(), clients.heard.len());
    assert!(clients.known.len() >= MOST_IDENTITY_BYTES / LONG - 2);
}
