//! What a fetch session that names topics by id is told of a topic that goes.

use super::support::{Change, World, params, request};
use super::*;
use crate::replication::fetch_session::TopicRef;

#[tokio::test]
async fn a_topic_that_is_gone_and_one_that_was_made_anew_are_told_apart() {
    let world = World::new(&["/a"]);
    world.apply(&[Change::topic("t", 1)]);
    let topic_id = world.partition("t", 0).id().topic_id;
    let ask = async |id, epoch| {
        let session = SessionRequest {
            id,
            epoch,
            uses_topic_ids: true,
        };
        let wanted = (epoch == INITIAL_EPOCH).then(|| (TopicRef::Id(topic_id), 0, request(0)));
        let (params, nothing) = (params(Duration::ZERO), std::iter::empty());
        let fetch = world
            .manager
            .begin_fetch(params, session, wanted.into_iter(), nothing);
        fetch.unwrap().run().await
    };
    let session = ask(NO_SESSION, INITIAL_EPOCH).await.session_id;

    world.apply(&[Change::delete("t")]);
    let gone = ask(session, 1).await.partitions[0].error;
    world.apply(&[Change::topic("t", 1)]);
    let made_anew = ask(session, 2).await.partitions[0].error;

    assert_eq!(gone, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(made_anew, ErrorCode::INCONSISTENT_TOPIC_ID);
}
