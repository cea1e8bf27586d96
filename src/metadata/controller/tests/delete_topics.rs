//! DeleteTopics: by name, by id, and in contradiction with itself.

use super::{World, settings, topic};
use crate::metadata::controller::ControllerSettings;
use crate::model::{TopicId, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest,
};
use crate::protocol::messages::metadata_records::{MetadataRecord, RemoveTopicRecord};

fn by_id(topic_id: TopicId) -> DeleteTopicState {
    DeleteTopicState {
        name: None,
        topic_id,
    }
}

fn by_name(name: &'static str) -> DeleteTopicState {
    DeleteTopicState {
        name: Some(name.into()),
        topic_id: Uuid::ZERO,
    }
}

fn delete(
    world: &mut World,
    topics: Vec<DeleteTopicState>,
) -> (Vec<MetadataRecord>, Vec<DeletableTopicResult>) {
    let request = DeleteTopicsRequest {
        topics,
        ..DeleteTopicsRequest::default()
    };
    let decision = world.controller.delete_topics(&request, 6, &mut |_| Ok(()));
    let (records, response) = world.apply(decision);
    (records, response.responses)
}

fn result(
    name: Option<&'static str>,
    topic_id: TopicId,
    error_code: ErrorCode,
    message: Option<&'static str>,
) -> DeletableTopicResult {
    DeletableTopicResult {
        name: name.map(Into::into),
        topic_id,
        error_code,
        error_message: message.map(Into::into),
    }
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut world = World::with_brokers(1);
    let one = world.create_assigned("one", &[&[1]]);
    let two = world.create_assigned("two", &[&[1]]);

    let (records, mut results) = delete(&mut world, vec![by_name("one"), by_id(two)]);

    let mut expected = [
        (one, result(Some("one"), one, ErrorCode::NONE, None)),
        (two, result(Some("two"), two, ErrorCode::NONE, None)),
    ];
    expected.sort_by_key(|(id, _)| *id);
    results.sort_by_key(|result| result.topic_id);
    assert_eq!(
        results,
        expected
            .iter()
            .map(|(_, result)| result.clone())
            .collect::<Vec<_>>()
    );
    let expected = expected
        .iter()
        .map(|(id, _)| RemoveTopicRecord { topic_id: *id }.into());
    assert_eq!(records, expected.collect::<Vec<MetadataRecord>>());
    assert!(world.controller.image().topics().is_empty());
}

#[test]
fn older_versions_name_topics_in_a_list() {
    let mut world = World::with_brokers(1);
    let id = world.create_assigned("t", &[&[1]]);
    let request = DeleteTopicsRequest {
        topic_names: vec!["t".into()],
        ..DeleteTopicsRequest::default()
    };

    let decision = world.controller.delete_topics(&request, 5, &mut |_| Ok(()));

    assert_eq!(
        decision.records,
        [RemoveTopicRecord { topic_id: id }.into()]
    );
}

#[test]
fn each_fault_has_kafkas_code_and_message() {
    let mut world = World::with_brokers(1);
    let id = world.create_assigned("t", &[&[1]]);
    let unknown = Uuid::from_bytes([0x77; 16]);
    let invalid = |name, id, message| result(name, id, ErrorCode::INVALID_REQUEST, Some(message));
    let both = DeleteTopicState {
        name: Some("t".into()),
        topic_id: id,
    };
    let cases = [
        (
            vec![by_id(Uuid::ZERO)],
            vec![invalid(
                None,
                Uuid::ZERO,
                "Neither topic name nor id were specified.",
            )],
        ),
        (
            vec![both],
            vec![invalid(
                Some("t"),
                id,
                "You may not specify both topic name and topic id.",
            )],
        ),
        (
            vec![by_name("t"), by_name("t")],
            vec![invalid(Some("t"), Uuid::ZERO, "Duplicate topic name.")],
        ),
        (
            vec![by_id(id), by_id(id)],
            vec![invalid(None, id, "Duplicate topic id.")],
        ),
        (
            vec![by_id(unknown)],
            vec![result(
                None,
                unknown,
                ErrorCode::UNKNOWN_TOPIC_ID,
                Some("This server does not host this topic ID."),
            )],
        ),
        (
            vec![by_name("no")],
            vec![result(
                Some("no"),
                Uuid::ZERO,
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                Some("This server does not host this topic-partition."),
            )],
        ),
        (
            vec![by_name("t"), by_id(id)],
            vec![invalid(
                Some("t"),
                id,
                "The provided topic name maps to an ID that was already supplied.",
            )],
        ),
    ];
    for (topics, expected) in cases {
        assert_eq!(delete(&mut world, topics), (vec![], expected));
    }
}

#[test]
fn deletion_that_is_switched_off_is_said_as_the_version_knows_it() {
    let mut world = World::empty(ControllerSettings {
        delete_topic_enable: false,
        ..settings()
    });
    world.register(1);
    world.heartbeat(1, |_| {});
    world.create(vec![topic("t", 1, 1)]);
    let request = DeleteTopicsRequest {
        topic_names: vec!["t".into()],
        ..DeleteTopicsRequest::default()
    };

    for (version, code) in [
        (1, ErrorCode::INVALID_REQUEST),
        (2, ErrorCode::INVALID_REQUEST),
        (3, ErrorCode::TOPIC_DELETION_DISABLED),
        (6, ErrorCode::TOPIC_DELETION_DISABLED),
    ] {
        let decision = world
            .controller
            .delete_topics(&request, version, &mut |_| Ok(()));
        assert_eq!(decision.records, []);
        assert_eq!(decision.answer.responses[0].error_code, code);
    }
}

#[test]
fn a_topic_created_again_has_another_id() {
    let mut world = World::with_brokers(1);
    let first = world.create_assigned("t", &[&[1]]);
    delete(&mut world, vec![by_name("t")]);

    let second = world.create_assigned("t", &[&[1]]);

    assert_ne!(first, second);
    let (_, results) = delete(&mut world, vec![by_id(first)]);
    assert_eq!(results[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
}
