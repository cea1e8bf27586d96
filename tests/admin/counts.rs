//! What clients do is counted, under the names and with the numbers that dashboards for Kafka expect.

use crate::start;
use crate::support::http::get;
use crate::support::metrics_text::Scrape;
use crate::traffic::{Traffic, batch};
use broker::protocol::ErrorCode;

fn scrape(admin: &str, path: &str) -> Scrape {
    let answer = get(admin, path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    Scrape::parse(&answer.body)
}

#[test]
fn what_is_written_and_read_is_counted_by_broker_and_by_topic() {
    let (broker, admin) = start(&[("message.max.bytes", "2000")]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 3);
    let sizes: usize = (1..=4).map(|records| traffic.produce("t", records).0).sum();
    let (too_large, code) = traffic.send("t", batch(1_000));
    assert_eq!(code, ErrorCode::MESSAGE_TOO_LARGE);
    let (read, code) = traffic.fetch("t", 0);
    assert_eq!((read, code), (sizes, ErrorCode::NONE));
    let (_, code) = traffic.fetch("t", 1_000);
    assert_eq!(code, ErrorCode::OFFSET_OUT_OF_RANGE);

    let few = scrape(&admin, "/metrics");
    let detailed = scrape(&admin, "/metrics/detailed");

    for (name, value) in [
        ("messagesin", 10),
        ("bytesin", sizes),
        ("bytesout", sizes),
        ("bytesrejected", too_large),
        ("totalproducerequests", 5),
        ("failedproducerequests", 1),
        ("totalfetchrequests", 2),
        ("failedfetchrequests", 1),
    ] {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        assert_eq!(few.value(&name, &[]), value as f64, "{name}");
        assert_eq!(
            detailed.value(&name, &[("topic", "t")]),
            value as f64,
            "{name} of the topic"
        );
    }
}

#[test]
fn a_partition_is_told_as_kafka_exporter_and_the_jmx_exporter_tell_it() {
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 3);
    let size = traffic.produce("t", 7).0;

    let detailed = scrape(&admin, "/metrics/detailed");

    assert_eq!(
        detailed.value("kafka_topic_partitions", &[("topic", "t")]),
        3.0
    );
    let of = |partition| [("topic", "t"), ("partition", partition)];
    for (name, first, second) in [
        ("kafka_topic_partition_current_offset", 7, 0),
        ("kafka_topic_partition_oldest_offset", 0, 0),
        ("kafka_topic_partition_leader", 1, 1),
        ("kafka_topic_partition_leader_is_preferred", 1, 1),
        ("kafka_topic_partition_replicas", 1, 1),
        ("kafka_topic_partition_in_sync_replica", 1, 1),
        ("kafka_topic_partition_under_replicated_partition", 0, 0),
        ("kafka_cluster_partition_underreplicated", 0, 0),
        ("kafka_cluster_partition_underminisr", 0, 0),
        ("kafka_cluster_partition_atminisr", 1, 1),
        ("kafka_cluster_partition_laststableoffsetlag", 0, 0),
        ("kafka_log_log_logstartoffset", 0, 0),
        ("kafka_log_log_logendoffset", 7, 0),
        ("kafka_log_log_numlogsegments", 1, 1),
        ("kafka_log_log_size", size, 0),
    ] {
        assert_eq!(detailed.value(name, &of("0")), first as f64, "{name}");
        assert_eq!(detailed.value(name, &of("1")), second as f64, "{name}");
        assert_eq!(detailed.all(name).count(), 3, "{name}");
    }
}

#[test]
fn a_group_has_its_offset_its_lag_and_its_members() {
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 1);
    traffic.produce("t", 10);
    let group = "a \"group\"\\of\nlines";
    traffic.meet(group);
    assert_eq!(traffic.commit(group, "t", 4), ErrorCode::NONE);

    let detailed = scrape(&admin, "/metrics/detailed");
    let of_topic = [("consumergroup", group), ("topic", "t")];
    let of_partition = [&of_topic[..], &[("partition", "0")]].concat();
    let offset = "kafka_consumergroup_current_offset";
    assert_eq!(detailed.value(offset, &of_partition), 4.0);
    assert_eq!(
        detailed.value("kafka_consumergroup_lag", &of_partition),
        6.0
    );
    assert_eq!(
        detailed.value("kafka_consumergroup_lag_sum", &of_topic),
        6.0
    );
    assert_eq!(
        detailed.value("kafka_consumergroup_members", &[("consumergroup", group)]),
        0.0
    );

    assert_eq!(traffic.commit(group, "t", 10), ErrorCode::NONE);
    let detailed = scrape(&admin, "/metrics/detailed");
    assert_eq!(
        detailed.value("kafka_consumergroup_lag", &of_partition),
        0.0
    );
}

#[test]
fn each_request_passes_each_stage_once() {
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 1);
    for _ in 0..20 {
        traffic.produce("t", 1);
    }
    traffic.fetch("t", 0);

    let few = scrape(&admin, "/metrics");

    for (request, count) in [("Produce", 20.0), ("FetchConsumer", 1.0)] {
        let of = [("request", request)];
        assert_eq!(
            few.value("kafka_network_requestmetrics_requests_total", &of),
            count
        );
        assert_eq!(few.value("broker_request_seconds_count", &of), count);
        assert_eq!(
            few.value("kafka_network_requestmetrics_totaltimems_count", &of),
            count
        );
        let mut stages = 0.0;
        for stage in [
            "queue",
            "local",
            "remote",
            "throttle",
            "response_queue",
            "send",
        ] {
            let of = [("request", request), ("stage", stage)];
            assert_eq!(
                few.value("broker_request_stage_seconds_count", &of),
                count,
                "{stage}"
            );
            stages += few.value("broker_request_stage_seconds_sum", &of);
        }
        let total = few.value("broker_request_seconds_sum", &of);
        assert!(
            (stages - total).abs() < 1e-6,
            "{request}: {stages} of {total}"
        );
        assert!(total > 0.0);
    }
    let median = [("request", "Produce"), ("quantile", "0.50")];
    let median = few.value("kafka_network_requestmetrics_totaltimems", &median);
    assert!(median > 0.0 && median < 60_000.0, "{median} ms");
}

#[test]
fn a_fetch_that_waits_is_counted_as_waiting_and_its_time_as_remote() {
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 1);
    let (read, _) = traffic.fetch("t", 0);
    assert_eq!(read, 0);

    let few = scrape(&admin, "/metrics");

    let of = |stage| [("request", "FetchConsumer"), ("stage", stage)];
    let remote = few.value("broker_request_stage_seconds_sum", &of("remote"));
    assert!(remote >= 0.09, "it waited for 100 ms: {remote} s");
    let local = few.value("broker_request_stage_seconds_sum", &of("local"));
    assert!(local < remote, "{local} s");
    let waiting = [("delayedOperation", "Fetch")];
    let waiting = few.value(
        "kafka_server_delayedoperationpurgatory_purgatorysize",
        &waiting,
    );
    assert_eq!(waiting, 0.0, "it has ended");
}

#[test]
fn the_node_and_its_process_are_told() {
    let (broker, admin) = start(&[]);

    let few = scrape(&admin, "/metrics");

    assert_eq!(few.all("broker_info").count(), 1);
    assert_eq!(few.value("kafka_server_kafkaserver_brokerstate", &[]), 3.0);
    assert_eq!(
        few.value(
            "kafka_controller_kafkacontroller_activecontrollercount",
            &[]
        ),
        1.0
    );
    assert_eq!(few.value("kafka_brokers", &[]), 1.0);
    let resident = few.value("process_resident_memory_bytes", &[]);
    let seen = crate::support::process::memory(broker.pid(), "VmRSS") as f64;
    assert!((resident - seen).abs() < 0.5 * seen, "{resident} or {seen}");
    assert!(few.value("process_open_fds", &[]) > 5.0);
    let start = few.value("process_start_time_seconds", &[]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.expect("it is later than 1970").as_secs_f64() - start;
    assert!((0.0..600.0).contains(&age), "{age} s old");
}
