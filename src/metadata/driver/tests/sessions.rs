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

#[tokio::test]
async fn a_broker_whose_registration_an_earlier_process_takes_registers_again() {
    let node = Node::start(&formatted_disk(), config());
    let broker = node.join(2).await;
    let first = broker.epoch();

    // It was sent by the process before, and was held up on its way.
    let late = identity(1).registration();
    let displaced = node.metadata.controller().ask(late).await;
    assert_eq!(displaced.error_code, ErrorCode::NONE);
    let image = node
        .until(|image| {
            let registered = image.brokers().get(BrokerId(1));
            registered.is_some_and(|it| !it.fenced && it.epoch > displaced.broker_epoch)
        })
        .await;

    let registered = image.brokers().get(BrokerId(1)).unwrap();
    assert_eq!(registered.incarnation, identity(2).incarnation);
    assert!(first < displaced.broker_epoch);
    node.stop();
}
