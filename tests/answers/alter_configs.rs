//! AlterConfigs, which replaces all of a resource's configs.

use broker::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use broker::protocol::{ApiKey, Str};

use super::describe_configs::{BROKER, TOPIC, compare_configs};
use super::pair::Pair;
use super::topics::{create, topic};

/// Topic configs that are refused, or look as if they should be.
pub const BAD_VALUES: &[(&str, &str)] = &[
    ("nonsense", "1"),
    ("", "1"),
    ("retention.ms", "soon"),
    ("retention.ms", ""),
    ("retention.ms", "-2"),
    ("retention.ms", "1.5"),
    ("retention.ms", "9223372036854775808"),
    ("segment.bytes", "1"),
    ("segment.bytes", "2147483648"),
    ("cleanup.policy", "shred"),
    ("cleanup.policy", "compact,shred"),
    ("cleanup.policy", "compact,,delete"),
    ("compression.type", "brotli"),
    ("compression.gzip.level", "0"),
    ("compression.gzip.level", "10"),
    ("compression.lz4.level", "18"),
    ("compression.zstd.level", "23"),
    ("message.timestamp.type", "Never"),
    ("message.timestamp.before.max.ms", "-1"),
    ("min.insync.replicas", "0"),
    ("min.cleanable.dirty.ratio", "1.1"),
    ("min.cleanable.dirty.ratio", "-0.1"),
    ("min.cleanable.dirty.ratio", "half"),
    ("unclean.leader.election.enable", "maybe"),
    ("preallocate", "1"),
    ("index.interval.bytes", "-1"),
    ("max.message.bytes", "-1"),
    ("flush.messages", "0"),
    ("flush.ms", "-1"),
    ("delete.retention.ms", "-1"),
    ("file.delete.delay.ms", "-1"),
    ("segment.ms", "0"),
    ("segment.jitter.ms", "-1"),
    ("segment.index.bytes", "3"),
    ("leader.replication.throttled.replicas", "1"),
    ("follower.replication.throttled.replicas", "a:b"),
    ("local.retention.ms", "-3"),
    ("local.retention.bytes", "-3"),
    ("remote.storage.enable", "true"),
    ("remote.storage.enable", "yes"),
    ("message.format.version", "3.0"),
    ("max.compaction.lag.ms", "0"),
];

/// Resources that are refused, by kind and name.
pub const NOT_ALTERED: [(i8, &str); 10] = [
    (TOPIC, "absent"),
    (TOPIC, "a/b"),
    (TOPIC, ""),
    (TOPIC, "__cluster_metadata"),
    (BROKER, "2"),
    (BROKER, "one"),
    (0, "x"),
    (3, "x"),
    (64, "x"),
    (-1, "x"),
];

type Configs<'a> = &'a [(&'a str, Option<&'a str>)];

const GOOD: Configs<'_> = &[("segment.bytes", Some("104857600"))];

pub fn compare(pair: &mut Pair) {
    for version in pair.versions(ApiKey::AlterConfigs) {
        let name = format!("replaced-{version}");
        create(pair, &[topic(&name, 1, &[("retention.ms", "2000000000")])]);
        refused(pair, version, &name);
        unknown(pair, version);
        replaced(pair, version, &name);
    }
}

fn resource(kind: i8, name: &str, configs: Configs<'_>) -> AlterConfigsResource {
    AlterConfigsResource {
        resource_type: kind,
        resource_name: Str::from(name.to_owned()),
        configs: configs
            .iter()
            .map(|(key, value)| AlterableConfig {
                name: Str::from((*key).to_owned()),
                value: value.map(|value| Str::from(value.to_owned())),
            })
            .collect(),
    }
}

fn ask(resources: Vec<AlterConfigsResource>, validate_only: bool) -> AlterConfigsRequest {
    AlterConfigsRequest {
        resources,
        validate_only,
    }
}

fn refused(pair: &mut Pair, version: i16, name: &str) {
    for (key, value) in BAD_VALUES {
        pair.compare(&format!("{key}={value}"), version, |_| {
            ask(vec![resource(TOPIC, name, &[(key, Some(value))])], false)
        });
    }
    let lists: [(&str, Configs<'_>); 4] = [
        ("null", &[("retention.ms", None)]),
        (
            "two nulls",
            &[("retention.ms", None), ("segment.bytes", None)],
        ),
        (
            "a key twice",
            &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
        ),
        (
            "a good and a bad one",
            &[("segment.ms", Some("9")), ("retention.ms", Some("x"))],
        ),
    ];
    for (case, configs) in lists {
        pair.compare(case, version, |_| {
            ask(vec![resource(TOPIC, name, configs)], false)
        });
    }
}

fn unknown(pair: &mut Pair, version: i16) {
    for (kind, who) in NOT_ALTERED {
        for configs in [GOOD, &[]] {
            let case = format!("resource {who:?} of type {kind}, {} configs", configs.len());
            pair.compare(&case, version, |_| {
                ask(vec![resource(kind, who, configs)], true)
            });
        }
    }
}

fn replaced(pair: &mut Pair, version: i16, name: &str) {
    pair.compare("good ones, validate only", version, |_| {
        ask(vec![resource(TOPIC, name, GOOD)], true)
    });
    pair.compare("good ones", version, |_| {
        ask(vec![resource(TOPIC, name, GOOD)], false)
    });
    compare_configs(pair, "after AlterConfigs", TOPIC, name);
    // One version shows it: Apache's silence takes all the patience there is.
    if version == pair.newest(ApiKey::AlterConfigs) {
        pair.compare("a resource twice", version, |_| {
            let one = resource(TOPIC, name, GOOD);
            ask(
                vec![one.clone(), resource(TOPIC, "configured", &[]), one],
                true,
            )
        });
    }
    pair.compare("nothing for a topic", version, |_| {
        ask(vec![resource(TOPIC, name, &[])], false)
    });
    compare_configs(pair, "after AlterConfigs with nothing", TOPIC, name);
    pair.compare("no resources", version, |_| ask(vec![], false));
}
