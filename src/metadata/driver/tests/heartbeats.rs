//! How heartbeats find the active controller, and that nothing else looks for it.

use super::controllers::{Controllers, HERE, Manner, Met};
use super::*;
use crate::protocol::ApiKey;
use crate::protocol::messages::alter_partition::AlterPartitionRequest;

const KNOWN: BrokerId = BrokerId(2);
const SECOND: BrokerId = BrokerId(3);
const THIRD: BrokerId = BrokerId(4);

fn heartbeat() -> BrokerHeartbeatRequest {
    BrokerHeartbeatRequest {
        broker_id: HERE.0,
        broker_epoch: 5,
        ..BrokerHeartbeatRequest::default()
    }
}

fn heartbeat_at(id: BrokerId) -> Met {
    Met::Request(id, ApiKey::BrokerHeartbeat)
}

#[tokio::test]
async fn a_heartbeat_reaches_the_new_controller_where_the_known_one_is_deposed() {
    for known in [Manner::Deposed, Manner::Closing] {
        let mut controllers = Controllers::begin(&[known.clone(), Manner::active()]).await;
        controllers.know(KNOWN);

        let response = controllers.handle.heartbeat(heartbeat()).await;

        assert_eq!(response.error_code, ErrorCode::NONE, "known: {known:?}");
        assert_eq!(controllers.next().await, heartbeat_at(KNOWN));
        let is_second = |met: &Met| *met == heartbeat_at(SECOND);
        assert!(
            controllers.so_far().iter().any(is_second),
            "known: {known:?}"
        );
    }
}

#[tokio::test]
async fn a_heartbeat_reaches_the_new_controller_while_this_nodes_own_waits_for_its_disk() {
    let mut controllers = Controllers::begin(&[Manner::Deposed, Manner::active()]).await;
    controllers.know(HERE);

    let response = controllers.handle.heartbeat(heartbeat()).await;

    assert_eq!(response.error_code, ErrorCode::NONE);
    assert!(controllers.is_asked_here());
}

#[tokio::test]
async fn a_heartbeat_ends_with_the_news_of_another_controller_so_that_the_next_goes_there() {
    let mut controllers = Controllers::begin(&[Manner::Silent]).await;
    controllers.know(HERE);
    let beat = tokio::spawn({
        let handle = controllers.handle.clone();
        async move { handle.heartbeat(heartbeat()).await }
    });
    while !controllers.is_asked_here() {
        tokio::task::yield_now().await;
    }

    controllers.know(KNOWN);

    let response = tokio::time::timeout(PATIENCE, beat).await.unwrap().unwrap();
    assert_eq!(response.error_code, ErrorCode::NOT_CONTROLLER);
}

#[tokio::test]
async fn a_controller_that_says_nothing_holds_up_no_heartbeat_to_the_others() {
    let (sender, may_answer) = watch::channel(false);
    let manners = [Manner::Deposed, Manner::Silent, Manner::Active(may_answer)];
    let mut controllers = Controllers::begin(&manners).await;
    controllers.know(KNOWN);
    let beat = tokio::spawn({
        let handle = controllers.handle.clone();
        async move { handle.heartbeat(heartbeat()).await }
    });

    // The silent one has not been given up when the active one is asked.
    assert_eq!(controllers.next().await, heartbeat_at(KNOWN));
    let mut both = [controllers.next().await, controllers.next().await];
    both.sort_by_key(|met| *met == heartbeat_at(THIRD));
    assert_eq!(both, [heartbeat_at(SECOND), heartbeat_at(THIRD)]);

    sender.send_replace(true);
    assert_eq!(beat.await.unwrap().error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn a_change_of_an_in_sync_set_goes_to_one_controller_alone() {
    // The answer of one would tell nothing of a copy that another takes late.
    for known in [Manner::Deposed, Manner::Closing] {
        let manners = [known.clone(), Manner::active(), Manner::active()];
        let mut controllers = Controllers::begin(&manners).await;
        controllers.know(KNOWN);

        let request = AlterPartitionRequest::default();
        let response = controllers.handle.ask(request).await;

        assert_eq!(
            response.error_code,
            ErrorCode::NOT_CONTROLLER,
            "known: {known:?}"
        );
        let asked = Met::Request(KNOWN, ApiKey::AlterPartition);
        assert_eq!(controllers.so_far(), [asked], "known: {known:?}");
        assert!(!controllers.is_asked_here(), "known: {known:?}");
    }
}
