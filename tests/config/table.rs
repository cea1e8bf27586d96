//! The table has what Kafka 4.4.0 has. Its facts are in `kafka-4.4.0.tsv`, which `Facts.java`
//! prints.

use std::collections::BTreeMap;

use broker::config::keys::{
    REMOVED, broker_key, broker_key_behind, broker_keys, is_parent, nearest_broker_key, topic_keys,
};
use broker::config::{Importance, Key, KeyDefault, Kind, Rule, Scope, Status, Update};

const FACTS: &str = include_str!("kafka-4.4.0.tsv");

/// Where our default is not Kafka's, and why.
const OTHER_DEFAULTS: [(&str, &str, &str); 13] = [
    (
        "broker",
        "node.id",
        "Kafka has none; one node needs no settings",
    ),
    ("broker", "process.roles", "Kafka has none; a node is both"),
    ("broker", "controller.listener.names", "Kafka has none"),
    ("broker", "listeners", "with the controller's"),
    (
        "broker",
        "log.dir",
        "Kafka's is emptied by a restart of the machine",
    ),
    ("broker", "max.connections", "finite by default"),
    ("broker", "max.connections.per.ip", "finite by default"),
    ("broker", "queued.max.request.bytes", "finite by default"),
    (
        "broker",
        "socket.listen.backlog.size",
        "clients that reconnect all at once",
    ),
    (
        "broker",
        "socket.receive.buffer.bytes",
        "half the CPU of receiving",
    ),
    (
        "broker",
        "socket.send.buffer.bytes",
        "as the receive buffer",
    ),
    (
        "broker",
        "max.decompressed.message.bytes",
        "finite by default",
    ),
    (
        "topic",
        "max.decompressed.message.bytes",
        "finite by default",
    ),
];

/// One line of the facts: scope, name, and what is known of it.
pub fn parse(facts: &str) -> BTreeMap<(String, String), Vec<String>> {
    facts
        .lines()
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            let mut next = || columns.next().expect("a line has eight columns");
            ((next(), next()), columns.collect())
        })
        .collect()
}

/// The table in the form of the facts.
pub fn ours() -> BTreeMap<(String, String), Vec<String>> {
    let is_kafkas = |key: &&Key| matches!(key.scope, Scope::Broker | Scope::Internal);
    let broker = broker_keys().filter(is_kafkas).map(|key| ("broker", key));
    let topic = topic_keys().map(|key| ("topic", key));
    broker
        .chain(topic)
        .map(|(scope, key)| ((scope.to_owned(), key.name.to_owned()), facts_of(key)))
        .collect()
}

/// Whether the two agree but for a default that is ours on purpose.
pub fn agree(name: &(String, String), ours: &[String], kafkas: &[String]) -> bool {
    const DEFAULT: usize = 1;
    let is_ours = OTHER_DEFAULTS
        .iter()
        .any(|(scope, key, _)| *scope == name.0 && *key == name.1);
    let without = |facts: &[String]| {
        let mut facts = facts.to_vec();
        if is_ours {
            facts.remove(DEFAULT);
        }
        facts
    };
    without(ours) == without(kafkas) && is_ours == (ours[DEFAULT] != kafkas[DEFAULT])
}

fn facts_of(key: &Key) -> Vec<String> {
    let default = match key.default {
        KeyDefault::Unset => "<unset>",
        KeyDefault::Is(text) => text,
    };
    let visibility = if key.is_internal() {
        "internal"
    } else {
        "public"
    };
    let facts = [
        kind(key.kind),
        default,
        &rule(key.rule),
        importance(key.importance),
        update(key.update),
        visibility,
    ];
    facts.map(str::to_owned).to_vec()
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::String => "string",
        Kind::Int => "int",
        Kind::Short => "short",
        Kind::Long => "long",
        Kind::Double => "double",
        Kind::List => "list",
        Kind::Class => "class",
        Kind::Password => "password",
    }
}

fn rule(rule: Rule) -> String {
    match rule {
        Rule::Any => "any".to_owned(),
        Rule::Range(Some(min), None) => format!("[{min},...]"),
        Rule::Range(Some(min), Some(max)) => format!("[{min},...,{max}]"),
        Rule::Range(None, _) => unreachable!("Kafka has no range without a least value"),
        Rule::OneOf(choices) => format!("one of {}", choices.join(", ")),
        Rule::OneOfAnyCase(choices) => format!("one of, in any case, {}", choices.join(", ")),
        Rule::NotEmpty => "not empty".to_owned(),
        Rule::GzipLevel => "[1,...,9] or -1".to_owned(),
        Rule::List {
            allowed,
            may_be_empty,
        } => {
            let form = if may_be_empty { "list" } else { "filled list" };
            match allowed {
                [] => form.to_owned(),
                _ => format!("{form} of {}", allowed.join(", ")),
            }
        }
        Rule::ThrottledReplicas => "throttled replicas".to_owned(),
        Rule::QuorumVoters => "quorum voters".to_owned(),
        Rule::BootstrapServers => "bootstrap servers".to_owned(),
    }
}

fn importance(importance: Importance) -> &'static str {
    match importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    }
}

fn update(update: Update) -> &'static str {
    match update {
        Update::ReadOnly => "read-only",
        Update::PerBroker => "per-broker",
        Update::ClusterWide => "cluster-wide",
    }
}

#[test]
fn the_table_has_all_keys_of_kafka_and_no_others() {
    let (ours, kafkas) = (ours(), parse(FACTS));

    assert!(ours.keys().eq(kafkas.keys()));
    let public = |scope: &str| {
        kafkas
            .iter()
            .filter(|((of, _), facts)| of == scope && facts[5] == "public")
            .count()
    };
    assert_eq!((public("broker"), public("topic")), (350, 37));
}

#[test]
fn every_key_is_as_in_kafka_but_for_the_listed_defaults() {
    let kafkas = parse(FACTS);
    for (name, facts) in ours() {
        assert!(
            agree(&name, &facts, &kafkas[&name]),
            "{name:?}: {facts:?}, {:?}",
            kafkas[&name]
        );
    }
}

#[test]
fn every_default_can_be_read_and_is_written_as_the_table_has_it() {
    for key in broker_keys().chain(topic_keys()) {
        if let KeyDefault::Is(text) = key.default {
            let value = key
                .parse(text)
                .unwrap_or_else(|invalid| panic!("{invalid}"));
            assert_eq!(value.to_string(), text, "{}", key.name);
        }
    }
}

#[test]
fn every_key_says_what_it_means() {
    for key in broker_keys().chain(topic_keys()) {
        assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        assert!(key.doc.len() < 400, "{} says too much", key.name);
    }
}

#[test]
fn the_broker_keys_behind_a_topic_key_fit_it() {
    for key in topic_keys() {
        for default in key.broker_defaults() {
            let broker = broker_key(default.name).expect("it is in the table");
            let is_same = broker.kind == key.kind && default.factor == 1;
            let is_coarser = broker.kind == Kind::Int && key.kind == Kind::Long;
            assert!(is_same || is_coarser, "{} from {}", key.name, broker.name);
            assert_eq!(
                broker.status, key.status,
                "{} from {}",
                key.name, broker.name
            );
        }
    }
}

#[test]
fn our_own_keys_are_none_of_kafkas() {
    let kafkas = parse(FACTS);
    let own = broker_keys().filter(|key| key.scope == Scope::Own);

    for key in own {
        assert!(
            !kafkas.contains_key(&("broker".to_owned(), key.name.to_owned())),
            "{}",
            key.name
        );
        assert!(!REMOVED.contains(&key.name), "{}", key.name);
    }
}

#[test]
fn removed_keys_are_not_in_the_table() {
    for name in REMOVED {
        assert!(broker_key(name).is_none(), "{name}");
    }
}

#[test]
fn five_keys_are_parents_of_others() {
    let names = broker_keys().map(|key| key.name);

    let parents: Vec<&str> = names.filter(|name| is_parent(name)).collect();

    let expected = [
        "admin.password",
        "log.dir",
        "max.connections",
        "max.connections.per.ip",
        "sasl.oauthbearer.scope",
    ];
    assert_eq!(parents, expected);
}

#[test]
fn a_misspelt_key_finds_the_nearest() {
    for (misspelt, meant) in [
        ("log.retention.hour", Some("log.retention.hours")),
        ("log_retention_ms", Some("log.retention.ms")),
        ("advertised.listener", Some("advertised.listeners")),
        ("num.partition", Some("num.partitions")),
        (
            "auto.create.topic.enable",
            Some("auto.create.topics.enable"),
        ),
        ("something.else.entirely", None),
    ] {
        assert_eq!(nearest_broker_key(misspelt), meant, "{misspelt}");
    }
}

#[test]
fn a_listeners_own_key_is_the_key_behind_it() {
    let behind = |name: &str| broker_key_behind(name).map(|key| key.name);

    assert_eq!(
        behind("listener.name.in.max.connections"),
        Some("max.connections")
    );
    assert_eq!(
        behind("listener.name.in.plain.sasl.jaas.config"),
        Some("sasl.jaas.config")
    );
    assert_eq!(behind("listener.name.in.no.such.key"), None);
    assert_eq!(behind("listener.name.in"), None);
}

#[test]
fn keys_that_do_not_act_say_so() {
    let notice = |name: &str| broker_key(name).expect("it is in the table").notice();

    assert_eq!(notice("log.retention.ms"), None);
    let text = notice("num.io.threads").expect("it does nothing");
    assert!(
        text.starts_with("num.io.threads does nothing here: "),
        "{text}"
    );
    for key in broker_keys().chain(topic_keys()) {
        assert_eq!(
            key.notice().is_some(),
            key.status != Status::Acts,
            "{}",
            key.name
        );
    }
}
