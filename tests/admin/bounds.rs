//! However many names clients make up, the number of series is bounded, and who was told before is told on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::protocol::messages::api_versions::ApiVersionsRequest;

use crate::start;
use crate::support::http::get;
use crate::support::metrics_text::{Labels, Scrape};
use crate::support::process::memory;
use crate::traffic::Traffic;

fn detailed(admin: &str) -> Scrape {
    Scrape::parse(&get(admin, "/metrics/detailed").body)
}

#[test]
fn a_flood_of_groups_is_cut_and_counted_and_pushes_nobody_out() {
    const GROUPS: usize = 3_000;
    let (broker, admin) = start(&[("admin.metrics.groups.max", "100")]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 1);
    traffic.produce("t", 9);
    traffic.meet("zz-first");
    assert_eq!(traffic.commit("zz-first", "t", 4), ErrorCode::NONE);
    detailed(&admin);

    for number in 0..GROUPS {
        traffic.commit(&format!("aa-{number}"), "t", 1);
    }
    let long = "x".repeat(300);
    traffic.commit(&long, "t", 1);

    let seen = detailed(&admin);
    // A group and its one offset: two of the hundred.
    assert_eq!(seen.all("kafka_consumergroup_members").count(), 50);
    assert_eq!(seen.all("kafka_consumergroup_lag").count(), 50);
    let of_first = [
        ("consumergroup", "zz-first"),
        ("topic", "t"),
        ("partition", "0"),
    ];
    assert_eq!(seen.value("kafka_consumergroup_lag", &of_first), 5.0);
    let left_out = seen.value("broker_metrics_left_out", &[("what", "groups")]);
    assert_eq!(left_out, (2 * (GROUPS + 2) - 100) as f64);
}

#[test]
fn a_flood_of_topics_is_cut_and_counted_and_pushes_nobody_out() {
    let (broker, admin) = start(&[("admin.metrics.partitions.max", "20")]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("zz-first", 5);
    detailed(&admin);

    for number in 0..30 {
        traffic.create(&format!("aa-{number}"), 3);
    }

    let seen = detailed(&admin);
    assert_eq!(seen.all("kafka_log_log_size").count(), 20);
    let first = seen.all("kafka_log_log_size");
    assert_eq!(
        first
            .filter(|(labels, _)| labels["topic"] == "zz-first")
            .count(),
        5
    );
    let left_out = seen.value("broker_metrics_left_out", &[("what", "partitions")]);
    assert_eq!(left_out, (5 + 90 - 20) as f64);
}

/// With a release build (`BROKER`), in the time that it may take beside clients; else within ten times that.
#[test]
fn a_scrape_of_ten_thousand_partitions_is_quick_and_costs_little_memory() {
    const PARTITIONS: i32 = 10_000;
    let limit = match std::env::var_os("BROKER") {
        Some(_) => Duration::from_millis(100),
        None => Duration::from_secs(1),
    };
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    for number in 0..10 {
        traffic.create(&format!("t{number}"), PARTITIONS / 10);
    }
    let scraped = || {
        let begun = Instant::now();
        (get(&admin, "/metrics/detailed").body, begun.elapsed())
    };
    let begun = Instant::now();
    while scraped().0.matches("\nkafka_log_log_size{").count() < PARTITIONS as usize {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "they do not come"
        );
    }
    let before = memory(broker.pid(), "VmRSS");

    // The best of some: others use this machine, too.
    let times = (0..8).map(|_| scraped().1);
    let best = times.min().expect("there are some");
    let few = {
        let begun = Instant::now();
        get(&admin, "/metrics");
        begun.elapsed()
    };

    let grown = memory(broker.pid(), "VmRSS").saturating_sub(before);
    let bytes = scraped().0.len();
    println!(
        "{PARTITIONS} partitions: {bytes} bytes in {best:?}, {grown} bytes of memory; few: {few:?}"
    );
    assert!(best < limit, "{best:?}");
    assert!(grown < 16 << 20, "{grown} bytes");
}

#[test]
fn client_ids_make_no_series() {
    const CLIENTS: usize = 300;
    let (broker, admin) = start(&[]);
    // What the broker asks of its own accord may be the first request of its kind; clients send one kind here.
    let of_clients = |labels: &Labels| labels.get("request").is_none_or(|it| it == "ApiVersions");
    let series = || -> BTreeSet<(String, Labels)> {
        let all = Scrape::parse(&get(&admin, "/metrics").body)
            .series
            .into_keys();
        all.filter(|(_, labels)| of_clients(labels)).collect()
    };
    // It is measured between two looks, the second of which comes a moment after the start.
    let is_measured = |name: &str| series().iter().any(|it| it.0.ends_with(name));
    let begun = Instant::now();
    while !is_measured("requesthandleravgidle_percent") {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never is");
        std::thread::yield_now();
    }
    let ask = |client: &str| {
        let request = ApiVersionsRequest {
            client_software_name: "s".into(),
            client_software_version: "1".into(),
            ..ApiVersionsRequest::default()
        };
        Traffic::named(&broker, Some(client)).call(&request, 3);
    };
    ask("first");
    let before = series();

    for number in 0..CLIENTS {
        ask(&format!("{number}\"\n{}", "x".repeat(number)));
    }

    assert_eq!(series(), before);
}
