//! A leader that moves while a tool asks it: three nodes of the test's own, the first of which tells the metadata.
//! Node 2 leads partition 0 of `t` until it is asked, and node 3 from then on; partition 1 is node 3's.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use broker::protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use broker::protocol::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};
use broker::protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use broker::protocol::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use broker::protocol::{ApiKey, Decode as _, Encode, ErrorCode, Reader, RequestHeader, frame};

use crate::call::{OFFSETS, Outcome, Tool};
use crate::ours;
use crate::support::path_text;

const DELETE: Tool = Tool {
    name: "delete-records",
    class: "org.apache.kafka.tools.DeleteRecordsCommand",
};

/// What the former leader does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Former {
    /// It closes each connection at once.
    Gone,
    /// It closes the connection instead of an answer.
    Dying,
    /// It says that it leads no more.
    Deposed,
}

/// What the nodes know.
struct Cluster {
    addresses: Vec<SocketAddr>,
    former: Former,
    has_moved: AtomicBool,
}

/// Begins the three nodes; returns the address of the first.
fn begin(former: Former) -> String {
    let listeners: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    let addresses = listeners
        .iter()
        .map(|it| it.local_addr().expect("it is bound"));
    let cluster = Arc::new(Cluster {
        addresses: addresses.collect(),
        former,
        has_moved: AtomicBool::new(false),
    });
    let first = cluster.addresses[0].to_string();
    for (id, listener) in (1..).zip(listeners) {
        let cluster = Arc::clone(&cluster);
        // The threads end with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let cluster = Arc::clone(&cluster);
                thread::spawn(move || drop(cluster.serve(id, stream)));
            }
        });
    }
    first
}

impl Cluster {
    /// Serves a connection to the node `id` until the tool ends it, or the node does.
    fn serve(&self, id: i32, mut stream: TcpStream) -> io::Result<()> {
        let is_former = id == 2;
        if is_former && self.former == Former::Gone {
            self.has_moved.store(true, Ordering::SeqCst);
            return Ok(());
        }
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut bytes)?;
            let mut reader = Reader::new(bytes.into());
            let header = RequestHeader::decode(&mut reader).expect("a header");
            let (api, version) = (header.api_key, header.api_version);
            let api = ApiKey::try_from(api).expect("a key");
            let is_for_leader = [ApiKey::ListOffsets, ApiKey::DeleteRecords].contains(&api);
            if is_former && is_for_leader {
                self.has_moved.store(true, Ordering::SeqCst);
                if self.former == Former::Dying {
                    return Ok(());
                }
            }
            let answer = match api {
                ApiKey::ApiVersions => framed(&header, api, &versions()),
                ApiKey::Metadata => framed(&header, api, &self.metadata()),
                ApiKey::ListOffsets => {
                    let request = ListOffsetsRequest::decode(&mut reader, version);
                    let answer = listed(&request.expect("a request"), is_former);
                    framed(&header, api, &answer)
                }
                ApiKey::DeleteRecords => {
                    let request = DeleteRecordsRequest::decode(&mut reader, version);
                    let answer = deleted(&request.expect("a request"), is_former);
                    framed(&header, api, &answer)
                }
                other => panic!("no tool asks for {other}"),
            };
            stream.write_all(&answer)?;
        }
    }

    fn metadata(&self) -> MetadataResponse {
        let brokers = (1..)
            .zip(&self.addresses)
            .map(|(node_id, address)| MetadataResponseBroker {
                node_id,
                host: address.ip().to_string().into(),
                port: i32::from(address.port()),
                rack: None,
            });
        let has_moved = self.has_moved.load(Ordering::SeqCst);
        let leaders = [if has_moved { 3 } else { 2 }, 3];
        let partitions =
            (0..)
                .zip(leaders)
                .map(|(partition_index, leader_id)| MetadataResponsePartition {
                    partition_index,
                    leader_id,
                    replica_nodes: vec![2, 3],
                    isr_nodes: vec![2, 3],
                    ..MetadataResponsePartition::default()
                });
        MetadataResponse {
            brokers: brokers.collect(),
            controller_id: 1,
            topics: vec![MetadataResponseTopic {
                name: Some("t".into()),
                partitions: partitions.collect(),
                ..MetadataResponseTopic::default()
            }],
            ..MetadataResponse::default()
        }
    }
}

fn framed(header: &RequestHeader, api: ApiKey, body: &impl Encode) -> Vec<u8> {
    let version = header.api_version;
    let header_version = api.response_header_version(version);
    let frame = frame::response(header.correlation_id, header_version, body, version);
    let bytes = frame.unframed().expect("no payload in a file");
    let length = u32::try_from(bytes.len()).expect("a short answer");
    [&length.to_be_bytes(), &*bytes].concat()
}

fn versions() -> ApiVersionsResponse {
    let served = [
        ApiKey::ApiVersions,
        ApiKey::Metadata,
        ApiKey::ListOffsets,
        ApiKey::DeleteRecords,
    ];
    let api_keys = served.map(|key| ApiVersion {
        api_key: key as i16,
        min_version: *key.valid_versions().start(),
        max_version: *key.valid_versions().end(),
    });
    ApiVersionsResponse {
        api_keys: api_keys.to_vec(),
        ..ApiVersionsResponse::default()
    }
}

/// What a node says of a partition: an error if it leads nothing, else an offset.
fn said(is_former: bool, partition: i32) -> (ErrorCode, i64) {
    if is_former {
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1)
    } else {
        (ErrorCode::NONE, 40 + i64::from(partition))
    }
}

fn listed(request: &ListOffsetsRequest, is_former: bool) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let partition_index = asked.partition_index;
            let (error_code, offset) = said(is_former, partition_index);
            ListOffsetsPartitionResponse {
                partition_index,
                error_code,
                offset,
                ..ListOffsetsPartitionResponse::default()
            }
        });
        ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        }
    });
    ListOffsetsResponse {
        topics: topics.collect(),
        ..ListOffsetsResponse::default()
    }
}

fn deleted(request: &DeleteRecordsRequest, is_former: bool) -> DeleteRecordsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let partition_index = asked.partition_index;
            let (error_code, low_watermark) = said(is_former, partition_index);
            DeleteRecordsPartitionResult {
                partition_index,
                low_watermark,
                error_code,
            }
        });
        DeleteRecordsTopicResult {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        }
    });
    DeleteRecordsResponse {
        topics: topics.collect(),
        ..DeleteRecordsResponse::default()
    }
}

/// Makes a call on a cluster whose leader moves, for each way in which it may do that.
fn check(tool: Tool, arguments: &str, expected: &str) {
    for former in [Former::Gone, Former::Dying, Former::Deposed] {
        let arguments = arguments.replace("{b}", &begin(former));
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();

        let Outcome {
            code,
            output,
            errors,
        } = ours::call(&tool.call(""), &arguments);

        assert_eq!(output, expected, "{former:?}: {errors}");
        assert_eq!(code, 0, "{former:?}: {errors}");
    }
}

#[test]
fn get_offsets_follows_a_leader_that_moves() {
    let arguments = "--bootstrap-server {b} --topic t";
    check(OFFSETS, arguments, "t:0:40\nt:1:41\n");
}

#[test]
fn delete_records_follows_a_leader_that_moves() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("offsets.json");
    let text = r#"{"version": 1, "partitions": [
        {"topic": "t", "partition": 0, "offset": 40}, {"topic": "t", "partition": 1, "offset": 41}]}"#;
    std::fs::write(&file, text).expect("a file");
    let arguments = format!(
        "--bootstrap-server {{b}} --offset-json-file {}",
        path_text(&file)
    );

    check(
        DELETE,
        &arguments,
        "Executing records delete operation\nRecords delete operation completed:\n\
         partition: t-0\tlow_watermark: 40\npartition: t-1\tlow_watermark: 41\n",
    );
}
