//! Metadata and DescribeTopicPartitions: topics by name, by id and page by page.

use broker::model::Uuid;
use broker::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, TopicRequest,
};
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::{ApiKey, Str};

use super::pair::Pair;
use super::side::Side;
use super::topics::{create, topic, wait_for};

/// The first version with topic ids.
const FIRST_WITH_ID: i16 = 10;

/// A name that is one character too long.
fn too_long() -> String {
    "x".repeat(250)
}

pub fn compare(pair: &mut Pair) {
    create(pair, &[topic("told", 3, &[]), topic("told-too", 1, &[])]);
    for version in pair.versions(ApiKey::Metadata) {
        by_name(pair, version);
        if version >= FIRST_WITH_ID {
            by_id(pair, version);
        }
        creation(pair, version);
    }
    pages(pair);
}

fn named(names: &[&str]) -> MetadataRequest {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        name: Some(Str::from((*name).to_owned())),
        ..MetadataRequestTopic::default()
    });
    MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    }
}

fn by_name(pair: &mut Pair, version: i16) {
    let long = too_long();
    pair.compare("all topics", version, |_| MetadataRequest {
        topics: None,
        ..named(&[])
    });
    pair.compare("an empty list", version, |_| named(&[]));
    pair.compare("one topic", version, |_| named(&["told"]));
    pair.compare("two topics", version, |_| named(&["told-too", "told"]));
    pair.compare("a topic twice", version, |_| named(&["told", "told"]));
    pair.compare("an internal topic", version, |_| {
        named(&["__consumer_offsets"])
    });
    pair.compare("the metadata log", version, |_| {
        named(&["__cluster_metadata"])
    });
    // Before version 4 a client cannot forbid that topics are created.
    if version >= 4 {
        pair.compare("an unknown topic", version, |_| named(&["absent"]));
        pair.compare("known and unknown topics", version, |_| {
            named(&["absent", "told", "absent"])
        });
        pair.compare("an unknown internal topic", version, |_| {
            named(&["__transaction_state"])
        });
    }
    for name in ["", ".", "..", "a/b", "a b", "\u{e9}", &long] {
        pair.compare(&format!("the invalid name {name:.9?}"), version, |_| {
            named(&[name, "told"])
        });
        let allowed = format!("the invalid name {name:.9?}, to be created");
        pair.compare(&allowed, version, |_| MetadataRequest {
            allow_auto_topic_creation: true,
            ..named(&[name])
        });
    }
    pair.compare("authorized operations", version, |_| MetadataRequest {
        include_cluster_authorized_operations: true,
        include_topic_authorized_operations: true,
        ..named(&["told"])
    });
    pair.compare("the cluster's operations", version, |_| MetadataRequest {
        include_cluster_authorized_operations: true,
        ..named(&[])
    });
    if version >= 4 {
        pair.compare("operations on an unknown topic", version, |_| {
            MetadataRequest {
                include_topic_authorized_operations: true,
                ..named(&["absent"])
            }
        });
    }
}

fn by_id(pair: &mut Pair, version: i16) {
    let ask = |id: Uuid, name: Option<&'static str>| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id: id,
            name: name.map(Str::from_static),
        }]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let unknown = Uuid::from_bytes([7; 16]);
    let known = |side: &Side| side.own.topic_id("told");
    pair.compare("a known id", version, |side| ask(known(side), None));
    pair.compare("a known id with its name", version, |side| {
        ask(known(side), Some("told"))
    });
    pair.compare("a known id with another name", version, |side| {
        ask(known(side), Some("told-too"))
    });
    pair.compare("an unknown id", version, |_| ask(unknown, None));
    pair.compare("an unknown id with a name", version, |_| {
        ask(unknown, Some("told"))
    });
    pair.compare("no id and no name", version, |_| ask(Uuid::ZERO, None));
    pair.compare("the id of the metadata log", version, |_| {
        ask(Uuid::METADATA_TOPIC, None)
    });
    for (case, first, second) in [
        ("a known and an unknown id", true, false),
        ("an unknown id twice", false, false),
        ("a known id twice", true, true),
    ] {
        pair.compare(case, version, |side| {
            let id = |is_known| if is_known { known(side) } else { unknown };
            let mut request = ask(id(first), None);
            request.topics.iter_mut().for_each(|topics| {
                topics.extend(ask(id(second), None).topics.into_iter().flatten());
            });
            request
        });
    }
    pair.compare("an id and a name", version, |side| {
        let mut request = ask(known(side), None);
        request.topics.iter_mut().for_each(|topics| {
            topics.extend(named(&["told-too"]).topics.into_iter().flatten());
        });
        request
    });
}

/// Topics that come by being asked for. How soon they are told is the brokers' own choice.
fn creation(pair: &mut Pair, version: i16) {
    let name = format!("made-{version}");
    let request = MetadataRequest {
        allow_auto_topic_creation: true,
        ..named(&[&name])
    };
    pair.compare("a topic is created", version, |_| request.clone());
    wait_for(pair, &[topic(&name, 1, &[])]);
    pair.compare("a topic was created", version, |_| request.clone());
}

fn pages(pair: &mut Pair) {
    let ask = |names: &[&str], limit: i32, cursor: Option<(&str, i32)>| {
        let topics = names.iter().map(|name| TopicRequest {
            name: Str::from((*name).to_owned()),
        });
        DescribeTopicPartitionsRequest {
            topics: topics.collect(),
            response_partition_limit: limit,
            cursor: cursor.map(|(topic, partition_index)| Cursor {
                topic_name: Str::from(topic.to_owned()),
                partition_index,
            }),
        }
    };
    let long = too_long();
    let lists: [&[&str]; 10] = [
        &[],
        &["told"],
        &["told-too", "told"],
        &["told", "told"],
        &["absent"],
        &["told", "absent", "told-too"],
        &["a/b", "told", ""],
        &["__consumer_offsets"],
        &["__cluster_metadata"],
        &["told", &long],
    ];
    for names in lists {
        for limit in [2_000, 3, 2, 1, 0, -1] {
            let case = format!("{names:.9?}, at most {limit}");
            pair.compare_all(&case, |_| ask(names, limit, None));
        }
        for cursor in [
            ("told", 0),
            ("told", 1),
            ("told", 3),
            ("told", 4),
            ("told", -1),
            ("told-too", 0),
            ("absent", 0),
            ("zzz", 0),
            ("", 0),
            ("a/b", 1),
        ] {
            let case = format!("{names:.9?} from {cursor:?} on");
            pair.compare_all(&case, |_| ask(names, 2, Some(cursor)));
        }
    }
}
