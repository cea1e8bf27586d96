//! The client finds the versions of the other side, and its answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::network::{
    Client, ClientError, ClientOptions, Connection, ConnectionLimits, ConnectionOptions, Handling,
    Listener, ListenerOptions, Network, RequestFrame, RequestHandler, RequestMemory,
    RunningListener, Treatment,
};
use broker::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse,
};
use broker::protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use broker::protocol::{ApiKey, ErrorCode, Reader, RequestHeader, frame};
use broker::telemetry::Metrics;

use crate::toy::endpoint;

/// Serves ApiVersions and Heartbeat. The member id says what to answer a heartbeat.
struct Answers;

impl RequestHandler for Answers {
    fn treatment(&self, _: i16) -> Treatment {
        Treatment::default()
    }

    fn handle(&self, _: &Arc<Connection>, frame: RequestFrame) -> Handling {
        let mut reader = Reader::new(frame.bytes);
        let header = RequestHeader::decode(&mut reader).unwrap();
        let key = ApiKey::try_from(header.api_key).unwrap();
        let id = header.correlation_id;
        let header_version = key.response_header_version(header.api_version);
        if key == ApiKey::ApiVersions {
            let heartbeat = ApiVersion {
                api_key: ApiKey::Heartbeat as i16,
                min_version: 1,
                max_version: 3,
            };
            let body = ApiVersionsResponse {
                api_keys: vec![heartbeat],
                ..ApiVersionsResponse::default()
            };
            return Handling::Answer(frame::response(
                id,
                header_version,
                &body,
                header.api_version,
            ));
        }
        let request: HeartbeatRequest =
            broker::protocol::Decode::decode(&mut reader, header.api_version).unwrap();
        let id = if &*request.member_id == "out of step" {
            id + 1
        } else {
            id
        };
        if &*request.member_id == "silent" {
            return Handling::Later(Box::pin(std::future::pending()));
        }
        let body = HeartbeatResponse {
            error_code: ErrorCode::REBALANCE_IN_PROGRESS,
            ..HeartbeatResponse::default()
        };
        Handling::Answer(frame::response(
            id,
            header_version,
            &body,
            header.api_version,
        ))
    }
}

async fn start() -> RunningListener {
    let options = ConnectionOptions::default();
    let memory = RequestMemory::new(None);
    let limits = ConnectionLimits::default();
    let metrics = Arc::new(Metrics::new([]));
    let network = Network::new(Arc::new(Answers), options.clone(), memory, limits, metrics);
    let listener = ListenerOptions::new(endpoint("127.0.0.1", 0));
    Listener::bind(listener, &options)
        .await
        .unwrap()
        .serve(network)
}

async fn client(address: SocketAddr) -> Client {
    let options = ClientOptions {
        client_id: Some("test".into()),
        request_timeout: Duration::from_millis(500),
        ..ClientOptions::default()
    };
    Client::connect(&address.to_string(), options)
        .await
        .unwrap()
}

fn heartbeat(member_id: &'static str) -> HeartbeatRequest {
    HeartbeatRequest {
        member_id: member_id.into(),
        ..HeartbeatRequest::default()
    }
}

#[tokio::test]
async fn the_newest_version_that_both_sides_know_is_used() {
    let listener = start().await;
    let mut client = client(listener.address()).await;
    assert_eq!(client.version_of(ApiKey::Heartbeat, &(0..=4)), None);

    client
        .negotiate(&ApiVersionsRequest::default())
        .await
        .unwrap();

    assert_eq!(client.version_of(ApiKey::Heartbeat, &(0..=4)), Some(3));
    assert_eq!(client.version_of(ApiKey::Heartbeat, &(0..=2)), Some(2));
    assert_eq!(client.version_of(ApiKey::Heartbeat, &(4..=5)), None);
    assert_eq!(client.version_of(ApiKey::Fetch, &(4..=17)), None);
}

#[tokio::test]
async fn a_call_gets_the_answer_to_its_request() {
    let listener = start().await;
    let mut client = client(listener.address()).await;

    for version in 0..=4 {
        let answer = client.call(&heartbeat("m"), version).await.unwrap();
        assert_eq!(answer.error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    }
}

#[tokio::test]
async fn requests_may_be_sent_before_earlier_answers_are_read() {
    let listener = start().await;
    let mut client = client(listener.address()).await;

    let first = client.send(&heartbeat("m"), 0).await.unwrap();
    let second = client.send(&heartbeat("m"), 0).await.unwrap();

    assert_eq!(client.receive().await.unwrap().0, first);
    assert_eq!(client.receive().await.unwrap().0, second);
}

#[tokio::test]
async fn an_answer_to_another_request_is_an_error() {
    let listener = start().await;
    let mut client = client(listener.address()).await;

    let error = client.call(&heartbeat("out of step"), 0).await.unwrap_err();

    assert!(
        matches!(
            error,
            ClientError::OutOfStep {
                expected: 1,
                received: 2
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_answer_times_out() {
    let listener = start().await;
    let mut client = client(listener.address()).await;

    let error = client.call(&heartbeat("silent"), 0).await.unwrap_err();

    assert!(matches!(error, ClientError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let listener = start().await;
    let address = listener.address().to_string();
    listener.stop(Duration::ZERO).await;

    let error = Client::connect(&address, ClientOptions::default())
        .await
        .err()
        .unwrap();

    assert!(error.to_string().contains(&address), "{error}");
}
