//! What signals do to a broker process.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::metadata::MetadataRequest;
use rustix::process::Signal;

use crate::support::Broker;

/// Longer than a process takes to say something, shorter than a hung test is worth.
const PATIENCE: Duration = Duration::from_secs(60);

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

#[test]
fn a_service_manager_is_told_when_the_node_serves_and_when_it_stops() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time");
    let heard = || {
        let mut line = [0; 64];
        let length = manager.recv(&mut line).expect("it tells in time");
        String::from_utf8_lossy(&line[..length]).into_owned()
    };

    let mut broker = Broker::stopped(&[]);
    broker.tell(&path);
    broker.start_again();
    assert_eq!(heard(), "READY=1");
    let stopped = broker.stop();

    assert_eq!(heard(), "STOPPING=1");
    assert!(stopped.status.success());
}
