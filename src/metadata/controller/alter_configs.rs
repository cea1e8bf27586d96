//! AlterConfigs, the older form: the values given replace all that a resource has.

use std::collections::BTreeMap;

use super::Controller;
use super::config_changes::{ConfigChange, check_form, decide_each, refuse_each};
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::protocol::Str;
use crate::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse,
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
        AlterConfigsResponse {
            responses: refuse_each(&self.resources, refusal),
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
        let decide = |resource: &AlterConfigsResource| self.replace_configs(resource);
        let decision = decide_each(&request.resources, request.validate_only, decide);
        decision.map(|responses| AlterConfigsResponse {
            responses,
            ..AlterConfigsResponse::default()
        })
    }

    fn replace_configs(
        &self,
        resource: &AlterConfigsResource,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let configs = resource.configs.iter();
        let nulls = configs.clone().filter(|config| config.value.is_none());
        check_form(
            configs.map(|config| &config.name),
            nulls.map(|config| &config.name),
        )?;
        let name = &*resource.resource_name;
        let kind = Self::alterable(resource.resource_type, name)?;
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
