//! Brokers that fall silent, and those that are of another cluster.

use super::*;

#[tokio::test]
async fn a_broker_that_falls_silent_is_fenced() {
    let mut quick = config();
    quick.controller.broker_session_timeout = Duration::from_millis(200);
    let node = Node::start(&formatted_disk(), quick);
    let controller = node.metadata.controller();
    let request = identity(1).registration();
    let epoch = loop {
        let response = controller.ask(request.clone()).await;
        if !response.error_code.is_error() {
            break response.broker_epoch;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let heartbeat = BrokerHeartbeatRequest {
        broker_id: 1,
        broker_epoch: epoch,
        current_metadata_offset: epoch,
        ..BrokerHeartbeatRequest::default()
    };
    assert!(!controller.ask(heartbeat).await.is_fenced);

    let image = node.until(is_fenced).await;

    assert_eq!(image.brokers().get(BrokerId(1)).unwrap().epoch, epoch);
    node.stop();
}

#[tokio::test]
async fn a_broker_of_another_cluster_is_told_so() {
    let mut other = config();
    other.controller.cluster_id = "another".to_owned();
    let node = Node::start(&formatted_disk(), other);

    let broker = node.broker(1);
    let refusal = broker.caught_up().await.unwrap_err();

    assert!(
        refusal.to_string().contains("INCONSISTENT_CLUSTER_ID"),
        "{refusal}"
    );
    assert!(matches!(broker.state(), LifecycleState::Failed(_)));
    node.stop();
}
