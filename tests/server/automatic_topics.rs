//! Topics that a Metadata request makes by naming them.

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse,
};
use broker::protocol::{ErrorCode, Str};

use crate::support::Broker;

#[tokio::test]
async fn a_request_makes_so_many_topics_and_no_more_until_it_comes_again() {
    let broker = Broker::start_with(&[("auto.create.topics.per.request.max", "3")]);
    let mut client = Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens");
    let names = ["a", "b", "c", "d", "a", "e", "b", "c", "not/a/name"];

    let first = ask(&mut client, &names).await;
    let again = ask(&mut client, &names).await;

    let made = ErrorCode::NONE;
    let coming = ErrorCode::LEADER_NOT_AVAILABLE;
    let invalid = ErrorCode::INVALID_TOPIC_EXCEPTION;
    assert_eq!(first, [made, made, made, coming, coming, invalid]);
    assert_eq!(again, [made, made, made, made, made, invalid]);
}

/// The code for each topic, in the order of names.
async fn ask(client: &mut Client, names: &[&str]) -> Vec<ErrorCode> {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        name: Some(Str::from((*name).to_owned())),
        ..MetadataRequestTopic::default()
    });
    let request = MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    let response: MetadataResponse = client.call(&request, 9).await.expect("an answer");
    let topics = response.topics.iter();
    topics.map(|topic| topic.error_code).collect()
}
