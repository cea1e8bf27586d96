//! Serves what followers ask of a leader, from its replicas.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::{Endpoint, SecurityProtocol};
use crate::model::{BrokerId, LeaderEpoch, Offset, TopicPartition};
use crate::network::{
    Connection, ConnectionLimits, ConnectionOptions, Handling, Listener, ListenerOptions, Network,
    Outcome, RequestFrame, RequestHandler, RequestMemory, RunningListener, Treatment,
};
use crate::protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::protocol::messages::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use crate::protocol::{ApiKey, Decode as _, ErrorCode, Reader, RequestHeader, frame};
use crate::replication::delayed::Interest;
use crate::replication::fetch_session::{PartitionRequest, SessionError, TopicKey, TopicRef};
use crate::replication::manager::{
    Arc, Fetch, FetchAnswer, FetchParams, FollowerIdentity, ReplicaManager, SessionRequest,
};
use crate::replication::partition::OffsetQuery;
use crate::telemetry::Metrics;

/// The requests of followers to one leader.
pub(super) struct Server {
    manager: ReplicaManager,
    /// Whether the next records that are sent are damaged.
    pub(super) damages: AtomicBool,
    pub(super) fetch_count: AtomicUsize,
}

struct Handler(Arc<Server>);

pub(super) async fn bind() -> Listener {
    let options = ListenerOptions::new(Endpoint {
        listener: "PLAINTEXT".to_owned(),
        protocol: SecurityProtocol::Plaintext,
        host: "127.0.0.1".to_owned(),
        port: 0,
    });
    let connections = ConnectionOptions::default();
    Listener::bind(options, &connections).await.unwrap()
}

pub(super) fn serve(bound: Listener, manager: &ReplicaManager) -> (Arc<Server>, RunningListener) {
    let server = Arc::new(Server {
        manager: manager.clone(),
        damages: AtomicBool::new(false),
        fetch_count: AtomicUsize::new(0),
    });
    let network = Network::new(
        Arc::new(Handler(Arc::clone(&server))),
        ConnectionOptions::default(),
        RequestMemory::new(None),
        ConnectionLimits::default(),
        Arc::new(Metrics::new([])),
    );
    (server, bound.serve(network))
}

impl RequestHandler for Handler {
    fn treatment(&self, _api_key: i16) -> Treatment {
        Treatment::default()
    }

    fn handle(&self, _connection: &Arc<Connection>, frame: RequestFrame) -> Handling {
        let mut reader = Reader::new(frame.bytes.clone());
        let header = RequestHeader::decode(&mut reader).unwrap();
        let (version, id) = (header.api_version, header.correlation_id);
        let server = Arc::clone(&self.0);
        match ApiKey::try_from(header.api_key).unwrap() {
            ApiKey::ApiVersions => {
                let versions = versions();
                Handling::Answer(frame::response(id, 0, &versions, version))
            }
            ApiKey::Fetch => {
                let request = FetchRequest::decode(&mut reader, version).unwrap();
                Handling::Later(Box::pin(async move {
                    let response = server.fetch(&request).await;
                    Outcome::Answer(frame::response(id, 1, &response, version))
                }))
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(&mut reader, version).unwrap();
                Handling::Later(Box::pin(async move {
                    let response = server.list_offsets(&request).await;
                    Outcome::Answer(frame::response(id, 1, &response, version))
                }))
            }
            other => panic!("a follower does not ask {other:?}"),
        }
    }
}

fn versions() -> ApiVersionsResponse {
    let served = [
        (ApiKey::Fetch, 4, 18),
        (ApiKey::ListOffsets, 1, 11),
        (ApiKey::ApiVersions, 0, 4),
    ];
    let served = served.map(|(key, min_version, max_version)| ApiVersion {
        api_key: key as i16,
        min_version,
        max_version,
    });
    ApiVersionsResponse {
        api_keys: served.to_vec(),
        ..ApiVersionsResponse::default()
    }
}

impl Server {
    async fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        self.fetch_count.fetch_add(1, Ordering::Relaxed);
        match self.begin(request) {
            Ok(fetch) => self.response(fetch.run().await),
            Err(error) => FetchResponse {
                error_code: match error {
                    SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
                    _ => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                },
                ..FetchResponse::default()
            },
        }
    }

    fn begin(&self, request: &FetchRequest) -> Result<Fetch, SessionError> {
        let params = FetchParams {
            follower: Some(FollowerIdentity {
                id: BrokerId(request.replica_state.replica_id),
                epoch: request.replica_state.replica_epoch,
            }),
            max_wait: Duration::from_millis(request.max_wait_ms as u64),
            min_bytes: request.min_bytes as u32,
            max_bytes: request.max_bytes as u32,
            interest: Interest::LogEnd,
            only_leader: true,
            near: None,
        };
        let session = SessionRequest {
            id: request.session_id,
            epoch: request.session_epoch,
            uses_topic_ids: true,
        };
        let wanted = request.topics.iter().flat_map(|topic| {
            let key = TopicRef::Id(topic.topic_id);
            topic.partitions.iter().map(move |asked| {
                let request = PartitionRequest {
                    fetch_offset: Offset(asked.fetch_offset),
                    max_bytes: asked.partition_max_bytes,
                    current_leader_epoch: LeaderEpoch(asked.current_leader_epoch),
                    last_fetched_epoch: LeaderEpoch(asked.last_fetched_epoch),
                    log_start_offset: Offset(asked.log_start_offset),
                };
                (key, asked.partition, request)
            })
        });
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
            let key = TopicRef::Id(topic.topic_id);
            topic.partitions.iter().map(move |index| (key, *index))
        });
        self.manager.begin_fetch(params, session, wanted, forgotten)
    }

    fn response(&self, fetched: FetchAnswer) -> FetchResponse {
        let responses = fetched.partitions.into_iter().map(|answer| {
            let TopicKey::Id(topic_id) = answer.topic else {
                panic!("followers name topics by id");
            };
            let mut records = answer.records;
            if !records.is_empty() && self.damages.swap(false, Ordering::Relaxed) {
                let mut damaged = records.bytes().unwrap().to_vec();
                *damaged.last_mut().unwrap() ^= 1;
                records = bytes::Bytes::from(damaged).into();
            }
            let diverging = answer.diverging.map(|end| EpochEndOffset {
                epoch: end.epoch.0,
                end_offset: end.end_offset.0,
            });
            FetchableTopicResponse {
                topic_id,
                partitions: vec![PartitionData {
                    partition_index: answer.partition,
                    error_code: answer.error,
                    high_watermark: answer.high_watermark.0,
                    log_start_offset: answer.log_start_offset.0,
                    diverging_epoch: diverging.unwrap_or_default(),
                    records,
                    ..PartitionData::default()
                }],
                ..FetchableTopicResponse::default()
            }
        });
        FetchResponse {
            error_code: fetched.error,
            session_id: fetched.session_id,
            responses: responses.collect(),
            ..FetchResponse::default()
        }
    }

    async fn list_offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let mut topics = Vec::new();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let name = TopicPartition::new(&*topic.name, asked.partition_index);
                let query = OffsetQuery {
                    timestamp: asked.timestamp,
                    isolation: None,
                    current_leader_epoch: LeaderEpoch(asked.current_leader_epoch),
                    only_leader: true,
                };
                let listed = match self.manager.partition_by_name(&name) {
                    Ok(partition) => self.manager.list_offset(&partition, &query).await,
                    Err(error) => Err(error),
                };
                let (offset, error_code) = match listed {
                    Ok(listed) => (listed.offset.0, ErrorCode::NONE),
                    Err(error) => (-1, error.code()),
                };
                partitions.push(ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    error_code,
                    offset,
                    ..ListOffsetsPartitionResponse::default()
                });
            }
            topics.push(ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions,
            });
        }
        ListOffsetsResponse {
            topics,
            ..ListOffsetsResponse::default()
        }
    }
}
