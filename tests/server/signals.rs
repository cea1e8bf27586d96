//! What signals do to a broker process.

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::metadata::MetadataRequest;
use rustix::process::Signal;

use crate::support::Broker;

#[tokio::test]
async fn a_hang_up_changes_nothing() {
    let mut broker = Broker::start();
    let options = ClientOptions::default();
    let mut client = Client::connect(broker.bootstrap(), options)
        .await
        .expect("it listens");

    broker.signal(Signal::HUP);
    broker.wait_for_log("SIGHUP");

    let answer = client.call(&MetadataRequest::default(), 9).await;
    assert!(answer.is_ok(), "the connection is still there");
}

#[test]
fn a_quit_stops_in_order() {
    let mut broker = Broker::start();

    broker.signal(Signal::QUIT);
    let stopped = broker.ended();

    assert!(stopped.status.success(), "{}", stopped.output);
    assert!(stopped.output.contains("stopping: SIGQUIT"));
    let mark = broker.data_dir().join(".kafka_cleanshutdown");
    assert!(mark.exists(), "the next start need not recover");
}
