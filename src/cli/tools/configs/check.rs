//! Which arguments go together, in the order and words of Kafka's tool.

use std::net::ToSocketAddrs as _;

use super::ConfigsArguments;
use super::entities::{Entities, EntityType};
use super::failure::Failure;
use crate::cli::tools::ending::exclude;

impl ConfigsArguments {
    /// Checks which arguments go together.
    ///
    /// # Errors
    /// Kafka's sentence for what does not.
    pub(super) fn check(&self, entities: &Entities) -> Result<(), Failure> {
        if self.alter == self.describe {
            let reason = "Command must include exactly one action: --describe, --alter";
            return Err(Failure::Usage(reason.to_owned()));
        }
        exclude(
            ("describe", self.describe),
            &[
                ("add-config", self.add_config.is_some()),
                ("delete-config", !self.delete_config.is_empty()),
            ],
        )?;
        check_repeated(entities)?;
        self.check_entry()?;
        check_types(entities)?;
        if self.entities.listed.is_used() && self.entities.has_single() {
            return Err(Failure::told(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ));
        }
        if self.connection.bootstrap_server.is_some()
            && self.connection.bootstrap_controller.is_some()
        {
            return Err(Failure::told(
                "Only one of --bootstrap-server or --bootstrap-controller can be specified",
            ));
        }
        self.check_names(entities)?;
        if self.describe {
            return self.check_describe(entities);
        }
        self.check_alter(entities)
    }

    fn check_entry(&self) -> Result<(), Failure> {
        let connection = &self.connection;
        if connection.zookeeper.is_some() {
            // It tells what has taken the place of this option.
            connection.entry()?;
        }
        if connection.bootstrap_server.is_none() && connection.bootstrap_controller.is_none() {
            return Err(Failure::told(
                "Either --bootstrap-server or --bootstrap-controller must be specified.",
            ));
        }
        Ok(())
    }

    fn check_names(&self, entities: &Entities) -> Result<(), Failure> {
        let first = entities.types.first().map_or("", String::as_str);
        let named = || self.entities.listed.given_names();
        if entities.has(EntityType::Brokers) || entities.has(EntityType::BrokerLoggers) {
            let single = [&self.entities.broker, &self.entities.broker_logger];
            let single = single.into_iter().filter_map(|id| id.as_deref());
            for id in named().chain(single).filter(|_| entities.has_name()) {
                if id.parse::<i32>().is_err() {
                    return Err(Failure::told(format!(
                        "The entity name for {first} must be a valid integer broker id, but it is: {id}"
                    )));
                }
            }
        }
        if entities.has(EntityType::Ips) {
            for address in named().chain(self.entities.ip.as_deref()) {
                if (address, 0).to_socket_addrs().is_err() {
                    return Err(Failure::told(format!(
                        "The entity name for {first} must be a valid IP or resolvable host, but it is: {address}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_describe(&self, entities: &Entities) -> Result<(), Failure> {
        let types = entities.types.join(",");
        if !may_be_default(entities) && self.entities.listed.has_default() {
            return Err(Failure::told(format!(
                "--entity-default must not be specified with --describe of {types}"
            )));
        }
        if entities.has(EntityType::BrokerLoggers) && !entities.has_name() {
            return Err(Failure::told(format!(
                "An entity name must be specified with --describe of {types}"
            )));
        }
        Ok(())
    }

    fn check_alter(&self, entities: &Entities) -> Result<(), Failure> {
        if may_be_default(entities) {
            if !entities.has_name() && !entities.has_default() {
                return Err(Failure::told(
                    "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
                ));
            }
        } else if !entities.has_name() {
            return Err(Failure::told(format!(
                "An entity name must be specified with --alter of {}",
                entities.types.join(",")
            )));
        }
        match (
            &self.add_config,
            &self.add_config_file,
            self.delete_config.as_slice(),
        ) {
            (Some(_), Some(_), _) => Err(Failure::told(
                "Only one of --add-config or --add-config-file must be specified",
            )),
            (None, None, []) => Err(Failure::told(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            )),
            _ => Ok(()),
        }
    }
}

fn check_repeated(entities: &Entities) -> Result<(), Failure> {
    let repeated = (0..).zip(&entities.types);
    let repeated: Vec<&str> = repeated
        .filter(|(place, name)| entities.types[..*place].contains(name))
        .map(|(_, name)| name.as_str())
        .collect();
    if repeated.is_empty() {
        return Ok(());
    }
    Err(Failure::told(format!(
        "Duplicate entity type(s) specified: {}",
        repeated.join(",")
    )))
}

fn check_types(entities: &Entities) -> Result<(), Failure> {
    let is_unknown = |name: &&String| EntityType::of(name).is_none();
    if let Some(name) = entities.types.iter().find(is_unknown) {
        return Err(Failure::told(format!(
            "Invalid entity type {name}, the entity type must be one of {} with a --bootstrap-server or \
             --bootstrap-controller argument",
            EntityType::ALL.map(EntityType::name).join(", ")
        )));
    }
    let is_pair = entities.has(EntityType::Users) && entities.has(EntityType::Clients);
    match entities.types.len() {
        0 => Err(Failure::told("At least one entity type must be specified")),
        1 => Ok(()),
        2 if is_pair => Ok(()),
        _ => Err(Failure::told(
            "Only 'users' and 'clients' entity types may be specified together",
        )),
    }
}

/// Whether there is a default entity of one of the types.
fn may_be_default(entities: &Entities) -> bool {
    entities.known_types().any(|entity_type| {
        matches!(
            entity_type,
            EntityType::Users | EntityType::Clients | EntityType::Brokers | EntityType::Ips
        )
    })
}
