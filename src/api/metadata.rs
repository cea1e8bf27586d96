//! Metadata (key 3), versions 0-13: topics with their partitions and leaders, and the brokers.
//!
//! Version 0 takes an empty list for all topics, 1 and above a null one. 4 lets the client forbid
//! auto-creation, 5 adds offline replicas, 6 tells a missing listener from a missing leader, 7 adds
//! leader epochs, 8 authorized operations (the cluster's only to 10), 10 topic ids, 12 requests by
//! topic id.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::context::RequestContext;
use super::{Api, internal_topics, nodes, operations};
use crate::metadata::controller::check_topic_name;
use crate::metadata::image::{MetadataImage, PartitionImage, TopicImage};
use crate::model::{BrokerId, Uuid};
use crate::protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use crate::protocol::{ErrorCode, Str};

/// The first version whose requests may name topics by id.
const FIRST_BY_ID: i16 = 12;
/// The first version that carries authorized operations.
const FIRST_WITH_OPERATIONS: i16 = 8;
/// The last version that carries the cluster's authorized operations (KIP-700 moved them).
const LAST_WITH_CLUSTER_OPERATIONS: i16 = 10;
/// The first version that tells a leader without the listener from no leader.
const FIRST_WITH_LISTENER_ERROR: i16 = 6;

/// An answer about more partitions than these takes more than a millisecond, and 100 KiB.
const MANY_PARTITIONS: usize = 1000;

/// Whether the answer is about very many partitions.
pub fn asks_for_much(api: &Api, context: &RequestContext, body: &Bytes) -> bool {
    let image = api.image();
    let topics = image.topics();
    if topics.partition_count() <= MANY_PARTITIONS {
        return false;
    }
    // What is malformed is refused when it is decoded again.
    let Ok(request) = context.decode::<MetadataRequest>(body.clone()) else {
        return false;
    };
    let partitions = |topic: Option<&Arc<TopicImage>>| topic.map_or(0, |it| it.partitions.len());
    let asked: usize = match asked(&request, context.version()) {
        Ok(Asked::All) => topics.partition_count(),
        Ok(Asked::Names(names)) => names.iter().map(|it| partitions(topics.by_name(it))).sum(),
        Ok(Asked::Ids(ids)) => ids.iter().map(|it| partitions(topics.by_id(it))).sum(),
        Err(_) => 0,
    };
    asked > MANY_PARTITIONS
}

/// What a request asks for.
enum Asked {
    All,
    Names(Vec<Str>),
    Ids(Vec<Uuid>),
}

/// Answers with what is asked for; creates missing topics where both sides allow it.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: MetadataRequest,
) -> MetadataResponse {
    let asked = match asked(&request, context.version()) {
        Ok(asked) => asked,
        Err(error) => return refused(&request, error),
    };
    let mut coming = BTreeSet::new();
    if let Asked::Names(names) = &asked
        && request.allow_auto_topic_creation
        && api.config().topics.auto_create_topics_enable
    {
        coming = create_missing(&api, &context, names).await;
    }
    let image = api.image();
    let view = View {
        image: &image,
        context: &context,
        request: &request,
        coming,
    };
    view.response(&api, asked)
}

fn asked(request: &MetadataRequest, version: i16) -> Result<Asked, ErrorCode> {
    let Some(topics) = &request.topics else {
        return Ok(Asked::All);
    };
    // Version 0 cannot write null; from version 1 on an empty list means no topic.
    if version == 0 && topics.is_empty() {
        return Ok(Asked::All);
    }
    if version < FIRST_BY_ID {
        if topics.iter().any(|topic| !topic.topic_id.is_zero()) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let names = topics.iter().map(|topic| topic.name.clone());
        return names
            .collect::<Option<Vec<_>>>()
            .map(Asked::Names)
            .ok_or(ErrorCode::INVALID_REQUEST);
    }
    let ids: BTreeSet<_> = topics
        .iter()
        .map(|topic| topic.topic_id)
        .filter(|id| !id.is_zero())
        .collect();
    if ids.is_empty() {
        return Ok(Asked::Names(
            topics
                .iter()
                .filter_map(|topic| topic.name.clone())
                .collect(),
        ));
    }
    Ok(Asked::Ids(ids.into_iter().collect()))
}

/// The answer to a request that makes no sense: its error for each of its topics.
fn refused(request: &MetadataRequest, error: ErrorCode) -> MetadataResponse {
    let topic = |name: Option<Str>, id| MetadataResponseTopic {
        error_code: error,
        name,
        topic_id: id,
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        topics: request
            .topics
            .iter()
            .flatten()
            .map(|asked| topic(asked.name.clone().or(Some(Str::default())), asked.topic_id))
            .collect(),
        ..MetadataResponse::default()
    }
}

/// Creates those of `names` that do not exist, and waits until they do.
///
/// Kafka answers UNKNOWN_TOPIC_OR_PARTITION first and lets the client ask again; waiting for the
/// commit spares every client its retry. A name for which creation failed is answered as missing.
///
/// Returns the names that will exist when the client comes again: those that are made but not in the image
/// yet, and those beyond what one request may create.
async fn create_missing(api: &Api, context: &RequestContext, names: &[Str]) -> BTreeSet<Str> {
    let image = api.image();
    let is_missing =
        |name: &&Str| image.topics().by_name(name).is_none() && check_topic_name(name).is_ok();
    let missing: BTreeSet<Str> = names.iter().filter(is_missing).cloned().collect();
    drop(image);
    if missing.is_empty() {
        return missing;
    }
    let most = api.config().topics.auto_create_topics_per_request_max;
    let mut missing = missing.into_iter();
    let now = missing.by_ref().take(usize::try_from(most).unwrap_or(1));
    let mut coming = api
        .create_topics_automatically(context, now.collect())
        .await;
    coming.extend(missing.filter(|name| !internal_topics::is_internal(name)));
    coming
}

/// The metadata as one listener sees it, in one version.
struct View<'a> {
    image: &'a MetadataImage,
    context: &'a RequestContext,
    request: &'a MetadataRequest,
    /// Topics that are missing in the image but will soon exist.
    coming: BTreeSet<Str>,
}

impl View<'_> {
    fn response(&self, api: &Api, asked: Asked) -> MetadataResponse {
        let version = self.context.version();
        let topics = match asked {
            Asked::All => self
                .image
                .topics()
                .iter()
                .map(|topic| self.topic(topic))
                .collect(),
            Asked::Names(names) => self.by_names(names),
            Asked::Ids(ids) => ids.into_iter().map(|id| self.by_id(id)).collect(),
        };
        let wants_cluster_operations = self.request.include_cluster_authorized_operations
            && (FIRST_WITH_OPERATIONS..=LAST_WITH_CLUSTER_OPERATIONS).contains(&version);
        MetadataResponse {
            brokers: self.brokers(),
            cluster_id: Some(api.cluster_id_text().clone()),
            controller_id: nodes::controller_for_clients(api, self.image, self.context).0,
            topics,
            cluster_authorized_operations: if wants_cluster_operations {
                operations::CLUSTER
            } else {
                operations::NOT_ASKED
            },
            ..MetadataResponse::default()
        }
    }

    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        nodes::alive(self.image, self.context.listener())
            .map(|(broker, endpoint)| MetadataResponseBroker {
                node_id: broker.id.0,
                host: Str::copy_from(&endpoint.host),
                port: i32::from(endpoint.port),
                rack: broker.rack.as_deref().map(Str::copy_from),
            })
            .collect()
    }

    /// The topics of these names, each once, in ascending order: Kafka's answer comes from a sorted set.
    fn by_names(&self, mut names: Vec<Str>) -> Vec<MetadataResponseTopic> {
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|name| match self.image.topics().by_name(&name) {
                Some(topic) => self.topic(topic),
                None => self.missing(name),
            })
            .collect()
    }

    fn by_id(&self, id: Uuid) -> MetadataResponseTopic {
        match self.image.topics().by_id(&id) {
            Some(topic) => self.topic(topic),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                name: None,
                topic_id: id,
                ..MetadataResponseTopic::default()
            },
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        MetadataResponseTopic {
            error_code: ErrorCode::NONE,
            name: Some(Str::copy_from(&topic.name)),
            topic_id: topic.id,
            is_internal: internal_topics::is_internal(&topic.name),
            partitions: topic
                .partitions
                .iter()
                .map(|(index, partition)| self.partition(*index, partition))
                .collect(),
            topic_authorized_operations: self.topic_operations(),
        }
    }

    /// The answer for a topic that does not exist, or never could.
    fn missing(&self, name: Str) -> MetadataResponseTopic {
        let error_code = if check_topic_name(&name).is_err() {
            ErrorCode::INVALID_TOPIC_EXCEPTION
        } else if self.coming.contains(&name) {
            // Every client comes again after this error, however often; some give up on a topic that stays
            // unknown.
            ErrorCode::LEADER_NOT_AVAILABLE
        } else {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        };
        MetadataResponseTopic {
            error_code,
            is_internal: internal_topics::is_internal(&name),
            name: Some(name),
            topic_authorized_operations: self.topic_operations(),
            ..MetadataResponseTopic::default()
        }
    }

    /// The operations that the client may perform on a topic, whether or not it exists.
    fn topic_operations(&self) -> i32 {
        if self.request.include_topic_authorized_operations {
            operations::TOPIC
        } else {
            operations::NOT_ASKED
        }
    }

    fn partition(&self, index: i32, partition: &PartitionImage) -> MetadataResponsePartition {
        let listener = self.context.listener();
        // Version 0 leaves out replicas that cannot be reached, and says so by an error; later ones list them as
        // offline.
        let visible = |replicas: &[BrokerId]| match self.context.version() {
            0 => nodes::reachable(self.image, replicas, listener),
            _ => nodes::raw(replicas),
        };
        let reachable = nodes::endpoint(self.image, partition.leader, listener).is_some();
        MetadataResponsePartition {
            error_code: self.partition_error(partition, reachable),
            partition_index: index,
            leader_id: if reachable {
                partition.leader.0
            } else {
                BrokerId::NONE.0
            },
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: visible(&partition.replicas),
            isr_nodes: visible(&partition.isr),
            offline_replicas: nodes::offline(self.image, partition, listener),
        }
    }

    fn partition_error(&self, partition: &PartitionImage, leader_reachable: bool) -> ErrorCode {
        let version = self.context.version();
        if !leader_reachable {
            let leader_known = self.image.brokers().get(partition.leader).is_some();
            return if leader_known && version >= FIRST_WITH_LISTENER_ERROR {
                ErrorCode::LISTENER_NOT_FOUND
            } else {
                ErrorCode::LEADER_NOT_AVAILABLE
            };
        }
        let all_reachable = |replicas: &[BrokerId]| {
            nodes::reachable(self.image, replicas, self.context.listener()).len() == replicas.len()
        };
        if version == 0 && !(all_reachable(&partition.replicas) && all_reachable(&partition.isr)) {
            return ErrorCode::REPLICA_NOT_AVAILABLE;
        }
        ErrorCode::NONE
    }
}
