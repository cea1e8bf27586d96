//! DeleteTopics: by name and by id.

use broker::model::Uuid;
use broker::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use broker::protocol::{ApiKey, Str};

use super::pair::Pair;
use super::side::Side;
use super::topics::{create, topic};

pub fn compare(pair: &mut Pair) {
    for version in pair.versions(ApiKey::DeleteTopics) {
        deletions(pair, version);
    }
}

fn deletions(pair: &mut Pair, version: i16) {
    let name = |index: usize| format!("goes-{version}-{index}");
    let topics: Vec<_> = (0..6).map(|index| topic(&name(index), 1, &[])).collect();
    create(pair, &topics);
    let by_name = |names: &[&str]| {
        let names = names.iter().map(|name| Str::from((*name).to_owned()));
        DeleteTopicsRequest {
            topic_names: names.clone().collect(),
            topics: names
                .map(|name| DeleteTopicState {
                    name: Some(name),
                    topic_id: Uuid::ZERO,
                })
                .collect(),
            timeout_ms: 10_000,
        }
    };
    for (case, names) in [
        ("no topics", &[][..]),
        ("an unknown topic", &["absent"]),
        ("an invalid topic", &["a/b"]),
        ("an empty name", &[""]),
        ("the metadata log", &["__cluster_metadata"]),
        ("an unknown topic twice", &["absent", "absent"]),
    ] {
        pair.compare(case, version, |_| by_name(names));
    }
    pair.compare("a topic twice", version, |_| {
        by_name(&[&name(0), &name(1), &name(0)])
    });
    pair.compare("it is still there", version, |_| {
        by_name(&[&name(0), "absent"])
    });
    pair.compare("it is gone", version, |_| by_name(&[&name(0)]));
    if version >= 6 {
        deletions_by_id(pair, version);
    }
}

fn deletions_by_id(pair: &mut Pair, version: i16) {
    let name = |index: usize| format!("goes-{version}-{index}");
    let state = |topic: Option<String>, topic_id: Uuid| DeleteTopicState {
        name: topic.map(Str::from),
        topic_id,
    };
    let ask = |topics: Vec<DeleteTopicState>| DeleteTopicsRequest {
        topics,
        timeout_ms: 10_000,
        ..DeleteTopicsRequest::default()
    };
    let id = |side: &Side, index: usize| side.own.topic_id(&name(index));
    let unknown = Uuid::from_bytes([7; 16]);
    pair.compare("an unknown id", version, |_| {
        ask(vec![state(None, unknown)])
    });
    pair.compare("an unknown id twice", version, |_| {
        ask(vec![state(None, unknown), state(None, unknown)])
    });
    pair.compare("no name and no id", version, |_| {
        ask(vec![state(None, Uuid::ZERO)])
    });
    pair.compare("a name and an id", version, |side| {
        ask(vec![state(Some(name(2)), id(side, 2))])
    });
    pair.compare("a name, and its id", version, |side| {
        ask(vec![
            state(Some(name(2)), Uuid::ZERO),
            state(None, id(side, 2)),
        ])
    });
    pair.compare("an id twice", version, |side| {
        ask(vec![
            state(None, id(side, 2)),
            state(None, id(side, 2)),
            state(None, id(side, 3)),
        ])
    });
    pair.compare("an id twice, and its name", version, |side| {
        ask(vec![
            state(None, id(side, 4)),
            state(None, id(side, 4)),
            state(Some(name(4)), Uuid::ZERO),
        ])
    });
    pair.compare("by id", version, |side| ask(vec![state(None, id(side, 2))]));
    pair.compare("by id, again", version, |side| {
        ask(vec![state(None, id(side, 2))])
    });
    pair.compare("the id of the metadata log", version, |_| {
        ask(vec![state(None, Uuid::METADATA_TOPIC)])
    });
    pair.compare("by id and by name", version, |side| {
        ask(vec![
            state(None, id(side, 4)),
            state(Some(name(5)), Uuid::ZERO),
            state(None, unknown),
        ])
    });
}
