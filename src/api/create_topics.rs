//! CreateTopics (key 19), versions 2-7: decided by the controller, one result per topic.
//!
//! Version 4 lets partitions and replication factor be -1 for the defaults, 5 returns the configs,
//! 7 the topic ids. The same path creates topics that a Metadata request names (auto-creation).

use std::sync::Arc;
use std::time::Instant;

use super::context::RequestContext;
use super::{Api, internal_topics};
use crate::coordinator::OFFSETS_TOPIC;
use crate::protocol::Str;
use crate::protocol::messages::create_topics::{
    CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};
use crate::telemetry::LogGate;

/// The first version that knows THROTTLING_QUOTA_EXCEEDED (KIP-599).
const FIRST_THROTTLED: i16 = 6;

/// An automatic creation is refused, whatever the version of the request that names the topic.
const NOT_IN_A_REQUEST: i16 = 0;

/// How long an automatic creation may take, as `request.timeout.ms` is by default.
const TIMEOUT_MS: i32 = 30_000;

/// Lets the controller create the topics, and waits until this broker knows them.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let quota = api.mutation_quota(&context, FIRST_THROTTLED);
    let mut response = api.controller().create_topics(request, quota.clone()).await;
    response.throttle_time_ms = api.mute(&context, quota.wait(Instant::now()));
    response
}

/// Any number of clients can ask for an internal topic at a time.
static FAILURES: LogGate = LogGate::new();

impl Api {
    /// Creates `names` with the broker's defaults, as far as that is possible. Topics of coordinators
    /// are made as those want them, or not at all.
    pub(super) async fn create_topics_automatically(
        &self,
        context: &RequestContext,
        names: Vec<Str>,
    ) {
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
        self.create_topics_for(context, topics).await;
    }

    /// Creates `topics` on behalf of a client that did not ask for it. What goes wrong is logged.
    pub(super) async fn create_topics_for(
        &self,
        context: &RequestContext,
        topics: Vec<CreatableTopic>,
    ) {
        let request = CreateTopicsRequest {
            topics,
            timeout_ms: TIMEOUT_MS,
            validate_only: false,
        };
        let quota = self.mutation_quota(context, NOT_IN_A_REQUEST);
        let response = self.controller().create_topics(request, quota).await;
        for topic in response
            .topics
            .iter()
            .filter(|topic| topic.error_code.is_error())
        {
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
    }
}
