//! DescribeConfigs (key 32), versions 1-4: settings with their sources and synonyms.
//!
//! Topics, groups, client metrics subscriptions, this broker and its loggers are described. Version 3
//! adds types and documentation.
//!
//! A resource that is asked for again is answered once, where Kafka repeats it: an answer is hundreds
//! of times larger than what asks for it.

use std::collections::BTreeSet;

use super::Api;
use super::broker_loggers::BROKER_LOGGER;
use super::context::{AnswerRoom, NO_ROOM, RequestContext};
use crate::config::{self, Entry, Synonym};
use crate::config::{Kind, Layers, NoOverrides};
use crate::metadata::controller::check_topic_name;
use crate::metadata::image::{MetadataImage, Overrides, ResourceKind};
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::protocol::{ErrorCode, Str};

/// Why a resource is not described.
type Refusal = (ErrorCode, String);

/// Answers for each resource by itself.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = api.image();
    let describer = Describer {
        api,
        image: &image,
        request,
    };
    let mut room = context.answer_room();
    let mut asked = BTreeSet::new();
    let results = request
        .resources
        .iter()
        .filter(|resource| asked.insert((resource.resource_type, &resource.resource_name)))
        .map(|resource| describer.result_within(&mut room, resource))
        .collect();
    DescribeConfigsResponse {
        results,
        ..DescribeConfigsResponse::default()
    }
}

struct Describer<'a> {
    api: &'a Api,
    image: &'a MetadataImage,
    request: &'a DescribeConfigsRequest,
}

impl Describer<'_> {
    fn result_within(
        &self,
        room: &mut AnswerRoom,
        resource: &DescribeConfigsResource,
    ) -> DescribeConfigsResult {
        if !room.is_used_up() {
            let result = self.result(resource);
            if room.fits(&result) {
                return result;
            }
        }
        DescribeConfigsResult {
            error_code: ErrorCode::INVALID_REQUEST,
            error_message: Some(Str::from_static(NO_ROOM)),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        }
    }

    fn result(&self, resource: &DescribeConfigsResource) -> DescribeConfigsResult {
        let (error_code, error_message, entries) = match self.entries(resource) {
            Ok(entries) => (ErrorCode::NONE, Str::default(), entries),
            Err((code, message)) => (code, Str::from(message), Vec::new()),
        };
        let wanted: Option<BTreeSet<&str>> = resource
            .configuration_keys
            .as_ref()
            .filter(|keys| !keys.is_empty())
            .map(|keys| keys.iter().map(|key| &**key).collect());
        let is_wanted = |entry: &Entry| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&*entry.name))
        };
        DescribeConfigsResult {
            error_code,
            // Never null, as in Kafka: no error has the empty text.
            error_message: Some(error_message),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: entries
                .into_iter()
                .filter(is_wanted)
                .map(|entry| self.config(entry))
                .collect(),
        }
    }

    fn entries(&self, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, Refusal> {
        let name = &*resource.resource_name;
        match ResourceKind::from_wire(resource.resource_type) {
            Some(ResourceKind::Topic) => self.topic(name),
            Some(ResourceKind::Broker) => self.broker(name),
            Some(ResourceKind::ClientMetrics) => self.client_metrics(name),
            Some(ResourceKind::Group) => self.group(name),
            None if resource.resource_type == BROKER_LOGGER => self.loggers(name),
            None => {
                let kind = resource.resource_type;
                let message = format!("Unsupported resource type: {kind}");
                Err((ErrorCode::INVALID_REQUEST, message))
            }
        }
    }

    fn client_metrics(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        if name.is_empty() {
            let message = "Client metrics subscription name must not be empty";
            return Err((ErrorCode::INVALID_REQUEST, message.to_owned()));
        }
        let none = Overrides::default();
        let set = self.image.configs().of(ResourceKind::ClientMetrics, name);
        Ok(config::describe_client_metrics(set.unwrap_or(&none)))
    }

    fn group(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        if name.is_empty() {
            let message = "Group name must not be empty";
            return Err((ErrorCode::INVALID_REQUEST, message.to_owned()));
        }
        let none = Overrides::default();
        let set = self.image.configs().of(ResourceKind::Group, name);
        Ok(self.with_layers(|layers| config::describe_group(set.unwrap_or(&none), layers)))
    }

    fn loggers(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        let own = self.api.node_id();
        let refuse = |message: String| Err((ErrorCode::INVALID_REQUEST, message));
        match name.parse::<i32>() {
            _ if name.is_empty() => refuse("Broker id must not be empty".to_owned()),
            Err(_) => refuse(format!("Broker id must be an integer, but it is: {name}")),
            Ok(id) if id != own.0 => refuse(format!(
                "Unexpected broker id, expected {own} but received {name}"
            )),
            Ok(_) => Ok(config::describe_loggers(self.api.loggers().levels())),
        }
    }

    fn topic(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        check_topic_name(name)
            .map_err(|refusal| (refusal.code, refusal.message.unwrap_or_default()))?;
        if self.image.topics().by_name(name).is_none() {
            // Kafka gives no message here.
            return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()));
        }
        let configs = self.image.configs();
        Ok(
            self.with_layers(|layers| match configs.of(ResourceKind::Topic, name) {
                Some(overrides) => config::describe_topic(overrides, layers),
                None => config::describe_topic(&NoOverrides, layers),
            }),
        )
    }

    /// This broker, or the defaults of all brokers if `name` is empty.
    fn broker(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        if name.is_empty() {
            let defaults = self.image.configs().of(ResourceKind::Broker, "");
            return Ok(defaults
                .map(config::describe_cluster_default)
                .unwrap_or_default());
        }
        let own = self.api.node_id().to_string();
        let refuse = |message: String| Err((ErrorCode::INVALID_REQUEST, message));
        match name.parse::<i32>() {
            Err(_) => refuse(format!("Broker id must be an integer, but it is: {name}")),
            Ok(id) if id != self.api.node_id().0 => refuse(format!(
                "Unexpected broker id, expected {own} or empty string, but received {name}"
            )),
            Ok(_) => Ok(self.with_layers(config::describe_broker)),
        }
    }

    fn with_layers(&self, describe: impl FnOnce(&Layers<'_>) -> Vec<Entry>) -> Vec<Entry> {
        let configs = self.image.configs();
        let none = Overrides::default();
        let own = self.api.node_id().to_string();
        let layers = Layers {
            of_broker: configs.of(ResourceKind::Broker, &own).unwrap_or(&none),
            of_cluster: configs.of(ResourceKind::Broker, "").unwrap_or(&none),
            settings: self.api.settings(),
        };
        describe(&layers)
    }

    fn config(&self, entry: Entry) -> DescribeConfigsResourceResult {
        let synonyms = if self.request.include_synonyms {
            entry.synonyms.into_iter().map(synonym).collect()
        } else {
            Vec::new()
        };
        DescribeConfigsResourceResult {
            name: Str::from(entry.name),
            value: entry.value.map(Str::from),
            read_only: entry.is_read_only,
            config_source: entry.source as i8,
            is_sensitive: entry.is_sensitive,
            synonyms,
            config_type: entry.kind.map_or(0, Kind::describe_configs_id),
            documentation: self
                .request
                .include_documentation
                .then(|| Str::from_static(entry.doc))
                .filter(|doc| !doc.is_empty()),
        }
    }
}

fn synonym(synonym: Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: Str::from(synonym.name),
        value: synonym.value.map(Str::from),
        source: synonym.source as i8,
    }
}
