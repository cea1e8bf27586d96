//! CreateTopics (key 19), versions 2-7: decided by the controller, one result per topic.
//!
//! Version 4 lets partitions and replication factor be -1 for the defaults, 5 returns the configs,
//! 7 the topic ids. The same path creates topics that a Metadata request names (auto-creation).

use std::sync::Arc;
use std::time::Instant;

use super::Api;
use super::context::RequestContext;
use crate::protocol::Str;
use crate::protocol::messages::create_topics::{
    CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};

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

impl Api {
    /// Creates `names` with the broker's defaults, as far as that is possible.
    pub(super) async fn create_topics_automatically(
        &self,
        context: &RequestContext,
        names: Vec<Str>,
    ) {
        let topics = names.into_iter().map(|name| CreatableTopic {
            name,
            num_partitions: -1,
            replication_factor: -1,
            ..CreatableTopic::default()
        });
        let request = CreateTopicsRequest {
            topics: topics.collect(),
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
            tracing::debug!(
                topic = %topic.name,
                client = context.client_id(),
                error = topic.error_code.name(),
                "a topic could not be created automatically"
            );
        }
    }
}
