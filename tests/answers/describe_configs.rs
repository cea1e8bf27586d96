//! DescribeConfigs and ListConfigResources.

use broker::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use broker::protocol::messages::list_config_resources::ListConfigResourcesRequest;
use broker::protocol::{ApiKey, Str};

use super::pair::Pair;
use super::topics::{create, topic};

/// The types of resources.
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;

pub fn compare(pair: &mut Pair) {
    let set = [
        ("retention.ms", "1000000000"),
        ("cleanup.policy", "compact"),
    ];
    create(
        pair,
        &[
            topic("configured", 1, &set),
            topic("configured-too", 1, &[]),
        ],
    );
    all(pair);
    resources(pair);
    describe_keys(pair);
    list(pair);
}

/// All configs of what the tests have configured.
pub fn all(pair: &mut Pair) {
    for (synonyms, documentation) in [(false, false), (true, false), (true, true)] {
        let with = format!("synonyms: {synonyms}, documentation: {documentation}");
        for (kind, name) in [
            (TOPIC, "configured"),
            (TOPIC, "configured-too"),
            (BROKER, "1"),
            (BROKER, ""),
        ] {
            pair.compare_all(&format!("all of {kind} {name:?}, {with}"), |_| {
                ask(vec![resource(kind, name, None)], synonyms, documentation)
            });
        }
    }
}

fn resources(pair: &mut Pair) {
    for (kind, name) in [
        (TOPIC, "absent"),
        (TOPIC, "a/b"),
        (TOPIC, ""),
        (TOPIC, "__cluster_metadata"),
        (BROKER, "2"),
        (BROKER, "01"),
        (BROKER, "-1"),
        (BROKER, "one"),
        (BROKER, "99999999999"),
        (0, "x"),
        (1, "x"),
        (3, "x"),
        (5, "x"),
        (64, "x"),
        (-1, "x"),
    ] {
        pair.compare_all(&format!("resource {name:?} of type {kind}"), |_| {
            ask(vec![resource(kind, name, None)], true, true)
        });
    }
}

fn describe_keys(pair: &mut Pair) {
    let keys: [&[&str]; 5] = [
        &["retention.ms"],
        &["retention.ms", "cleanup.policy", "retention.ms"],
        &["nonsense"],
        &["nonsense", "retention.ms"],
        &[],
    ];
    for keys in keys {
        pair.compare_all(&format!("the keys {keys:?}"), |_| {
            ask(vec![resource(TOPIC, "configured", Some(keys))], true, true)
        });
    }
    let keys: [&[&str]; 2] = [
        &["log.retention.ms", "log.retention.hours"],
        &["retention.ms"],
    ];
    for keys in keys {
        pair.compare_all(&format!("the broker's keys {keys:?}"), |_| {
            ask(vec![resource(BROKER, "1", Some(keys))], true, true)
        });
    }
    pair.compare_all("a resource twice, and others", |_| {
        let key: Option<&[&'static str]> = Some(&["retention.ms"]);
        ask(
            vec![
                resource(TOPIC, "configured", key),
                resource(TOPIC, "absent", key),
                resource(TOPIC, "configured", key),
                resource(BROKER, "1", Some(&["node.id"])),
            ],
            false,
            false,
        )
    });
    pair.compare_all("no resources", |_| ask(vec![], true, true));
}

fn resource(
    resource_type: i8,
    name: &str,
    keys: Option<&[&'static str]>,
) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type,
        resource_name: Str::from(name.to_owned()),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| Str::from_static(key)).collect()),
    }
}

fn ask(
    resources: Vec<DescribeConfigsResource>,
    include_synonyms: bool,
    include_documentation: bool,
) -> DescribeConfigsRequest {
    DescribeConfigsRequest {
        resources,
        include_synonyms,
        include_documentation,
    }
}

/// Lists resources by kind.
pub fn list(pair: &mut Pair) {
    pair.compare_all("all kinds", |_| ListConfigResourcesRequest::default());
    for version in pair
        .versions(ApiKey::ListConfigResources)
        .filter(|version| *version > 0)
    {
        let kinds: [&[i8]; 9] = [
            &[2],
            &[4],
            &[8],
            &[16],
            &[32],
            &[0],
            &[1],
            &[64],
            &[2, 4, 2],
        ];
        for kinds in kinds {
            pair.compare(&format!("the kinds {kinds:?}"), version, |_| {
                ListConfigResourcesRequest {
                    resource_types: kinds.to_vec(),
                }
            });
        }
    }
}

/// Compares what a resource's configs are.
pub fn compare_configs(pair: &mut Pair, case: &str, kind: i8, name: &str) {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: Str::from(name.to_owned()),
            configuration_keys: None,
        }],
        include_synonyms: true,
        include_documentation: false,
    };
    pair.compare(case, 4, |_| request.clone());
}
