//! DescribeGroups, ListGroups and DeleteGroups, and groups of types that are not served.

use super::script::{Script, join_as};
use crate::coordinator::group::{Answer, Effects, Request};
use crate::coordinator::shard::{Caller, Reply, Shard as _, Token};
use crate::model::{Offset, ProducerId};
use crate::protocol::messages::list_groups::ListGroupsRequest;
use crate::protocol::messages::offsets_records::{
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, OffsetsRecord, ShareGroupMetadataKey, ShareGroupMetadataValue,
};
use crate::protocol::{ErrorCode, Str};

fn ask(
    script: &mut Script,
    version: i16,
    request: &Request,
) -> (Vec<OffsetsRecord>, Reply<Answer>) {
    let caller = Caller {
        token: Token(0),
        version,
        client_id: Str::EMPTY,
        client_host: Str::EMPTY,
    };
    let mut effects = Effects::default();
    let now = script.now();
    script.shard.handle(now, &caller, request, &mut effects);
    assert_eq!(effects.replies.len(), 1);
    (effects.records, effects.replies.remove(0))
}

fn describe(script: &mut Script, version: i16) -> (Offset, String) {
    let (_, reply) = ask(script, version, &Request::DescribeGroups(vec!["g".into()]));
    let Answer::DescribeGroups(groups) = reply.answer else {
        panic!("{:?}", reply.answer);
    };
    let [group] = &groups[..] else {
        panic!("{groups:?}");
    };
    let members = group.members.iter().map(|member| {
        let (metadata, assignment) = (&member.member_metadata, &member.member_assignment);
        format!(
            " {metadata:?}{assignment:?}{}{}",
            member.client_id, member.client_host
        )
    });
    let text = format!(
        "{} {} {}/{}{}",
        group.error_code,
        group.group_state,
        group.protocol_type,
        group.protocol_data,
        members.collect::<String>()
    );
    (reply.after, text)
}

fn list(script: &mut Script, states: &[&'static str], types: &[&'static str]) -> Vec<String> {
    let request = ListGroupsRequest {
        states_filter: states.iter().map(|name| (*name).into()).collect(),
        types_filter: types.iter().map(|name| (*name).into()).collect(),
    };
    let (_, reply) = ask(script, 5, &Request::ListGroups(request));
    let Answer::ListGroups(Ok(groups)) = reply.answer else {
        panic!("{:?}", reply.answer);
    };
    let show = |group: &crate::protocol::messages::list_groups::ListedGroup| {
        let (id, state) = (&group.group_id, &group.group_state);
        format!("{id} {} {state} {}", group.protocol_type, group.group_type)
    };
    groups.iter().map(show).collect()
}

fn delete(script: &mut Script) -> (Vec<OffsetsRecord>, Offset, ErrorCode) {
    let (records, reply) = ask(script, 2, &Request::DeleteGroups(vec!["g".into()]));
    let Answer::DeleteGroups(results) = reply.answer else {
        panic!("{:?}", reply.answer);
    };
    (records, reply.after, results[0].error_code)
}

#[test]
fn a_group_shows_subscriptions_while_it_is_stable() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    let preparing = "NONE PreparingRebalance consumer/ b\"\"b\"\"c/127.0.0.1";
    assert_eq!(describe(&mut script, 6), (Offset(0), preparing.to_owned()));
    script.at(3_000);
    script.sync(1, "c#1", &[("c#1", "a")]);

    let stable = "NONE Stable consumer/range b\"s\"b\"a\"c/127.0.0.1";
    assert_eq!(describe(&mut script, 6), (Offset(1), stable.to_owned()));
}

#[test]
fn a_group_that_is_not_there_is_dead_and_from_version_6_on_an_error() {
    let mut script = Script::new();

    let dead = |code: &str| (Offset::NONE, format!("{code} Dead /"));
    assert_eq!(describe(&mut script, 5), dead("NONE"));
    assert_eq!(describe(&mut script, 6), dead("GROUP_ID_NOT_FOUND"));
}

#[test]
fn groups_are_listed_by_state_and_type_in_any_case() {
    let mut script = Script::new();
    script.stable(None);

    let stable = ["g consumer Stable classic"];
    assert_eq!(list(&mut script, &[], &[]), stable);
    assert_eq!(list(&mut script, &["stable"], &["CLASSIC"]), stable);
    assert!(list(&mut script, &["Empty"], &[]).is_empty());
    assert!(list(&mut script, &[], &["consumer"]).is_empty());
    assert!(list(&mut script, &[], &["nonsense"]).is_empty());
}

#[test]
fn a_group_with_members_is_not_deleted() {
    let mut script = Script::new();
    assert_eq!(delete(&mut script).2, ErrorCode::GROUP_ID_NOT_FOUND);
    script.stable(None);

    let expected = (Vec::new(), Offset::NONE, ErrorCode::NON_EMPTY_GROUP);
    assert_eq!(delete(&mut script), expected);
}

#[test]
fn an_empty_group_is_deleted_with_its_offsets() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, 1, "c#1", 5);
    script.leave(3, &[("c#1", None)]);

    let (records, after, error) = delete(&mut script);

    assert_eq!(error, ErrorCode::NONE);
    assert_eq!(after, Offset(5));
    assert!(matches!(
        &records[..],
        [
            OffsetsRecord::OffsetCommit(_, None),
            OffsetsRecord::GroupMetadata(_, None)
        ]
    ));
    assert_eq!(describe(&mut script, 5).1, "NONE Dead /");
}

fn consumer_group(script: &mut Script) -> [OffsetsRecord; 2] {
    let group_id = Str::from("g");
    let key = ConsumerGroupMetadataKey {
        group_id: group_id.clone(),
    };
    let member = ConsumerGroupMemberMetadataKey {
        group_id,
        member_id: "m".into(),
    };
    let value = ConsumerGroupMetadataValue::default();
    let member_value = ConsumerGroupMemberMetadataValue::default();
    let records = [
        OffsetsRecord::ConsumerGroupMetadata(key.clone(), Some(value)),
        OffsetsRecord::ConsumerGroupMemberMetadata(member.clone(), Some(member_value)),
    ];
    for record in &records {
        let offset = script.shard.next_offset();
        script.shard.replay(offset, ProducerId::NONE, record);
    }
    [
        OffsetsRecord::ConsumerGroupMetadata(key, None),
        OffsetsRecord::ConsumerGroupMemberMetadata(member, None),
    ]
}

#[test]
fn a_group_of_a_type_that_is_not_served_is_listed_and_kept() {
    let mut script = Script::new();
    consumer_group(&mut script);

    assert_eq!(list(&mut script, &[], &[]), ["g consumer Empty Consumer"]);
    assert_eq!(describe(&mut script, 6).1, "GROUP_ID_NOT_FOUND Dead /");
    assert_eq!(delete(&mut script).2, ErrorCode::NON_EMPTY_GROUP);
    script.at(100_000_000);
    script.check("");
}

#[test]
fn a_classic_member_takes_over_a_consumer_group_nobody_can_be_in() {
    let mut script = Script::new();
    let tombstones = consumer_group(&mut script);
    script.join(3, join_as("", None));

    assert_eq!(script.log[..2], tombstones);
    assert_eq!(
        list(&mut script, &[], &[]),
        ["g consumer PreparingRebalance classic"]
    );
}

#[test]
fn a_share_group_lets_no_classic_member_in() {
    let mut script = Script::new();
    let key = ShareGroupMetadataKey {
        group_id: "g".into(),
    };
    let value = Some(ShareGroupMetadataValue::default());
    let record = OffsetsRecord::ShareGroupMetadata(key, value);
    script.shard.replay(Offset::ZERO, ProducerId::NONE, &record);
    script.join(4, join_as("", None));

    script.check("1: join v4\n-> 1: INCONSISTENT_GROUP_PROTOCOL");
}
