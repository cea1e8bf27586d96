//! Leaders ask for in-sync sets, and are told what became of them.

use tokio::sync::mpsc;

use super::*;
use crate::metadata::{IsrChange, IsrOutcome, isr_changes};
use crate::model::LeaderEpoch;
use crate::protocol::messages::broker_registration::BrokerRegistrationRequest;
use crate::protocol::messages::create_topics::CreatableReplicaAssignment;

/// Registers broker 2, which this node only claims to be, and returns its epoch.
async fn claim_broker_2(node: &Node) -> i64 {
    let controller = node.metadata.controller();
    let request = BrokerRegistrationRequest {
        broker_id: 2,
        log_dirs: vec![Uuid::from_bytes([0x22; 16])],
        ..identity(2).registration()
    };
    let epoch = controller.ask(request).await.broker_epoch;
    assert!(!beat(node, epoch, false).await);
    epoch
}

/// A heartbeat of broker 2: whether it is fenced.
async fn beat(node: &Node, epoch: i64, want_fence: bool) -> bool {
    let heartbeat = BrokerHeartbeatRequest {
        broker_id: 2,
        broker_epoch: epoch,
        current_metadata_offset: epoch,
        want_fence,
        ..BrokerHeartbeatRequest::default()
    };
    node.metadata.controller().ask(heartbeat).await.is_fenced
}

/// A topic of one partition, which broker 1 leads and broker 2 follows.
async fn create_replicated(node: &Node) -> TopicIdPartition {
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: "t".into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![CreatableReplicaAssignment {
                partition_index: 0,
                broker_ids: vec![1, 2],
            }],
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    let context = ControllerRequestContext::unlimited(Principal::ANONYMOUS, 7);
    let response = node.metadata.controller().change(request, context).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::NONE);
    TopicIdPartition {
        topic_id: response.topics[0].topic_id,
        partition: 0,
    }
}

#[tokio::test]
async fn leaders_are_told_what_the_controller_makes_of_their_in_sync_sets() {
    let node = Node::start(&formatted_disk(), config());
    let broker = node.join(1).await;
    let follower_epoch = claim_broker_2(&node).await;
    let partition = create_replicated(&node).await;
    let (wanted, inbox) = isr_changes();
    let (sender, mut told) = mpsc::unbounded_channel();
    let controller = node.metadata.controller().clone();
    let published = Arc::clone(node.metadata.published());
    let tell = move |change: &IsrChange, outcome: &IsrOutcome| {
        sender.send((change.clone(), outcome.clone())).unwrap();
    };
    let on_fatal: OnFatal = Arc::new(|reason| panic!("{reason}"));
    let id = BrokerId(1);
    let started = inbox.start(id, &broker, controller, published, tell, &on_fatal);
    started.unwrap();
    let change = |partition_epoch, isr: &[(i32, i64)]| IsrChange {
        partition,
        leader_epoch: LeaderEpoch(0),
        partition_epoch,
        isr: isr
            .iter()
            .map(|(id, epoch)| (BrokerId(*id), *epoch))
            .collect(),
    };

    let shrinking = change(0, &[(1, -1)]);
    wanted.send(shrinking.clone());
    let taken = IsrOutcome::Taken {
        isr: vec![BrokerId(1)],
        partition_epoch: 1,
    };
    let first = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
    assert_eq!(first, Some((shrinking.clone(), taken)));

    // Of what the metadata is past nobody is told; then an earlier process of broker 2 is refused.
    wanted.send(shrinking);
    let joining = change(1, &[(1, -1), (2, follower_epoch - 1)]);
    wanted.send(joining.clone());
    let second = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
    assert_eq!(second, Some((joining, IsrOutcome::Refused)));

    // The thread ends with the broker's life, which waits for no other broker.
    assert!(beat(&node, follower_epoch, true).await);
    drop(broker);
    while tokio::time::timeout(PATIENCE, told.recv())
        .await
        .unwrap()
        .is_some()
    {}
    node.stop();
}

#[tokio::test]
async fn a_bug_of_the_thread_that_asks_for_in_sync_sets_is_fatal() {
    let node = Node::start(&formatted_disk(), config());
    let broker = node.join(1).await;
    let follower_epoch = claim_broker_2(&node).await;
    let (wanted, inbox) = isr_changes();
    let (sender, mut fatal) = mpsc::unbounded_channel();
    let on_fatal: OnFatal = Arc::new(move |reason| sender.send(reason).unwrap());
    let controller = node.metadata.controller().clone();
    let published = Arc::clone(node.metadata.published());
    let tell = |_: &IsrChange, _: &IsrOutcome| panic!("a planted bug");
    let id = BrokerId(1);
    let started = inbox.start(id, &broker, controller, published, tell, &on_fatal);
    started.unwrap();

    wanted.send(IsrChange {
        partition: create_replicated(&node).await,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        isr: vec![(BrokerId(1), -1)],
    });

    let reason = tokio::time::timeout(PATIENCE, fatal.recv()).await.unwrap();
    let reason = reason.expect("it is told");
    assert!(reason.contains("isr-changes"), "{reason}");
    assert!(beat(&node, follower_epoch, true).await);
    drop(broker);
    node.stop();
}
