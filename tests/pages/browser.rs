//! Asks for pages.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use serde_json::Value;

use crate::nodes::{Maker, Nodes};
use crate::voice::{ask_at, wait_for};

/// The port of the pages, on a node's own address.
const PORT: u16 = 19095;
/// How long an answer may take at all.
const LIMIT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn json(&self) -> Value {
        let read = serde_json::from_str(&self.body);
        read.unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks `address` for a page, with these headers.
pub fn get(address: &str, path: &str, headers: &[&str]) -> Answer {
    let host = format!("Host: {address}");
    let headers: Vec<&str> = [host.as_str()].iter().chain(headers).copied().collect();
    send(address, "GET", path, &headers, "")
}

/// Sends a form to `address`, with these headers.
pub fn post(address: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let host = format!("Host: {address}");
    let headers: Vec<&str> = [host.as_str()].iter().chain(headers).copied().collect();
    send(address, "POST", path, &headers, body)
}

/// Sends a request with these headers and no others of meaning.
pub fn send(address: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut socket = TcpStream::connect(address).expect("the pages are served");
    socket.set_read_timeout(Some(LIMIT)).expect("it can be set");
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if method == "POST" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    socket.write_all(request.as_bytes()).expect("it is sent");
    // A body that is too long is refused before all of it has been taken.
    let _ = socket.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let ended = socket.read_to_end(&mut answer);
    assert!(
        ended.is_ok() || !answer.is_empty(),
        "it is answered: {ended:?}"
    );
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Asks for a page as data.
pub fn json(address: &str, path: &str) -> Value {
    let answer = get(address, path, &["Accept: application/json"]);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Where a node's pages are.
pub fn pages(nodes: &Nodes, id: i32) -> String {
    let bootstrap = nodes.bootstrap(id);
    let (host, _) = bootstrap.rsplit_once(':').expect("it has a port");
    format!("{host}:{PORT}")
}

/// Three nodes that serve pages, and that know each other.
pub fn three(test: u8) -> Nodes {
    three_with(test, &[])
}

/// The same, with these settings.
pub fn three_with(test: u8, settings: &[(&str, &str)]) -> Nodes {
    let settings = [&[("min.insync.replicas", "2")], settings].concat();
    let mut nodes = Nodes::combined(test, &[Maker::Ours; 3], &settings).expect("they are ours");
    for id in nodes.ids() {
        let listener = format!("http://{}", pages(&nodes, id));
        nodes.set(id, "admin.listeners", &listener);
    }
    nodes.start_all();
    for id in nodes.ids() {
        let address = pages(&nodes, id);
        wait_for("all brokers to serve", || {
            (json(&address, "/")["brokers_serving"] == 3).then_some(())
        });
    }
    nodes
}

/// Has a group without members commit `offset` of a partition.
pub fn commit(nodes: &Nodes, group: &str, (topic, partition): (&str, i32), offset: i64) {
    let request = OffsetCommitRequest {
        group_id: group.to_owned().into(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned().into(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let ids = nodes.ids();
    let mut turns = ids.iter().cycle();
    wait_for("the coordinator to take a commit", || {
        let id = turns.next().expect("they go round");
        if !nodes.is_running(*id) {
            return None;
        }
        let address = nodes.bootstrap(*id);
        // Somebody has to look for the coordinator first, so that there is one.
        find_coordinator(&address, group);
        let answer = ask_at(&address, &request, 9)?;
        let code = answer.topics[0].partitions[0].error_code;
        (!code.is_error()).then_some(())
    });
}

fn find_coordinator(address: &str, group: &str) {
    use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned().into()],
        ..FindCoordinatorRequest::default()
    };
    let _ = ask_at(address, &request, 4);
}
