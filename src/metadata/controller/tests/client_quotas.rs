//! AlterClientQuotas: records and refusals.

use std::collections::BTreeSet;

use super::World;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use crate::protocol::messages::metadata_records::{ClientQuotaRecord, MetadataRecord, config};

type Parts = &'static [(&'static str, Option<&'static str>)];
type Outcome = (ErrorCode, String);

fn entry(parts: Parts, ops: &[(&'static str, Option<f64>)]) -> RequestEntryData {
    let entity = parts.iter().map(|(kind, name)| EntityData {
        entity_type: (*kind).into(),
        entity_name: name.map(Into::into),
    });
    let ops = ops.iter().map(|(key, value)| OpData {
        key: (*key).into(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    });
    RequestEntryData {
        entity: entity.collect(),
        ops: ops.collect(),
    }
}

fn alter(
    world: &mut World,
    entries: Vec<RequestEntryData>,
    validate_only: bool,
) -> (Vec<MetadataRecord>, Vec<Outcome>) {
    let request = AlterClientQuotasRequest {
        entries,
        validate_only,
    };
    let hosts = BTreeSet::from(["known.example".into()]);
    let decision = world.controller.alter_client_quotas(&request, &hosts);
    let (records, response) = world.apply(decision);
    let outcomes = response.entries.iter().map(|entry| {
        let message = entry.error_message.as_deref().unwrap_or_default();
        (entry.error_code, message.to_owned())
    });
    (records, outcomes.collect())
}

fn record(parts: Parts, key: &'static str, value: Option<f64>) -> MetadataRecord {
    let entity = parts.iter().map(|(kind, name)| config::EntityData {
        entity_type: (*kind).into(),
        entity_name: name.map(Into::into),
    });
    ClientQuotaRecord {
        entity: entity.collect(),
        key: key.into(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    }
    .into()
}

const CLIENT: Parts = &[("client-id", Some("c"))];
const RATE: &str = "producer_byte_rate";

#[test]
fn quotas_are_set_changed_and_removed_and_what_does_not_change_is_no_record() {
    let mut world = World::with_brokers(1);
    let mut set = |value| alter(&mut world, vec![entry(CLIENT, &[(RATE, value)])], false).0;

    assert_eq!(set(Some(100.0)), [record(CLIENT, RATE, Some(100.0))]);
    assert_eq!(set(Some(100.0)), []);
    assert_eq!(set(Some(200.0)), [record(CLIENT, RATE, Some(200.0))]);
    assert_eq!(set(None), [record(CLIENT, RATE, None)]);
    assert_eq!(set(None), []);
}

#[test]
fn a_request_that_only_validates_changes_nothing() {
    let mut world = World::with_brokers(1);

    let (records, outcomes) = alter(&mut world, vec![entry(CLIENT, &[(RATE, Some(1.0))])], true);

    assert_eq!(records, []);
    assert_eq!(outcomes, [(ErrorCode::NONE, String::new())]);
}

#[test]
fn entities_that_there_are_not_are_refused() {
    let refused = |parts: Parts| {
        let mut world = World::with_brokers(1);
        let (records, mut outcomes) =
            alter(&mut world, vec![entry(parts, &[(RATE, Some(1.0))])], false);
        assert_eq!(records, []);
        let (code, message) = outcomes.remove(0);
        assert_eq!(code, ErrorCode::INVALID_REQUEST);
        message
    };

    assert_eq!(refused(&[]), "Invalid empty client quota entity");
    assert_eq!(
        refused(&[("group", None)]),
        "Unhandled client quota entity type: group"
    );
    assert_eq!(refused(&[("user", Some(""))]), "Empty user not supported");
    assert_eq!(
        refused(&[("ip", Some("nowhere.example"))]),
        "nowhere.example is not a valid IP or resolvable host."
    );
    let combined = refused(&[("ip", None), ("user", None)]);
    assert!(combined.contains("should not be combined"), "{combined}");
}

#[test]
fn values_have_to_fit_their_key() {
    let refused = |parts: Parts, key, value| {
        let mut world = World::with_brokers(1);
        let entries = vec![entry(parts, &[(key, Some(value))])];
        alter(&mut world, entries, false).1.remove(0).1
    };
    let ip: Parts = &[("ip", Some("known.example"))];

    assert_eq!(refused(CLIENT, "request_percentage", 0.5), "");
    assert_eq!(refused(ip, "connection_creation_rate", 5.0), "");
    assert_eq!(
        refused(CLIENT, RATE, 0.5),
        "producer_byte_rate cannot be a fractional value."
    );
    assert_eq!(
        refused(CLIENT, RATE, 0.0),
        "Quota producer_byte_rate must be greater than 0"
    );
    assert_eq!(
        refused(ip, "connection_creation_rate", 3e9),
        "Proposed value for connection_creation_rate is too large for an INT."
    );
    assert_eq!(
        refused(ip, RATE, 1.0),
        "Invalid configuration key producer_byte_rate"
    );
    assert_eq!(
        refused(CLIENT, "connection_creation_rate", 1.0),
        "Invalid configuration key connection_creation_rate"
    );
}

#[test]
fn an_entity_and_a_key_appear_once() {
    let mut world = World::with_brokers(1);
    let one = || entry(CLIENT, &[(RATE, Some(1.0))]);
    let twice = entry(&[("user", None)], &[(RATE, Some(1.0)), (RATE, Some(2.0))]);

    let (records, outcomes) = alter(&mut world, vec![one(), one(), twice], false);

    assert_eq!(records, [record(CLIENT, RATE, Some(1.0))]);
    let messages: Vec<&str> = outcomes.iter().map(|(_, message)| &**message).collect();
    assert_eq!(
        messages,
        [
            "Ignoring duplicate entity ClientQuotaEntity(entries={client-id=c})",
            "Ignoring duplicate entity ClientQuotaEntity(entries={user=null})",
        ]
    );
}
