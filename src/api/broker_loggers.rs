//! Loggers as a resource of DescribeConfigs and IncrementalAlterConfigs (KIP-412): their levels belong to
//! this process, and are no part of the metadata.

use super::Api;
use crate::metadata::controller::Refusal;
use crate::protocol::ErrorCode;
use crate::protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use crate::telemetry::{LOG_LEVELS, LogGate, Loggers, ROOT_LOGGER};

/// Kafka's number of this kind of resource.
pub const BROKER_LOGGER: i8 = 8;

/// Kafka's numbers of the operations on a level.
mod operation {
    pub(super) const SET: i8 = 0;
    pub(super) const DELETE: i8 = 1;
    pub(super) const APPEND: i8 = 2;
    pub(super) const SUBTRACT: i8 = 3;
}

/// A request may change any number of levels.
static CHANGES: LogGate = LogGate::new();

/// Sets and unsets levels: all that the resource asks for, or none.
///
/// # Errors
/// The first fault of the request, with Kafka's code and message.
pub fn alter(
    api: &Api,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    check_name(api, &resource.resource_name)?;
    for config in &resource.configs {
        check(api.loggers(), config)?;
    }
    // All are checked by now: a request with a wrong logger in it changes none.
    if validate_only {
        return Ok(());
    }
    for config in &resource.configs {
        let name = &*config.name;
        match &config.value {
            Some(level) if config.config_operation == operation::SET => {
                api.loggers().set(name, level);
                if let Some(suppressed) = CHANGES.pass() {
                    tracing::warn!(logger = name, %level, suppressed, "the level of a logger has changed");
                }
            }
            _ => {
                api.loggers().unset(name);
                if let Some(suppressed) = CHANGES.pass() {
                    tracing::warn!(
                        logger = name,
                        suppressed,
                        "a logger has no level of its own any more"
                    );
                }
            }
        }
    }
    Ok(())
}

fn check_name(api: &Api, name: &str) -> Result<(), Refusal> {
    let message = match name.parse::<i32>() {
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
        Ok(id) if id != api.node_id().0 => {
            let own = api.node_id();
            format!("Unexpected node id. Expected {own}, but received {id}")
        }
        Ok(_) => return Ok(()),
    };
    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
}

fn check(loggers: &Loggers, config: &AlterableConfig) -> Result<(), Refusal> {
    let invalid_request = |message: String| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    let invalid_config = |message: String| Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
    let name = &*config.name;
    match config.config_operation {
        operation::SET | operation::DELETE if !loggers.has(name) => {
            invalid_config(format!("Logger {name} does not exist!"))
        }
        operation::SET => {
            let level = config.value.as_deref().unwrap_or_default();
            if LOG_LEVELS.contains(&level) {
                return Ok(());
            }
            invalid_config(format!(
                "Cannot set the log level of {name} to {level} as it is not a supported log \
                 level. Valid log levels are {}",
                LOG_LEVELS.join(", ")
            ))
        }
        operation::DELETE if name == ROOT_LOGGER => invalid_request(format!(
            "Removing the log level of the {ROOT_LOGGER} logger is not allowed"
        )),
        operation::DELETE => Ok(()),
        operation::APPEND => invalid_request(
            "APPEND operation is not allowed for the BROKER_LOGGER resource".to_owned(),
        ),
        operation::SUBTRACT => invalid_request(
            "SUBTRACT operation is not allowed for the BROKER_LOGGER resource".to_owned(),
        ),
        other => invalid_request(format!(
            "Unknown operation type {other} is not allowed for the BROKER_LOGGER resource"
        )),
    }
}
