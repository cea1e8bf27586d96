//! Connections to the controllers of other nodes are kept for the next request.

use tokio::task::JoinSet;

use super::controllers::{Controllers, Manner};
use super::*;

const FIRST: BrokerId = BrokerId(2);
const SECOND: BrokerId = BrokerId(3);
/// More than are kept when nobody uses them.
const MANY: usize = 12;

async fn ask(handle: &ControllerHandle) -> ErrorCode {
    handle
        .ask(BrokerHeartbeatRequest::default())
        .await
        .error_code
}

#[tokio::test]
async fn a_connection_to_each_of_several_controllers_is_kept() {
    let controllers = Controllers::begin(&[Manner::Deposed, Manner::active()]).await;

    for _ in 0..5 {
        controllers.know(FIRST);
        assert_eq!(ask(&controllers.handle).await, ErrorCode::NOT_CONTROLLER);
        controllers.know(SECOND);
        assert_eq!(ask(&controllers.handle).await, ErrorCode::NONE);
    }

    let counts = [FIRST, SECOND].map(|id| controllers.connection_count(id));
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn a_connection_to_a_new_controller_is_kept_in_the_place_of_one_to_the_former() {
    let (sender, may_answer) = watch::channel(false);
    let manners = [Manner::Active(may_answer), Manner::active()];
    let mut controllers = Controllers::begin(&manners).await;
    controllers.know(FIRST);
    let mut asking = JoinSet::new();
    for _ in 0..MANY {
        let handle = controllers.handle.clone();
        asking.spawn(async move { ask(&handle).await });
    }
    for _ in 0..MANY {
        controllers.next().await;
    }
    sender.send_replace(true);
    asking.join_all().await;

    controllers.know(SECOND);
    for _ in 0..3 {
        assert_eq!(ask(&controllers.handle).await, ErrorCode::NONE);
    }
    controllers.know(FIRST);
    assert_eq!(ask(&controllers.handle).await, ErrorCode::NONE);

    let counts = [FIRST, SECOND].map(|id| controllers.connection_count(id));
    assert_eq!(counts, [MANY, 1]);
}
