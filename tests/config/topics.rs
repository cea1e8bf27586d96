//! What holds for a topic, and which values of its own are refused.

use std::collections::BTreeMap;

use broker::config::keys::topic_keys;
use broker::config::{
    CleanupPolicy, CompressionType, Layers, NoOverrides, ThrottledReplicas, TimestampType,
    TopicConfig, check_overrides,
};
use broker::model::BrokerId;

use crate::settings;

fn of_broker(pairs: &[(&str, &str)]) -> TopicConfig {
    TopicConfig::of_broker(&Layers::of(&settings(pairs)))
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let overrides: BTreeMap<&str, &str> = pairs.iter().copied().collect();
    check_overrides(&overrides, &TopicConfig::default())
        .expect_err("the values are refused")
        .to_string()
}

#[test]
fn every_topic_key_sets_a_field() {
    for key in topic_keys() {
        let text = match key.name {
            "internal.segment.bytes" => "1".to_owned(),
            _ => key
                .default_value()
                .expect("all others have a default")
                .to_string(),
        };

        let (_, passed_over) = TopicConfig::default().with_overrides([(key.name, text.as_str())]);

        assert_eq!(passed_over, [], "{}", key.name);
    }
}

#[test]
fn values_of_the_topic_win_over_the_brokers() {
    let broker = of_broker(&[
        ("log.segment.bytes", "2097152"),
        ("log.retention.bytes", "5"),
    ]);

    let (topic, _) = broker.with_overrides([("segment.bytes", "1048576")]);

    assert_eq!(
        (broker.segment_bytes, broker.retention_bytes),
        (2_097_152, 5)
    );
    assert_eq!((topic.segment_bytes, topic.retention_bytes), (1_048_576, 5));
}

#[test]
fn every_type_of_field_is_read() {
    let (topic, _) = TopicConfig::default().with_overrides([
        ("cleanup.policy", "compact"),
        ("compression.type", "zstd"),
        ("message.timestamp.type", "LogAppendTime"),
        ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1,2:3"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("preallocate", "TRUE"),
        ("internal.segment.bytes", "1000"),
    ]);

    assert_eq!(
        topic.cleanup_policy,
        CleanupPolicy {
            delete: false,
            compact: true
        }
    );
    assert_eq!(topic.compression_type, CompressionType::Zstd);
    assert_eq!(topic.message_timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(
        topic.leader_replication_throttled_replicas,
        ThrottledReplicas::All
    );
    let replicas = ThrottledReplicas::Only(vec![(0, BrokerId(1)), (2, BrokerId(3))]);
    assert_eq!(topic.follower_replication_throttled_replicas, replicas);
    assert_eq!(topic.min_cleanable_dirty_ratio, 0.25);
    assert!(topic.preallocate);
    assert_eq!(topic.segment_size(), 1000);
}

#[test]
fn an_empty_cleanup_policy_keeps_everything() {
    let (topic, _) = TopicConfig::default().with_overrides([("cleanup.policy", "")]);

    assert_eq!(
        topic.cleanup_policy,
        CleanupPolicy {
            delete: false,
            compact: false
        }
    );
}

#[test]
fn the_finest_unit_of_a_time_wins() {
    const MINUTE: i64 = 60_000;
    let retention = |pairs: &[(&str, &str)]| of_broker(pairs).retention_ms;
    let (hours, minutes, ms) = (
        ("log.retention.hours", "1"),
        ("log.retention.minutes", "2"),
        ("log.retention.ms", "3"),
    );

    assert_eq!(retention(&[]), 7 * 24 * 60 * MINUTE);
    assert_eq!(retention(&[hours]), 60 * MINUTE);
    assert_eq!(retention(&[hours, minutes]), 2 * MINUTE);
    assert_eq!(retention(&[hours, minutes, ms]), 3);
    assert_eq!(retention(&[("log.retention.hours", "-1")]), -1);
    assert_eq!(retention(&[("log.retention.ms", "-5")]), -1);
    assert_eq!(
        of_broker(&[("log.roll.hours", "2")]).segment_ms,
        120 * MINUTE
    );
    assert_eq!(
        of_broker(&[("log.roll.jitter.hours", "1")]).segment_jitter_ms,
        60 * MINUTE
    );
    assert_eq!(
        of_broker(&[("log.flush.scheduler.interval.ms", "9")]).flush_ms,
        9
    );
}

#[test]
fn a_dynamic_value_wins_over_a_finer_unit_in_the_file() {
    let in_file = settings(&[("log.retention.ms", "3")]);
    let dynamic = settings(&[("log.retention.ms", "4")]);
    let unreadable = settings(&[("log.retention.ms", "soon")]);

    let of = |of_broker, of_cluster| {
        TopicConfig::of_broker(&Layers {
            of_broker,
            of_cluster,
            settings: &in_file,
        })
        .retention_ms
    };

    assert_eq!(of(&NoOverrides, &NoOverrides), 3);
    assert_eq!(of(&NoOverrides, &dynamic), 4);
    assert_eq!(of(&unreadable, &dynamic), 4);
}

#[test]
fn a_compacted_log_rolls_in_time_for_the_cleaner() {
    let (topic, _) = TopicConfig::default().with_overrides([
        ("cleanup.policy", "compact"),
        ("max.compaction.lag.ms", "1000"),
    ]);

    assert_eq!(topic.max_segment_ms(), 1000);
    assert_eq!(
        TopicConfig::default().max_segment_ms(),
        TopicConfig::default().segment_ms
    );
}

#[test]
fn refused_values_get_kafkas_text() {
    assert_eq!(
        refusal(&[("segment.size", "1")]),
        "Unknown topic config name: segment.size"
    );
    for removed in [
        "message.format.version",
        "message.downconversion.enable",
        "message.timestamp.difference.max.ms",
    ] {
        assert_eq!(
            refusal(&[(removed, "1")]),
            format!("Unknown topic config name: {removed}")
        );
    }
    assert_eq!(
        refusal(&[("flush.messages", "0")]),
        "Invalid value 0 for configuration flush.messages: Value must be at least 1"
    );
    assert_eq!(
        refusal(&[
            ("min.compaction.lag.ms", "2"),
            ("max.compaction.lag.ms", "1")
        ]),
        "conflict topic config setting min.compaction.lag.ms (2) > max.compaction.lag.ms (1)"
    );
    assert_eq!(
        refusal(&[("remote.storage.enable", "true")]),
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
         remote log storage."
    );
}

#[test]
fn an_unknown_name_is_refused_before_a_bad_value() {
    let error = refusal(&[("flush.messages", "0"), ("unknown", "1")]);

    assert_eq!(error, "Unknown topic config name: unknown");
}

#[test]
fn a_contradiction_with_the_brokers_value_is_refused() {
    let broker = of_broker(&[("log.cleaner.max.compaction.lag.ms", "1000")]);

    let overrides = BTreeMap::from([("min.compaction.lag.ms", "1001")]);

    assert!(check_overrides(&overrides, &broker).is_err());
    assert!(check_overrides(&overrides, &TopicConfig::default()).is_ok());
}

#[test]
fn what_another_version_wrote_is_passed_over() {
    let (topic, passed_over) = TopicConfig::default().with_overrides([
        ("from.the.future", "1"),
        ("retention.ms", "soon"),
        ("retention.bytes", "7"),
    ]);

    assert_eq!(topic.retention_bytes, 7);
    assert_eq!(topic.retention_ms, TopicConfig::default().retention_ms);
    let names: Vec<&str> = passed_over
        .iter()
        .map(|invalid| invalid.name.as_str())
        .collect();
    assert_eq!(names, ["from.the.future", "retention.ms"]);
}
