//! DescribeConfigs: values, where they come from, and their synonyms.

use broker::config::{
    Entry, Kind, Layers, NoOverrides, Source, describe_broker, describe_cluster_default,
    describe_topic,
};

use crate::settings;

fn of<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries
        .iter()
        .find(|entry| entry.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

fn synonyms(entry: &Entry) -> Vec<(&str, Option<&str>, Source)> {
    entry
        .synonyms
        .iter()
        .map(|synonym| {
            (
                synonym.name.as_str(),
                synonym.value.as_deref(),
                synonym.source,
            )
        })
        .collect()
}

#[test]
fn a_topic_shows_every_layer_that_set_a_key() {
    let (overrides, of_broker) = (
        settings(&[("segment.bytes", "2000000")]),
        settings(&[("log.segment.bytes", "3000000")]),
    );
    let (of_cluster, in_file) = (
        settings(&[("log.segment.bytes", "4000000")]),
        settings(&[("log.segment.bytes", "5000000")]),
    );
    let layers = Layers {
        of_broker: &of_broker,
        of_cluster: &of_cluster,
        settings: &in_file,
    };

    let entries = describe_topic(&overrides, &layers);

    let entry = of(&entries, "segment.bytes");
    assert_eq!(entry.value.as_deref(), Some("2000000"));
    assert_eq!(entry.source, Source::Topic);
    assert_eq!(
        synonyms(entry),
        [
            ("segment.bytes", Some("2000000"), Source::Topic),
            ("log.segment.bytes", Some("3000000"), Source::DynamicBroker),
            ("log.segment.bytes", Some("4000000"), Source::DynamicDefault),
            ("log.segment.bytes", Some("5000000"), Source::Static),
            ("log.segment.bytes", Some("1073741824"), Source::Default),
        ]
    );
}

#[test]
fn a_topic_without_values_shows_37_defaults() {
    let in_file = settings(&[]);

    let entries = describe_topic(&NoOverrides, &Layers::of(&in_file));

    assert_eq!(entries.len(), 37);
    assert!(
        entries
            .iter()
            .all(|entry| entry.source == Source::Default && !entry.is_read_only)
    );
    let retention = of(&entries, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("604800000"));
    assert_eq!(retention.kind, Some(Kind::Long));
    assert_eq!(synonyms(retention), []);
    assert_eq!(
        of(&entries, "cleanup.policy").value.as_deref(),
        Some("delete")
    );
}

#[test]
fn hours_in_the_file_are_shown_as_the_source_of_milliseconds() {
    let in_file = settings(&[("log.retention.hours", "24")]);

    let entries = describe_topic(&NoOverrides, &Layers::of(&in_file));

    let entry = of(&entries, "retention.ms");
    assert_eq!(entry.value.as_deref(), Some("86400000"));
    assert_eq!(entry.source, Source::Static);
    assert_eq!(
        synonyms(entry),
        [
            ("log.retention.hours", Some("24"), Source::Static),
            ("log.retention.hours", Some("168"), Source::Default),
        ]
    );
}

#[test]
fn internal_and_unknown_keys_of_a_topic_are_shown_only_if_set() {
    let in_file = settings(&[]);
    let overrides = settings(&[
        ("internal.segment.bytes", "9"),
        ("from.the.future", "secret?"),
    ]);

    let entries = describe_topic(&overrides, &Layers::of(&in_file));

    assert_eq!(entries.len(), 39);
    assert_eq!(
        of(&entries, "internal.segment.bytes").value.as_deref(),
        Some("9")
    );
    let unknown = of(&entries, "from.the.future");
    assert_eq!(
        (unknown.value.as_deref(), unknown.is_sensitive, unknown.kind),
        (None, true, None)
    );
}

#[test]
fn a_broker_shows_all_public_keys_and_what_else_was_set() {
    let (nothing, more) = (
        settings(&[]),
        settings(&[
            ("log.initial.task.delay.ms", "1"),
            ("listener.name.in.max.connections", "2"),
        ]),
    );

    let few = describe_broker(&Layers::of(&nothing));
    let many = describe_broker(&Layers::of(&more));

    assert!(few.len() >= 350);
    assert_eq!(many.len(), few.len() + 2);
    assert_eq!(
        of(&many, "log.initial.task.delay.ms").source,
        Source::Static
    );
    assert_eq!(
        synonyms(of(&many, "listener.name.in.max.connections")),
        [
            (
                "listener.name.in.max.connections",
                Some("2"),
                Source::Static
            ),
            ("max.connections", Some("10000"), Source::Default),
        ]
    );
}

#[test]
fn a_broker_key_says_whether_it_can_be_changed() {
    let in_file = settings(&[("node.id", "1")]);

    let entries = describe_broker(&Layers::of(&in_file));

    assert!(of(&entries, "node.id").is_read_only);
    assert!(!of(&entries, "log.retention.ms").is_read_only);
    assert!(of(&entries, "cluster.id").is_read_only);
    let of_listener = settings(&[("listener.name.in.max.connections", "2")]);
    let entries_of_listener = describe_broker(&Layers::of(&of_listener));
    assert!(of(&entries_of_listener, "listener.name.in.max.connections").is_read_only);
    assert_eq!(of(&entries, "node.id").source, Source::Static);
    assert!(!of(&entries, "node.id").doc.is_empty());
}

#[test]
fn a_broker_key_shows_the_units_behind_it() {
    let in_file = settings(&[
        ("log.retention.ms", "5"),
        ("log.retention.minutes", "6"),
        ("log.flush.interval.ms", "7"),
    ]);

    let entries = describe_broker(&Layers::of(&in_file));

    assert_eq!(
        synonyms(of(&entries, "log.retention.ms")),
        [
            ("log.retention.ms", Some("5"), Source::Static),
            ("log.retention.minutes", Some("6"), Source::Static),
            ("log.retention.hours", Some("168"), Source::Default),
        ]
    );
    let minutes = of(&entries, "log.retention.minutes");
    assert_eq!(
        (minutes.value.as_deref(), minutes.source),
        (Some("6"), Source::Static)
    );
    assert_eq!(
        synonyms(of(&entries, "log.flush.interval.ms"))[1],
        (
            "log.flush.scheduler.interval.ms",
            Some("9223372036854775807"),
            Source::Default
        )
    );
    let scheduler = of(&entries, "log.flush.scheduler.interval.ms");
    assert_eq!(synonyms(scheduler).len(), 1);
}

#[test]
fn secrets_are_hidden_wherever_they_are_set() {
    let in_file = settings(&[("ssl.key.password", "hunter2")]);

    let entries = describe_broker(&Layers::of(&in_file));

    let entry = of(&entries, "ssl.key.password");
    assert_eq!((entry.value.as_deref(), entry.is_sensitive), (None, true));
    assert_eq!(
        synonyms(entry),
        [("ssl.key.password", None, Source::Static)]
    );
    assert!(!format!("{entries:?}").contains("hunter2"));
}

#[test]
fn the_clusters_default_shows_only_what_was_set() {
    let of_cluster = settings(&[
        ("log.retention.ms", "5"),
        ("plug.in", "x"),
        ("ssl.key.password", "hunter2"),
    ]);

    let entries = describe_cluster_default(&of_cluster);

    assert_eq!(entries.len(), 3);
    let retention = of(&entries, "log.retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.source),
        (Some("5"), Source::DynamicDefault)
    );
    assert_eq!(of(&entries, "plug.in").value, None);
    assert!(!format!("{entries:?}").contains("hunter2"));
}
