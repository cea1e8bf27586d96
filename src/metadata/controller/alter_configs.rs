//! AlterConfigs, the older form: the values given replace all that a resource has.

use std::collections::BTreeMap;

use super::Controller;
use super::config_changes::ConfigChange;
use super::create_topics::duplicates;
use super::decision::{Decision, Refusal, error_fields};
use super::request::{Circumstances, ControllerRequest};
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

impl ControllerRequest for AlterConfigsRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<AlterConfigsResponse>, Refusal> {
        Ok(controller.alter_configs(self))
    }

    fn refuse(&self, refusal: &Refusal) -> AlterConfigsResponse {
        let refused = Err(refusal.clone());
        let resources = self.resources.iter();
        AlterConfigsResponse {
            responses: resources
                .map(|resource| result(resource, &refused))
                .collect(),
            ..AlterConfigsResponse::default()
        }
    }
}

impl Controller {
    /// Decides which of the resources are altered.
    pub(super) fn alter_configs(
        &self,
        request: &AlterConfigsRequest,
    ) -> Decision<AlterConfigsResponse> {
        let keys: Vec<(i8, &Str)> = request.resources.iter().map(resource_key).collect();
        let duplicates = duplicates(keys.iter());
        let mut records = Vec::new();
        let mut response = AlterConfigsResponse::default();
        for resource in &request.resources {
            let outcome = if duplicates.contains(&resource_key(resource)) {
                Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Each resource must appear at most once.",
                ))
            } else {
                self.replace_configs(resource)
            };
            let outcome = outcome.map(|new| records.extend(new));
            response.responses.push(result(resource, &outcome));
        }
        if request.validate_only {
            records.clear();
        }
        Decision {
            records,
            answer: response,
        }
    }

    fn replace_configs(
        &self,
        resource: &AlterConfigsResource,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        check_form(resource)?;
        let name = &*resource.resource_name;
        let kind = self.alterable(resource.resource_type, name)?;
        let given = resource.configs.iter();
        let given = given.map(|config| (config.name.clone(), config.value.clone()));
        let mut values: BTreeMap<Str, Option<Str>> = given.collect();
        let current = self.image.configs().of(kind, name).into_iter().flatten();
        for (key, _) in current {
            if !values.contains_key(&**key) {
                values.insert(key.into(), None);
            }
        }
        self.config_records(&ConfigChange { kind, name, values })
    }
}

fn check_form(resource: &AlterConfigsResource) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    let configs = resource.configs.iter();
    if !duplicates(configs.clone().map(|config| &config.name)).is_empty() {
        return invalid("Error due to duplicate config keys".to_owned());
    }
    let nulls = configs.filter(|config| config.value.is_none());
    let nulls: Vec<&str> = nulls.map(|config| &*config.name).collect();
    if !nulls.is_empty() {
        return invalid(format!(
            "Null value not supported for : {}",
            nulls.join(", ")
        ));
    }
    Ok(())
}

fn resource_key(resource: &AlterConfigsResource) -> (i8, &Str) {
    (resource.resource_type, &resource.resource_name)
}

fn result(
    resource: &AlterConfigsResource,
    outcome: &Result<(), Refusal>,
) -> AlterConfigsResourceResponse {
    let (error_code, error_message) = error_fields(outcome);
    AlterConfigsResourceResponse {
        error_code,
        error_message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}
