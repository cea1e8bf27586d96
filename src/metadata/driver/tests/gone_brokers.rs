//! Brokers whose processes end, or that a wall is put around.

use tokio::net::TcpListener;

use super::*;
use crate::metadata::{BrokenConnections, broken_connections, fence_gone_brokers};
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatResponse;
use crate::protocol::messages::broker_registration::BrokerRegistrationRequest;
use crate::protocol::messages::metadata_records::RegisterBrokerRecord;
use crate::protocol::messages::metadata_records::broker::BrokerEndpoint;

/// Longer than a test takes.
const SESSION: Duration = Duration::from_secs(600);

/// A node whose controller looks after brokers, and their connections to it.
async fn begin() -> (Node, BrokenConnections) {
    let mut patient = config();
    patient.controller.broker_session_timeout = SESSION;
    let node = Node::start(&formatted_disk(), patient);
    let (connections, inbox) = broken_connections();
    let controller = node.metadata.controller().clone();
    let published = Arc::clone(node.metadata.published());
    tokio::spawn(fence_gone_brokers(
        inbox,
        controller,
        published,
        BrokerId(1),
    ));
    (node, connections)
}

/// A broker that this node only claims to be.
struct Claimed {
    id: i32,
    epoch: i64,
    listener: TcpListener,
}

impl Claimed {
    /// It is registered and not fenced, and its listener was tried by the time this ends.
    async fn begin(node: &Node, id: i32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let epoch = register(node, id, listener.local_addr().unwrap().port()).await;
        // The second time it is tried as one that was reached.
        for _ in 0..2 {
            let tried = tokio::time::timeout(PATIENCE, listener.accept()).await;
            tried.unwrap().unwrap();
        }
        Self {
            id,
            epoch,
            listener,
        }
    }
}

/// Registers a broker, has it unfenced, and returns its epoch.
async fn register(node: &Node, id: i32, port: u16) -> i64 {
    let controller = node.metadata.controller();
    let mut incarnation = [0; 16];
    getrandom::fill(&mut incarnation).unwrap();
    let request = BrokerRegistrationRequest {
        broker_id: id,
        incarnation_id: Uuid::from_bytes(incarnation),
        log_dirs: vec![Uuid::from_bytes([id as u8; 16])],
        listeners: vec![Listener {
            name: "PLAINTEXT".into(),
            host: "127.0.0.1".into(),
            port,
            security_protocol: 0,
        }],
        ..identity(1).registration()
    };
    let epoch = loop {
        let response = controller.ask(request.clone()).await;
        if !response.error_code.is_error() {
            break response.broker_epoch;
        }
        assert_eq!(response.error_code, ErrorCode::NOT_CONTROLLER);
        tokio::task::yield_now().await;
    };
    assert!(!beat(node, id, epoch, false).await.is_fenced);
    epoch
}

async fn beat(node: &Node, id: i32, epoch: i64, want_fence: bool) -> BrokerHeartbeatResponse {
    let heartbeat = BrokerHeartbeatRequest {
        broker_id: id,
        broker_epoch: epoch,
        current_metadata_offset: epoch,
        want_fence,
        ..BrokerHeartbeatRequest::default()
    };
    node.metadata.controller().ask(heartbeat).await
}

fn is_fenced_broker(image: &MetadataImage, id: i32) -> bool {
    let registered = image.brokers().get(BrokerId(id));
    registered.is_some_and(|broker| broker.fenced)
}

#[tokio::test]
async fn a_broker_that_is_gone_is_fenced_long_before_its_session_ends() {
    let (node, connections) = begin().await;
    let broker = Claimed::begin(&node, 2).await;
    let presence = connections.presence(BrokerId(2));
    presence.note_epoch(broker.epoch);

    drop(broker.listener);
    drop(presence);

    node.until(|image| is_fenced_broker(image, 2)).await;
    node.stop();
}

#[tokio::test]
async fn a_broker_that_never_had_a_connection_to_the_new_controller_is_fenced_once_it_is_gone() {
    let (node, _connections) = begin().await;
    let broker = Claimed::begin(&node, 2).await;

    drop(broker.listener);

    node.until(|image| is_fenced_broker(image, 2)).await;
    node.stop();
}

#[tokio::test]
async fn a_wall_around_a_broker_whose_heartbeats_come_through_does_not_fence_it() {
    let (node, connections) = begin().await;
    let walled = Claimed::begin(&node, 2).await;
    let gone = Claimed::begin(&node, 3).await;
    let connect = |broker: &Claimed| {
        let presence = connections.presence(BrokerId(broker.id));
        presence.note_epoch(broker.epoch);
        presence
    };
    let (former, _current) = (connect(&walled), connect(&walled));
    let last = connect(&gone);

    drop((walled.listener, gone.listener));
    drop(former);
    drop(last);

    // The other one is tried after it.
    let image = node.until(|image| is_fenced_broker(image, 3)).await;
    assert!(!is_fenced_broker(&image, 2));
    node.stop();
}

#[tokio::test]
async fn a_broker_that_has_registered_again_is_not_fenced_for_its_former_process() {
    let (node, connections) = begin().await;
    let former = Claimed::begin(&node, 2).await;
    let gone = Claimed::begin(&node, 3).await;
    let presences = [&former, &gone].map(|broker| {
        let presence = connections.presence(BrokerId(broker.id));
        presence.note_epoch(broker.epoch);
        presence
    });
    // It is registered again, and listens nowhere yet: nobody has reached it.
    drop(former.listener);
    assert!(beat(&node, 2, former.epoch, true).await.is_fenced);
    let epoch = register(&node, 2, 1).await;
    assert!(epoch > former.epoch);

    drop(gone.listener);
    drop(presences);

    let image = node.until(|image| is_fenced_broker(image, 3)).await;
    assert!(!is_fenced_broker(&image, 2));
    assert_eq!(image.brokers().get(BrokerId(2)).unwrap().epoch, epoch);
    node.stop();
}

#[tokio::test]
async fn thousands_of_brokers_unheard_of_are_tried_at_a_bounded_rate() {
    const MANY: i32 = 5_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = BrokerEndpoint {
        name: "PLAINTEXT".into(),
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        security_protocol: 0,
    };
    let mut image = MetadataImage::default();
    for id in 2..2 + MANY {
        let record = RegisterBrokerRecord {
            broker_id: id,
            broker_epoch: i64::from(id),
            end_points: vec![endpoint.clone()],
            fenced: false,
            ..RegisterBrokerRecord::default()
        };
        image.replay(&record.into(), &mut |_| {}).unwrap();
    }
    let published = Arc::new(Published::new());
    let (inputs, _controller) = mpsc::channel();
    let handle = ControllerHandle::new(inputs, Arc::clone(&published));
    let (_connections, inbox) = broken_connections();
    let watch = fence_gone_brokers(inbox, handle, Arc::clone(&published), BrokerId(1));
    let watch = tokio::spawn(watch);
    published
        .leader
        .send_replace((Some(BrokerId(1)), LeaderEpoch(1)));
    published.image.store(Arc::new(image));
    published.offset.send_replace(Offset(1));

    let begun = Instant::now();
    for _ in 0..3_500 {
        listener.accept().await.unwrap();
    }
    let took = begun.elapsed();

    println!("3,500 connections in {took:?}");
    watch.abort();
    assert!(took > Duration::from_secs(3), "{took:?}");
}
