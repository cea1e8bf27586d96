//! Controllers of other nodes, on the wire: each answers as it is told to, and tells what it is asked.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

use crate::metadata::ControllerLink;
use crate::protocol::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use crate::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse,
};
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatResponse;
use crate::protocol::{ApiKey, Encode, Reader, Request, RequestHeader, frame};

/// This node, whose own controller is one of them.
pub(super) const HERE: BrokerId = BrokerId(1);

/// What a controller does with requests.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// It takes heartbeats, once the flag is up.
    Active(watch::Receiver<bool>),
    /// It is not the active one, and says so.
    Deposed,
    /// It says nothing.
    Silent,
    /// It closes the connection instead of an answer.
    Closing,
}

impl Manner {
    /// It takes heartbeats.
    pub(super) fn active() -> Self {
        Self::Active(watch::channel(true).1)
    }
}

/// What the controller of a node meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// A request other than that for versions.
    Request(BrokerId, ApiKey),
    /// The end of a connection, by the other side.
    End(BrokerId),
}

/// The controllers of nodes 2, 3, ... and this node's way to them. This node's own decides nothing.
pub(super) struct Controllers {
    /// How many connections each has had, by its place among them.
    connection_counts: Vec<Arc<AtomicUsize>>,
    pub(super) handle: ControllerHandle,
    pub(super) published: Arc<Published>,
    met: UnboundedReceiver<Met>,
    /// What this node's own controller is asked.
    inputs: mpsc::Receiver<ControllerInput>,
    asked_here: Vec<ControllerInput>,
}

impl Controllers {
    pub(super) async fn begin(manners: &[Manner]) -> Self {
        let (events, met) = unbounded_channel();
        let mut voters = vec![Voter {
            id: HERE,
            host: "127.0.0.1".to_owned(),
            port: 1,
        }];
        let mut connection_counts = Vec::new();
        for (id, manner) in (2..).map(BrokerId).zip(manners) {
            let count = Arc::<AtomicUsize>::default();
            connection_counts.push(Arc::clone(&count));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            voters.push(Voter {
                id,
                host: "127.0.0.1".to_owned(),
                port: listener.local_addr().unwrap().port(),
            });
            let events = events.clone();
            tokio::spawn(listen(listener, (id, manner.clone()), count, events));
        }
        let (sender, inputs) = mpsc::channel();
        let published = Arc::new(Published::new());
        let here = ControllerHandle::new(sender, Arc::clone(&published));
        Self {
            connection_counts,
            handle: here.with_link(ControllerLink::new(HERE, &voters)),
            published,
            met,
            inputs,
            asked_here: Vec::new(),
        }
    }

    /// This node takes `active` for the node with the active controller.
    pub(super) fn know(&self, active: BrokerId) {
        let epoch = LeaderEpoch(self.published.leader().1.0 + 1);
        self.published.leader.send_replace((Some(active), epoch));
    }

    /// What the controllers meet next.
    pub(super) async fn next(&mut self) -> Met {
        let met = tokio::time::timeout(PATIENCE, self.met.recv()).await;
        met.unwrap().expect("controllers run as long as the test")
    }

    /// What the controllers have met so far.
    pub(super) fn so_far(&mut self) -> Vec<Met> {
        std::iter::from_fn(|| self.met.try_recv().ok()).collect()
    }

    /// How many connections the controller of a node has had.
    pub(super) fn connection_count(&self, id: BrokerId) -> usize {
        let place = usize::try_from(id.0 - 2).unwrap();
        self.connection_counts[place].load(Ordering::Acquire)
    }

    /// Whether this node's own controller was asked. Whoever has asked goes on waiting.
    pub(super) fn is_asked_here(&mut self) -> bool {
        self.asked_here.extend(self.inputs.try_iter());
        !self.asked_here.is_empty()
    }
}

async fn listen(
    listener: TcpListener,
    (id, manner): (BrokerId, Manner),
    count: Arc<AtomicUsize>,
    events: UnboundedSender<Met>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        count.fetch_add(1, Ordering::AcqRel);
        let (manner, events) = (manner.clone(), events.clone());
        tokio::spawn(async move {
            if serve(stream, id, manner, &events).await.is_err() {
                // The test may be over.
                let _ = events.send(Met::End(id));
            }
        });
    }
}

/// Serves one connection, to an error when the other side ends it.
async fn serve(
    mut stream: TcpStream,
    id: BrokerId,
    mut manner: Manner,
    events: &UnboundedSender<Met>,
) -> io::Result<()> {
    loop {
        let length = stream.read_u32().await?;
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).await?;
        let header = RequestHeader::decode(&mut Reader::new(bytes.into())).unwrap();
        let key = ApiKey::try_from(header.api_key).unwrap();
        if key == ApiKey::ApiVersions {
            answer::<ApiVersionsRequest>(&mut stream, &header, &versions()).await?;
            continue;
        }
        // The test may be over.
        let _ = events.send(Met::Request(id, key));
        let error_code = match &mut manner {
            Manner::Silent => continue,
            Manner::Closing => return Ok(()),
            Manner::Deposed => ErrorCode::NOT_CONTROLLER,
            Manner::Active(may_answer) => {
                let _ = may_answer.wait_for(|may_answer| *may_answer).await;
                ErrorCode::NONE
            }
        };
        match key {
            ApiKey::BrokerHeartbeat => {
                let body = BrokerHeartbeatResponse {
                    error_code,
                    is_fenced: false,
                    ..BrokerHeartbeatResponse::default()
                };
                answer::<BrokerHeartbeatRequest>(&mut stream, &header, &body).await?;
            }
            ApiKey::AlterPartition => {
                let body = AlterPartitionResponse {
                    error_code,
                    ..AlterPartitionResponse::default()
                };
                answer::<AlterPartitionRequest>(&mut stream, &header, &body).await?;
            }
            other => panic!("nobody asks for {other}"),
        }
    }
}

async fn answer<R: Request<Response: Encode>>(
    stream: &mut TcpStream,
    header: &RequestHeader,
    body: &R::Response,
) -> io::Result<()> {
    let version = header.api_version;
    let header_version = R::KEY.response_header_version(version);
    let frame = frame::response(header.correlation_id, header_version, body, version);
    let bytes = frame.unframed().expect("no payload in a file");
    stream
        .write_u32(u32::try_from(bytes.len()).unwrap())
        .await?;
    stream.write_all(&bytes).await
}

fn versions() -> ApiVersionsResponse {
    let served = [
        ApiKey::BrokerHeartbeat,
        ApiKey::AlterPartition,
        ApiKey::ApiVersions,
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
