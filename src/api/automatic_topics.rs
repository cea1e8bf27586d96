//! Topics that are created without CreateTopics: those that a Metadata request names, and those of
//! coordinators. The controller decides on them as on any others.

use std::collections::BTreeSet;

use super::context::RequestContext;
use super::{Api, controller_requests, internal_topics};
use crate::coordinator::OFFSETS_TOPIC;
use crate::metadata::controller::ControllerRequestContext;
use crate::protocol::message::Message as _;
use crate::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicResult, CreateTopicsRequest,
};
use crate::protocol::{ErrorCode, Str};
use crate::telemetry::LogGate;

/// The version from which the quota of changes is strict: an automatic creation beyond it is refused,
/// whatever the version of the request that names the topic.
const NOT_IN_A_REQUEST: i16 = 0;

/// The time that an automatic creation may take: the default of `request.timeout.ms`.
const TIMEOUT_MS: i32 = 30_000;

/// Any number of clients can ask for an internal topic at the same time.
static FAILURES: LogGate = LogGate::new();

impl Api {
    /// Creates `names` with the broker's defaults, and returns those that exist then. Topics of
    /// coordinators get the settings that these need, or are not made at all.
    pub(super) async fn create_topics_automatically(
        &self,
        context: &RequestContext,
        names: Vec<Str>,
    ) -> BTreeSet<Str> {
        let topics = names.into_iter().filter_map(|name| match &*name {
            OFFSETS_TOPIC => Some(self.offsets_topic()),
            internal if internal_topics::is_internal(internal) => None,
            _ => Some(CreatableTopic {
                name,
                num_partitions: -1,
                replication_factor: -1,
                ..CreatableTopic::default()
            }),
        });
        let topics = topics.collect();
        self.create_topics_for(context, topics).await
    }

    /// Creates `topics` on behalf of a client that did not ask for it. Returns the names of those that
    /// exist then, though the image may not have them yet. Failures are logged.
    pub(super) async fn create_topics_for(
        &self,
        context: &RequestContext,
        topics: Vec<CreatableTopic>,
    ) -> BTreeSet<Str> {
        let request = CreateTopicsRequest {
            topics,
            timeout_ms: TIMEOUT_MS,
            validate_only: false,
        };
        let of_request = ControllerRequestContext {
            quota: self.mutation_quota(context, NOT_IN_A_REQUEST),
            sender: Some(controller_requests::sender(context)),
            ..ControllerRequestContext::unlimited(
                context.principal().clone(),
                CreateTopicsRequest::MAX_VERSION,
            )
        };
        let response = self.controller().change(request, of_request).await;
        let (created, failed): (Vec<_>, Vec<_>) = response
            .topics
            .into_iter()
            .partition(|topic| is_made(topic.error_code));
        for topic in &failed {
            log_failure(context, topic);
        }
        created.into_iter().map(|topic| topic.name).collect()
    }
}

/// Whether the topic exists, though the image may not have it yet.
fn is_made(error: ErrorCode) -> bool {
    [ErrorCode::NONE, ErrorCode::TOPIC_ALREADY_EXISTS].contains(&error)
}

fn log_failure(context: &RequestContext, topic: &CreatableTopicResult) {
    let (client, error) = (context.client_id(), topic.error_code.name());
    let message = topic.error_message.as_deref().unwrap_or_default();
    let topic = &*topic.name;
    if internal_topics::is_internal(topic) {
        if let Some(suppressed) = FAILURES.pass() {
            tracing::error!(
                topic,
                client,
                error,
                message,
                suppressed,
                "a topic could not be created"
            );
        }
    } else {
        tracing::debug!(
            topic,
            client,
            error,
            message,
            "a topic could not be created"
        );
    }
}
