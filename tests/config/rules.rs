//! Each rule at its boundaries, for every key that has it, and its complaint as clients see it.

use broker::config::keys::{broker_key, broker_keys, topic_key, topic_keys};
use broker::config::{Key, Kind, Rule};

fn all_keys() -> impl Iterator<Item = &'static Key> {
    broker_keys().chain(topic_keys())
}

fn complaint(name: &str, text: &str) -> String {
    let key = topic_key(name)
        .or_else(|| broker_key(name))
        .expect("it is in the table");
    key.parse(text)
        .expect_err("the value is not allowed")
        .to_string()
}

fn step(kind: Kind) -> f64 {
    if kind == Kind::Double { 0.001 } else { 1.0 }
}

#[test]
fn ranges_include_their_bounds_and_nothing_beyond() {
    for key in all_keys() {
        let Rule::Range(min, max) = key.rule else {
            continue;
        };
        let accepts = |number: f64| key.parse(&number.to_string()).is_ok();
        if let Some(min) = min {
            assert!(accepts(min), "{} refuses {min}", key.name);
            assert!(
                !accepts(min - step(key.kind)),
                "{} takes less than {min}",
                key.name
            );
        }
        if let Some(max) = max {
            assert!(accepts(max), "{} refuses {max}", key.name);
            assert!(
                !accepts(max + step(key.kind)),
                "{} takes more than {max}",
                key.name
            );
        }
    }
}

#[test]
fn choices_are_taken_and_nothing_else() {
    for key in all_keys() {
        let (choices, any_case): (_, bool) = match key.rule {
            Rule::OneOf(choices) => (choices, false),
            Rule::OneOfAnyCase(choices) => (choices, true),
            Rule::List { allowed, .. } if !allowed.is_empty() => (allowed, false),
            _ => continue,
        };
        for choice in choices {
            assert!(key.parse(choice).is_ok(), "{} refuses {choice}", key.name);
            let other_case = if choice.chars().any(char::is_lowercase) {
                choice.to_uppercase()
            } else {
                choice.to_lowercase()
            };
            assert_eq!(
                key.parse(&other_case).is_ok(),
                any_case,
                "{}={other_case}",
                key.name
            );
        }
        assert!(
            key.parse("nonsense").is_err(),
            "{} takes nonsense",
            key.name
        );
    }
}

#[test]
fn lists_lose_duplicates_and_refuse_empty_entries() {
    for key in all_keys() {
        let Rule::List {
            allowed,
            may_be_empty,
        } = key.rule
        else {
            continue;
        };
        let entry = allowed.first().copied().unwrap_or("x");
        assert_eq!(key.parse("").is_ok(), may_be_empty, "{}", key.name);
        assert!(key.parse(entry).is_ok(), "{}", key.name);
        assert_eq!(
            key.parse(&format!("{entry}, {entry}")),
            key.parse(entry),
            "{}",
            key.name
        );
        assert!(key.parse(&format!("{entry},")).is_err(), "{}", key.name);
    }
}

#[test]
fn integers_end_where_their_width_ends() {
    for key in all_keys() {
        let (inside, outside) = match key.kind {
            Kind::Short => ("32767", "32768"),
            Kind::Int => ("2147483647", "2147483648"),
            Kind::Long => ("9223372036854775807", "9223372036854775808"),
            _ => continue,
        };
        if matches!(key.rule, Rule::Any | Rule::Range(_, None)) {
            assert!(key.parse(inside).is_ok(), "{}", key.name);
        }
        assert!(key.parse(outside).is_err(), "{}", key.name);
        assert!(key.parse("1.5").is_err(), "{}", key.name);
    }
}

#[test]
fn gzip_levels_are_one_to_nine_and_the_default() {
    let key = topic_key("compression.gzip.level").unwrap();

    for (text, is_allowed) in [
        ("-2", false),
        ("-1", true),
        ("0", false),
        ("1", true),
        ("9", true),
        ("10", false),
    ] {
        assert_eq!(key.parse(text).is_ok(), is_allowed, "{text}");
    }
}

#[test]
fn throttled_replicas_are_pairs_or_a_star() {
    let key = topic_key("leader.replication.throttled.replicas").unwrap();

    for (text, is_allowed) in [
        ("", true),
        ("*", true),
        ("0:1", true),
        ("0:1, 2:3", true),
        ("0:1,", true),
        ("*,0:1", false),
        ("0", false),
        ("0:x", false),
        (":1", false),
        ("0:1:2", false),
        ("-1:0", false),
    ] {
        assert_eq!(key.parse(text).is_ok(), is_allowed, "{text:?}");
    }
}

#[test]
fn voters_and_servers_are_addresses() {
    let voters = broker_key("controller.quorum.voters").unwrap();
    let servers = broker_key("controller.quorum.bootstrap.servers").unwrap();

    assert!(voters.parse("1@a:1,2@[::1]:2").is_ok());
    assert!(voters.parse("").is_ok());
    assert!(voters.parse("a:1").is_err());
    assert!(servers.parse("a:1,b:2").is_ok());
    assert!(servers.parse("1@a:1").is_err());
    assert!(servers.parse("a").is_err());
}

/// Key, value, and what Kafka says of it.
const COMPLAINTS: &[(&str, &str, &str)] = &[
    (
        "segment.bytes",
        "1000",
        "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576",
    ),
    (
        "min.cleanable.dirty.ratio",
        "1.5",
        "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more \
         than 1",
    ),
    (
        "retention.ms",
        "week",
        "Invalid value week for configuration retention.ms: Not a number of type LONG",
    ),
    (
        "preallocate",
        "yes",
        "Invalid value yes for configuration preallocate: Expected value to be either true or \
         false",
    ),
    (
        "cleanup.policy",
        "delete,shred",
        "Invalid value shred for configuration cleanup.policy: String must be one of: compact, \
         delete",
    ),
    (
        "cleanup.policy",
        "delete,",
        "Configuration 'cleanup.policy' values must not be empty.",
    ),
    (
        "process.roles",
        "",
        "Configuration 'process.roles' must not be empty. Valid values include: [broker, \
         controller]",
    ),
    (
        "log.dirs",
        "",
        "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value",
    ),
    (
        "compression.type",
        "lzma",
        "Invalid value lzma for configuration compression.type: String must be one of: \
         uncompressed, zstd, lz4, snappy, gzip, producer",
    ),
    (
        "group.consumer.migration.policy",
        "maybe",
        "Invalid value maybe for configuration group.consumer.migration.policy: String must be \
         one of (case insensitive): BIDIRECTIONAL, DISABLED, DOWNGRADE, UPGRADE",
    ),
    (
        "leader.replication.throttled.replicas",
        "x,1:2",
        "Invalid value [x, 1:2] for configuration leader.replication.throttled.replicas: \
         leader.replication.throttled.replicas must be the literal '*' or a list of replicas \
         in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
    ),
];

#[test]
fn complaints_are_kafkas() {
    for (name, text, expected) in COMPLAINTS {
        assert_eq!(complaint(name, text), *expected);
    }
}
