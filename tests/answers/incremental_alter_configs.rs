//! IncrementalAlterConfigs: single values of topics and of brokers.

use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::{ApiKey, Str};

use super::alter_configs::{BAD_VALUES, NOT_ALTERED};
use super::describe_configs::{self, BROKER, TOPIC, compare_configs};
use super::pair::Pair;
use super::topics::{create, topic};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Changes<'a> = &'a [(&'a str, i8, Option<&'a str>)];

const GOOD: Changes<'_> = &[("segment.bytes", SET, Some("104857600"))];

/// Values that are set and deleted.
const SETS: [(&str, Changes<'_>); 7] = [
    ("set", &[("segment.bytes", SET, Some("104857600"))]),
    ("set with space", &[("segment.ms", SET, Some(" 7000000 "))]),
    (
        "set the same again",
        &[("segment.bytes", SET, Some("104857600"))],
    ),
    ("delete", &[("segment.bytes", DELETE, None)]),
    (
        "delete with a value",
        &[("segment.bytes", DELETE, Some("1"))],
    ),
    ("delete what is not set", &[("flush.ms", DELETE, None)]),
    ("delete an unknown key", &[("nonsense", DELETE, None)]),
];

/// Entries that are added to lists and taken away.
const LISTS: [(&str, Changes<'_>); 10] = [
    (
        "append to a default",
        &[("cleanup.policy", APPEND, Some("compact"))],
    ),
    (
        "append what is there",
        &[("cleanup.policy", APPEND, Some("compact"))],
    ),
    (
        "append two",
        &[("cleanup.policy", APPEND, Some("delete,compact"))],
    ),
    (
        "append nonsense",
        &[("cleanup.policy", APPEND, Some("shred"))],
    ),
    ("append nothing", &[("cleanup.policy", APPEND, Some(""))]),
    ("subtract", &[("cleanup.policy", SUBTRACT, Some("delete"))]),
    (
        "subtract what is not there",
        &[("cleanup.policy", SUBTRACT, Some("shred"))],
    ),
    (
        "subtract the last",
        &[("cleanup.policy", SUBTRACT, Some("compact"))],
    ),
    ("append to a number", &[("retention.ms", APPEND, Some("1"))]),
    (
        "subtract from a number",
        &[("retention.ms", SUBTRACT, Some("1"))],
    ),
];

/// Changes that make no sense.
const NONSENSE: [(&str, Changes<'_>); 7] = [
    (
        "append to an unknown key",
        &[("nonsense", APPEND, Some("1"))],
    ),
    ("an unknown operation", &[("retention.ms", 4, Some("1"))]),
    ("a negative operation", &[("retention.ms", -1, Some("1"))]),
    ("set null", &[("retention.ms", SET, None)]),
    ("append null", &[("cleanup.policy", APPEND, None)]),
    (
        "a key twice",
        &[
            ("retention.ms", SET, Some("1")),
            ("retention.ms", DELETE, None),
        ],
    ),
    ("nothing", &[]),
];

pub fn compare(pair: &mut Pair) {
    for version in pair.versions(ApiKey::IncrementalAlterConfigs) {
        let name = format!("altered-{version}");
        create(pair, &[topic(&name, 1, &[("retention.ms", "2000000000")])]);
        topics(pair, version, &name);
        resources(pair, version, &name);
    }
    brokers(pair);
    describe_configs::all(pair);
    describe_configs::list(pair);
}

fn one_change(kind: i8, name: &str, changes: &[(&str, i8, Option<&str>)]) -> AlterConfigsResource {
    AlterConfigsResource {
        resource_type: kind,
        resource_name: Str::from(name.to_owned()),
        configs: changes
            .iter()
            .map(|(key, operation, value)| AlterableConfig {
                name: Str::from((*key).to_owned()),
                config_operation: *operation,
                value: value.map(|value| Str::from(value.to_owned())),
            })
            .collect(),
    }
}

fn changes(
    resources: Vec<AlterConfigsResource>,
    validate_only: bool,
) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest {
        resources,
        validate_only,
    }
}

fn topics(pair: &mut Pair, version: i16, name: &str) {
    for (key, value) in BAD_VALUES {
        pair.compare(&format!("{key}={value}"), version, |_| {
            changes(
                vec![one_change(TOPIC, name, &[(key, SET, Some(value))])],
                false,
            )
        });
    }
    for (case, wanted) in SETS.into_iter().chain(LISTS).chain(NONSENSE) {
        for validate_only in [true, false] {
            let case = format!("{case}, validate only: {validate_only}");
            pair.compare(&case, version, |_| {
                changes(vec![one_change(TOPIC, name, wanted)], validate_only)
            });
        }
        compare_configs(pair, &format!("after {case}"), TOPIC, name);
    }
}

fn resources(pair: &mut Pair, version: i16, name: &str) {
    for (kind, who) in NOT_ALTERED {
        for wanted in [GOOD, &[]] {
            let case = format!("resource {who:?} of type {kind}, {} configs", wanted.len());
            pair.compare(&case, version, |_| {
                changes(vec![one_change(kind, who, wanted)], true)
            });
        }
    }
    pair.compare("a resource twice", version, |_| {
        let one = one_change(TOPIC, name, GOOD);
        changes(
            vec![one.clone(), one_change(TOPIC, "configured", GOOD), one],
            true,
        )
    });
    pair.compare("good and bad resources", version, |_| {
        let bad = one_change(TOPIC, name, &[("retention.ms", SET, Some("soon"))]);
        changes(vec![bad, one_change(TOPIC, "configured", GOOD)], true)
    });
    pair.compare("no resources", version, |_| changes(vec![], false));
    let long = "0:1,".repeat(8_000);
    pair.compare("a long value", version, |_| {
        let wanted = [(
            "leader.replication.throttled.replicas",
            SET,
            Some(long.as_str()),
        )];
        changes(vec![one_change(TOPIC, name, &wanted)], true)
    });
}

/// Settings of the broker itself. What is refused comes first: Apache takes what was taken back for
/// current a while.
const BROKER_SETTINGS: [(&str, &str); 20] = [
    ("log.retention.ms", "123456789"),
    ("log.retention.ms", "soon"),
    ("log.cleaner.threads", "1"),
    ("log.cleaner.threads", "0"),
    ("log.segment.bytes", "1"),
    ("node.id", "2"),
    ("log.dirs", "/tmp/elsewhere"),
    ("process.roles", "broker"),
    ("listeners", "PLAINTEXT://:1"),
    ("nonsense", "1"),
    ("num.io.threads", "100"),
    ("num.io.threads", "3"),
    ("num.io.threads", "9"),
    ("num.network.threads", "7"),
    ("log.cleaner.threads", "3"),
    ("log.cleaner.threads", "2"),
    ("max.connections.per.ip", "77"),
    ("message.max.bytes", "2000000"),
    ("background.threads", "x"),
    ("min.insync.replicas", "1"),
];

/// One at a time; what is set is taken back.
fn brokers(pair: &mut Pair) {
    let version = pair.newest(ApiKey::IncrementalAlterConfigs);
    for who in ["1", ""] {
        for (key, value) in BROKER_SETTINGS {
            let case = format!("the broker {who:?}: {key}={value}");
            for validate_only in [true, false] {
                let case = format!("{case}, validate only: {validate_only}");
                pair.compare(&case, version, |_| {
                    let wanted = [(key, SET, Some(value))];
                    changes(vec![one_change(BROKER, who, &wanted)], validate_only)
                });
            }
            pair.compare(&format!("{case}, taken back"), version, |_| {
                changes(vec![one_change(BROKER, who, &[(key, DELETE, None)])], false)
            });
        }
        for (case, wanted) in [
            (
                "append to a list",
                ("log.cleanup.policy", APPEND, Some("compact")),
            ),
            (
                "append to a number",
                ("log.retention.ms", APPEND, Some("1")),
            ),
            (
                "subtract from an unknown key",
                ("nonsense", SUBTRACT, Some("1")),
            ),
            ("an unknown operation", ("log.retention.ms", 9, Some("1"))),
            ("set null", ("log.retention.ms", SET, None)),
        ] {
            pair.compare(&format!("the broker {who:?}: {case}"), version, |_| {
                changes(vec![one_change(BROKER, who, &[wanted])], true)
            });
        }
    }
    let key = |value| [("log.retention.ms", value, Some("987654321"))];
    pair.compare("the broker's own value", version, |_| {
        changes(vec![one_change(BROKER, "1", &key(SET))], false)
    });
    pair.compare("the default of all brokers", version, |_| {
        changes(
            vec![one_change(
                BROKER,
                "",
                &[("log.retention.ms", SET, Some("777777777"))],
            )],
            false,
        )
    });
}
