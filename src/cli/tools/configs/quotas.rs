//! The quotas of users, clients and addresses.

use std::io::{self, Write as _};

use super::changes::Changes;
use super::entities::{Entities, EntityType};
use super::failure::Failure;
use super::java;
use super::resources::PATIENCE;
use crate::cli::tools::java_order::in_map_order;
use crate::client::{Cluster, ClusterError, To};
use crate::protocol::Str;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use crate::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, EntryData, ValueData,
};

/// The quotas that users and clients have.
const OF_CLIENTS: [&str; 4] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
];
/// The quota that addresses have.
const OF_ADDRESSES: &str = "connection_creation_rate";

/// How a component of an entity matches, in requests.
const EXACTLY: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// Whether this is a quota of users and clients.
pub(super) fn is_quota(name: &str) -> bool {
    OF_CLIENTS.contains(&name)
}

/// Checks that addresses get nothing but their quota.
pub(super) fn check_for_addresses(changes: &Changes) -> Result<(), Failure> {
    let names = changes.names();
    let others: Vec<&str> = names.filter(|name| *name != OF_ADDRESSES).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::Told(format!(
        "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
        others.join(",")
    )))
}

/// Tells the quotas of the entities, a line for each that has any.
pub(super) async fn describe(cluster: &mut Cluster, entities: &Entities) -> Result<(), Failure> {
    for entry in entries(cluster, entities).await? {
        let quotas = in_order(&entry);
        let quotas: Vec<String> = quotas
            .iter()
            .map(|quota| format!("{}={}", quota.key, java::shown(quota.value)))
            .collect();
        writeln!(
            io::stdout(),
            "Quota configs for {} are {}",
            shown(&entry),
            quotas.join(", ")
        )?;
    }
    Ok(())
}

/// The quotas of an entity in the order in which Kafka's tool prints them.
fn in_order(entry: &EntryData) -> Vec<&ValueData> {
    in_map_order(entry.values.iter().collect(), |quota| &*quota.key)
}

/// An entity: `user-principal 'alice', the default client-id`.
fn shown(entry: &EntryData) -> String {
    let parts = [
        ("user", "user-principal"),
        ("client-id", "client-id"),
        ("ip", "ip"),
    ];
    let part = |(entity_type, shown): (&str, &str)| {
        let mut parts = entry.entity.iter();
        let found = parts.find(|part| &*part.entity_type == entity_type)?;
        Some(match &found.entity_name {
            Some(name) => format!("{shown} '{name}'"),
            None => format!("the default {shown}"),
        })
    };
    let parts: Vec<String> = parts.into_iter().filter_map(part).collect();
    parts.join(", ")
}

/// What the cluster calls a type of entities that have quotas.
fn component(entity_type: EntityType) -> &'static str {
    match entity_type {
        EntityType::Users => "user",
        EntityType::Clients => "client-id",
        _ => "ip",
    }
}

/// The entities that have quotas. Where no name is given for a type, all of it are meant.
async fn entries(cluster: &mut Cluster, entities: &Entities) -> Result<Vec<EntryData>, Failure> {
    if entities.names.len() > entities.types.len() {
        return Err(Failure::told(
            "More entity names specified than entity types",
        ));
    }
    let names = entities.names.iter().map(Some);
    let names = names.chain(std::iter::repeat(None));
    let components = entities.known_types().zip(names);
    let components = components.map(|(entity_type, name)| {
        let (match_type, match_value) = match name.map(String::as_str) {
            Some("") => (DEFAULT, None),
            Some(name) => (EXACTLY, Some(Str::copy_from(name))),
            None => (ANY, None),
        };
        ComponentData {
            entity_type: Str::from_static(component(entity_type)),
            match_type,
            match_value,
        }
    });
    let request = DescribeClientQuotasRequest {
        components: components.collect(),
        strict: true,
    };
    cluster.limit(PATIENCE);
    let answer = cluster.ask(To::Any, &request).await?;
    ClusterError::check(answer.error_code, answer.error_message)?;
    Ok(answer.entries.unwrap_or_default())
}

/// Changes the quotas of one entity.
pub(super) async fn alter(
    cluster: &mut Cluster,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    let there = entries(cluster, entities).await?;
    let has = |name: &str| {
        let first = there.first();
        first.is_some_and(|entry| entry.values.iter().any(|quota| &*quota.key == name))
    };
    let missing: Vec<&str> = changes
        .delete
        .iter()
        .map(String::as_str)
        .filter(|name| !has(name))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(",");
        return Err(Failure::Told(format!("Invalid config(s): {missing}")));
    }
    let parts = entities.known_types().zip(&entities.names);
    let parts = parts.map(|(entity_type, name)| EntityData {
        entity_type: Str::from_static(component(entity_type)),
        entity_name: (!name.is_empty()).then(|| Str::copy_from(name)),
    });
    let request = AlterClientQuotasRequest {
        entries: vec![RequestEntryData {
            entity: parts.collect(),
            ops: operations(changes)?,
        }],
        validate_only: false,
    };
    let answer = cluster.ask(To::Any, &request).await?;
    for entry in answer.entries {
        ClusterError::check(entry.error_code, entry.error_message)?;
    }
    Ok(())
}

fn operations(changes: &Changes) -> Result<Vec<OpData>, Failure> {
    let mut operations = Vec::new();
    for (name, text) in &changes.set {
        let value = java::parse(text).ok_or_else(|| {
            Failure::Told(format!(
                "Cannot parse quota configuration value for {name}: {text}"
            ))
        })?;
        operations.push(OpData {
            key: Str::copy_from(name),
            value,
            remove: false,
        });
    }
    let removed = changes.delete.iter().map(|name| OpData {
        key: Str::copy_from(name),
        value: 0.0,
        remove: true,
    });
    operations.extend(removed);
    Ok(operations)
}
