//! IncrementalAlterConfigs: sets and removes single values, adds to lists and takes from them (KIP-339).

use std::collections::BTreeMap;

use super::Controller;
use super::config_changes::{
    AlteredResource, ConfigChange, check_form, check_once, decide_each, is_list, key_of,
    named_twice, refuse_each,
};
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::ResourceKind;
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

/// What to do to a value, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_wire(number: i8) -> Result<Self, Refusal> {
        match number {
            0 => Ok(Self::Set),
            1 => Ok(Self::Delete),
            2 => Ok(Self::Append),
            3 => Ok(Self::Subtract),
            _ => {
                let message = format!("Unknown operations type {number}");
                Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

impl ControllerRequest for IncrementalAlterConfigsRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<IncrementalAlterConfigsResponse>, Refusal> {
        Ok(controller.incremental_alter_configs(self))
    }

    fn refuse(&self, refusal: &Refusal) -> IncrementalAlterConfigsResponse {
        IncrementalAlterConfigsResponse {
            responses: refuse_each(&self.resources, refusal),
            ..IncrementalAlterConfigsResponse::default()
        }
    }
}

impl Controller {
    /// Decides which of the resources are altered.
    pub(super) fn incremental_alter_configs(
        &self,
        request: &IncrementalAlterConfigsRequest,
    ) -> Decision<IncrementalAlterConfigsResponse> {
        let decide = |resource: &AlterConfigsResource| self.alter_incrementally(resource);
        let decision = decide_each(&request.resources, request.validate_only, decide);
        decision.map(|responses| IncrementalAlterConfigsResponse {
            responses,
            ..IncrementalAlterConfigsResponse::default()
        })
    }

    fn alter_incrementally(
        &self,
        resource: &AlterConfigsResource,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        check_resource(resource)?;
        let kind = Self::alterable(resource.resource_type, &resource.resource_name)?;
        let mut values = BTreeMap::new();
        for config in &resource.configs {
            let value = self.altered_value(kind, &resource.resource_name, config)?;
            values.insert(config.name.clone(), value);
        }
        self.config_records(&ConfigChange {
            kind,
            name: &resource.resource_name,
            values,
        })
    }

    /// The value of a key after one operation; `None` removes it.
    fn altered_value(
        &self,
        kind: ResourceKind,
        name: &str,
        config: &AlterableConfig,
    ) -> Result<Option<Str>, Refusal> {
        let operation = Operation::from_wire(config.config_operation)?;
        let operand = config.value.clone().unwrap_or_default();
        match operation {
            Operation::Set => return Ok(Some(operand)),
            Operation::Delete => return Ok(None),
            Operation::Append | Operation::Subtract => {}
        }
        if !is_list(kind, &config.name) {
            return Err(not_a_list(kind, operation, &config.name));
        }
        let current = self.image.configs().get(kind, name, &config.name);
        let current = current.map(|value| value.to_string());
        // An entry is added to what holds now, which for a key that was never set is its default.
        let current = current.or_else(|| {
            let key = key_of(kind, &config.name)?;
            Some(key.default_value()?.to_string())
        });
        let current = current.unwrap_or_default();
        let mut entries: Vec<&str> = current
            .split(',')
            .filter(|entry| !entry.is_empty())
            .collect();
        for entry in operand.split(',') {
            let position = entries.iter().position(|existing| *existing == entry);
            match (operation, position) {
                (Operation::Append, None) => entries.push(entry),
                (Operation::Subtract, Some(position)) => {
                    entries.remove(position);
                }
                // Adding what is there, or taking what is not, changes nothing: the request may be a retry.
                _ => {}
            }
        }
        Ok(Some(entries.join(",").into()))
    }
}

fn not_a_list(kind: ResourceKind, operation: Operation, key: &str) -> Refusal {
    let message = match kind {
        ResourceKind::Broker if key_of(kind, key).is_none() => {
            format!("Unknown config name: {key}")
        }
        ResourceKind::Broker => {
            let operation = operation.name().to_ascii_lowercase();
            format!("Config value {operation} is not allowed for config key: {key}")
        }
        _ => format!(
            "Can't {} to key {key} because its type is not LIST.",
            operation.name()
        ),
    };
    Refusal::new(ErrorCode::INVALID_CONFIG, message)
}

/// Checks what holds for a resource of any kind: it appears once in the request, as does each of
/// its keys, and no value is missing.
///
/// # Errors
/// INVALID_REQUEST, with Kafka's message.
pub fn check_alterations(
    request: &IncrementalAlterConfigsRequest,
    resource: &AlterConfigsResource,
) -> Result<(), Refusal> {
    check_once(&named_twice(&request.resources), resource)?;
    check_resource(resource)
}

/// Whether the key has the given value after the alteration, or has it among others.
pub fn adds_values(config: &AlterableConfig) -> bool {
    let operation = Operation::from_wire(config.config_operation);
    matches!(operation, Ok(Operation::Set | Operation::Append))
}

/// The part of the answer for one resource, altered or refused.
pub fn alteration_answer<R: AlteredResource>(
    resource: &R,
    outcome: &Result<(), Refusal>,
) -> R::Answer {
    resource.answer(outcome)
}

fn check_resource(resource: &AlterConfigsResource) -> Result<(), Refusal> {
    let configs = resource.configs.iter();
    // Any operation but DELETE needs a value, an unknown operation as well.
    let is_null = |config: &&AlterableConfig| {
        config.value.is_none()
            && Operation::from_wire(config.config_operation) != Ok(Operation::Delete)
    };
    let nulls = configs.clone().filter(is_null);
    check_form(
        configs.map(|config| &config.name),
        nulls.map(|config| &config.name),
    )
}
