//! AlterClientQuotas: quotas of users, client ids and addresses are set and removed, each entity on
//! its own (KIP-546).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Controller;
use super::decision::{Decision, Refusal, error_fields};
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::QuotaEntity;
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, EntityData, RequestEntryData,
    ResponseEntryData,
};
use crate::protocol::messages::metadata_records::{ClientQuotaRecord, MetadataRecord, config};
use crate::quota::{CLIENT_ID, CONNECTION_CREATION_RATE, IP, QuotaKind, USER};

/// The values that a quota may have.
#[derive(Clone, Copy, Debug)]
enum Values {
    Int,
    Long,
    Double,
}

impl ControllerRequest for AlterClientQuotasRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<AlterClientQuotasResponse>, Refusal> {
        Ok(controller.alter_client_quotas(self, &circumstances.context.hosts))
    }

    fn refuse(&self, refusal: &Refusal) -> AlterClientQuotasResponse {
        let refused = Err(refusal.clone());
        let entries = self.entries.iter();
        AlterClientQuotasResponse {
            entries: entries.map(|entry| result(entry, &refused)).collect(),
            ..AlterClientQuotasResponse::default()
        }
    }
}

impl Controller {
    /// Decides which quotas change. `hosts` are those names of entities that are an address or have one.
    pub(super) fn alter_client_quotas(
        &self,
        request: &AlterClientQuotasRequest,
        hosts: &BTreeSet<Str>,
    ) -> Decision<AlterClientQuotasResponse> {
        let mut records = Vec::new();
        let mut outcomes: BTreeMap<QuotaEntity, Result<(), Refusal>> = BTreeMap::new();
        let mut order: Vec<(QuotaEntity, &RequestEntryData)> = Vec::new();
        for entry in &request.entries {
            let entity = entity_of(entry);
            let outcome = if outcomes.contains_key(&entity) {
                invalid(duplicate(&entity))
            } else {
                order.push((entity.clone(), entry));
                let new = self.altered_quotas(&entity, entry, hosts);
                new.map(|new| records.extend(new))
            };
            outcomes.insert(entity, outcome);
        }
        if request.validate_only {
            records.clear();
        }
        let entries = order
            .iter()
            .map(|(entity, entry)| result(entry, &outcomes[entity]));
        Decision {
            records,
            answer: AlterClientQuotasResponse {
                entries: entries.collect(),
                ..AlterClientQuotasResponse::default()
            },
        }
    }

    fn altered_quotas(
        &self,
        entity: &QuotaEntity,
        entry: &RequestEntryData,
        hosts: &BTreeSet<Str>,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let mut values: BTreeMap<&Str, Option<f64>> = BTreeMap::new();
        for op in &entry.ops {
            let value = (!op.remove).then_some(op.value);
            if values.insert(&op.key, value).is_some() {
                return invalid(duplicate(entity));
            }
        }
        check_entity(entity, entry.entity.len(), hosts)?;
        let mut records = Vec::new();
        for (key, value) in values {
            let current = self.image.client_quotas().get(entity, key);
            if let Some(value) = value {
                check_value(entity, key, value)?;
            }
            if value != current {
                records.push(record(entity, key, value));
            }
        }
        Ok(records)
    }
}

/// The entity of an entry, as the image has it.
fn entity_of(entry: &RequestEntryData) -> QuotaEntity {
    let part = |part: &EntityData| {
        let name = part.entity_name.as_deref().map(Arc::from);
        (Arc::from(&*part.entity_type), name)
    };
    let mut entity: QuotaEntity = entry.entity.iter().map(part).collect();
    entity.sort_unstable();
    entity.dedup_by(|later, earlier| later.0 == earlier.0);
    entity
}

/// Kafka's message for an entity, or for a key, that stands in the request twice.
fn duplicate(entity: &QuotaEntity) -> String {
    format!("Ignoring duplicate entity {}", shown(entity))
}

fn check_entity(entity: &QuotaEntity, parts: usize, hosts: &BTreeSet<Str>) -> Result<(), Refusal> {
    if entity.is_empty() {
        return invalid("Invalid empty client quota entity".to_owned());
    }
    if entity.len() < parts {
        return invalid("Invalid client quota entity, duplicate entity entry".to_owned());
    }
    for (kind, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&&**kind) {
            return invalid(format!("Unhandled client quota entity type: {kind}"));
        }
        if name.as_deref() == Some("") {
            return invalid(format!("Empty {kind} not supported"));
        }
    }
    let Some((_, name)) = entity.iter().find(|(kind, _)| **kind == *IP) else {
        return Ok(());
    };
    if entity.len() > 1 {
        let message = "Invalid quota entity combination, IP entity should not be combined with \
                       User or ClientId";
        return invalid(message.to_owned());
    }
    match name {
        Some(name) if !hosts.contains(&**name) => {
            invalid(format!("{name} is not a valid IP or resolvable host."))
        }
        _ => Ok(()),
    }
}

fn check_value(entity: &QuotaEntity, key: &str, value: f64) -> Result<(), Refusal> {
    let is_ip = entity.iter().any(|(kind, _)| **kind == *IP);
    let Some(values) = values_of(key, is_ip) else {
        return invalid(format!("Invalid configuration key {key}"));
    };
    if value.is_nan() || value <= 0.0 {
        return invalid(format!("Quota {key} must be greater than 0"));
    }
    let (most, name) = match values {
        Values::Double => return Ok(()),
        Values::Int => (f64::from(i32::MAX), "an INT"),
        Values::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > most {
        return invalid(format!("Proposed value for {key} is too large for {name}."));
    }
    if value.fract() > 1e-6 {
        return invalid(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}

fn values_of(key: &str, is_ip: bool) -> Option<Values> {
    if is_ip {
        return (key == CONNECTION_CREATION_RATE).then_some(Values::Int);
    }
    let kind = QuotaKind::ALL.into_iter().find(|kind| kind.key() == key)?;
    Some(match kind {
        QuotaKind::Produce | QuotaKind::Fetch => Values::Long,
        QuotaKind::Request | QuotaKind::ControllerMutation => Values::Double,
    })
}

fn record(entity: &QuotaEntity, key: &Str, value: Option<f64>) -> MetadataRecord {
    let parts = entity.iter().map(|(kind, name)| config::EntityData {
        entity_type: kind.into(),
        entity_name: name.as_ref().map(Into::into),
    });
    ClientQuotaRecord {
        entity: parts.collect(),
        key: key.clone(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    }
    .into()
}

/// An entity as Kafka's messages show it.
fn shown(entity: &QuotaEntity) -> String {
    let parts = entity
        .iter()
        .map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("null")));
    let parts: Vec<String> = parts.collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}

fn invalid<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
}

fn result(entry: &RequestEntryData, outcome: &Result<(), Refusal>) -> ResponseEntryData {
    let (error_code, error_message) = error_fields(outcome);
    ResponseEntryData {
        error_code,
        error_message,
        entity: entry.entity.clone(),
    }
}
