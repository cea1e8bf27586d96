//! Changes configs.

use super::changes::Changes;
use super::describe::of_one;
use super::entities::{Entities, EntityType};
use super::failure::Failure;
use super::resources::{PATIENCE, ResourceType};
use super::{credentials, quotas};
use crate::cli::tools::admin::not_controller;
use crate::client::{Cluster, ClusterError, Entry, To};
use crate::protocol::Str;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

/// What is done to a config, in requests.
const SET: i8 = 0;
const DELETE: i8 = 1;

const TOO_OLD: &str = "The INCREMENTAL_ALTER_CONFIGS API is not supported by the cluster. The API is supported \
                       starting from version 2.3.0.";

/// Changes the configs of the entities.
pub(super) async fn alter(
    cluster: &mut Cluster,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    let entity_type = entities.first_type();
    let Some(resource_type) = ResourceType::of(entity_type) else {
        return alter_quotas_or_credentials(cluster, entities, changes).await;
    };
    let name = entities.names.first().map_or("", String::as_str);
    if resource_type == ResourceType::BrokerLogger {
        check_loggers(cluster, name, changes).await?;
    }
    match alter_resource(cluster, resource_type, name, changes).await? {
        Err(ClusterError::NotServed(_)) if resource_type != ResourceType::BrokerLogger => {
            Err(Failure::told(TOO_OLD))
        }
        done => Ok(done?),
    }
}

/// Checks that there are the loggers whose levels are to be changed.
async fn check_loggers(
    cluster: &mut Cluster,
    node: &str,
    changes: &Changes,
) -> Result<(), Failure> {
    let names = [node.to_owned()];
    let results = ResourceType::BrokerLogger
        .configs(cluster, &names, false)
        .await?;
    let loggers = of_one(&results, node)?;
    let is_missing = |name: &&str| loggers.iter().all(|logger| &*logger.name != *name);
    let named = changes.delete.iter().chain(changes.set.keys());
    let missing: Vec<&str> = named.map(String::as_str).filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(",");
    Err(Failure::Told(format!(
        "Invalid broker logger(s): {missing}"
    )))
}

async fn alter_resource(
    cluster: &mut Cluster,
    resource_type: ResourceType,
    name: &str,
    changes: &Changes,
) -> Result<Result<(), ClusterError>, Failure> {
    let is_logger = resource_type == ResourceType::BrokerLogger;
    let to = match resource_type.node(name)? {
        // Among controllers the active one changes what a broker is configured to.
        Some(node) if is_logger || cluster.options().entry == Entry::Brokers => To::Node(node),
        _ => To::Any,
    };
    let change = |name: &String, config_operation, value| AlterableConfig {
        name: Str::copy_from(name),
        config_operation,
        value: Some(Str::copy_from(value)),
    };
    let deleted = changes.delete.iter().map(|name| change(name, DELETE, ""));
    let set = changes.set.iter();
    let set = set.map(|(name, value)| change(name, SET, value.as_str()));
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: resource_type.number(),
            resource_name: Str::copy_from(name),
            configs: deleted.chain(set).collect(),
        }],
        validate_only: false,
    };
    cluster.limit(PATIENCE);
    let asked = cluster.ask_until(to, &request, |answer| {
        not_controller(answer.responses.iter().map(|it| it.error_code))
    });
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    let mut results = answer.responses.into_iter();
    let refused = results.find(|it| it.error_code.is_error());
    Ok(refused.map_or(Ok(()), |it| {
        ClusterError::check(it.error_code, it.error_message)
    }))
}

async fn alter_quotas_or_credentials(
    cluster: &mut Cluster,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    if entities.first_type() == EntityType::Ips {
        quotas::check_for_addresses(changes)?;
        return quotas::alter(cluster, entities, changes).await;
    }
    let has_quotas = changes.names().any(quotas::is_quota);
    if entities.has(EntityType::Clients) {
        check_names(changes, "quota", EntityType::Clients, quotas::is_quota)?;
    } else {
        let kinds = "quota and SCRAM credential";
        check_names(changes, kinds, EntityType::Users, |name| {
            quotas::is_quota(name) || credentials::is_mechanism(name)
        })?;
        let has_credentials = changes.names().any(credentials::is_mechanism);
        if has_credentials && entities.has_default() {
            return Err(Failure::told(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
                 --bootstrap-server.",
            ));
        }
        if has_credentials && has_quotas {
            return Err(Failure::told(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using \
                 --bootstrap-server.",
            ));
        }
    }
    if has_quotas {
        return quotas::alter(cluster, entities, changes).await;
    }
    match entities.names.as_slice() {
        [user] => credentials::alter(cluster, user, changes).await,
        names => Err(Failure::Thrown(format!(
            "java.lang.IllegalStateException: Altering user SCRAM credentials should never occur for more zero or \
             multiple users: List({})",
            names.join(", ")
        ))),
    }
}

/// Checks that nothing but what is expected is set and deleted. What is not is told with the names of the Scala
/// classes that Kafka's tool has it in.
fn check_names(
    changes: &Changes,
    kinds: &str,
    entity_type: EntityType,
    is_expected: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let unexpected = |names: &mut dyn Iterator<Item = &String>| {
        let others = names.map(String::as_str).filter(|name| !is_expected(name));
        // Credentials come last.
        let (credentials, mut unknown): (Vec<&str>, Vec<&str>) =
            others.partition(|name| credentials::is_mechanism(name));
        unknown.extend(credentials);
        unknown.join(", ")
    };
    let set = ("added", "Set", unexpected(&mut changes.set.keys()));
    let deleted = (
        "deleted",
        "ArrayBuffer",
        unexpected(&mut changes.delete.iter()),
    );
    for (what, class, names) in [set, deleted] {
        if !names.is_empty() {
            return Err(Failure::Told(format!(
                "Only {kinds} configs can be {what} for '{}' using --bootstrap-server. Unexpected config names: \
                 {class}({names})",
                entity_type.name()
            )));
        }
    }
    Ok(())
}
