//! A peer that speaks the protocol in bytes, from any address.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::{
    Decode as _, ErrorCode, FramePiece, Reader, Request, ResponseHeader, Str, frame,
};
use bytes::Bytes;
use socket2::{Domain, SockRef, Socket, Type};

/// Longer than anything takes; a broker that hangs fails a test and does not stop it.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Wire {
    pub socket: TcpStream,
}

impl Wire {
    pub fn connect(address: &str) -> Self {
        Self::from([127, 0, 0, 1], address).expect("the broker listens")
    }

    /// Connects from this address.
    pub fn from(ip: [u8; 4], address: &str) -> io::Result<Self> {
        Self::on(Socket::new(Domain::IPV4, Type::STREAM, None)?, ip, address)
    }

    /// One that the system takes little for that it does not read.
    pub fn deaf(ip: [u8; 4], address: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(4096)?;
        Self::on(socket, ip, address)
    }

    fn on(socket: Socket, ip: [u8; 4], address: &str) -> io::Result<Self> {
        bind(&socket, ip)?;
        let to: SocketAddr = address.parse().expect("an address");
        socket.connect(&to.into())?;
        socket.set_tcp_nodelay(true)?;
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(LIMIT))?;
        socket.set_write_timeout(Some(LIMIT))?;
        Ok(Self { socket })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Writes as much as the system takes without waiting: how much it was.
    pub fn send_what_fits(&mut self, bytes: &[u8]) -> usize {
        self.socket.set_nonblocking(true).expect("it is open");
        let mut sent = 0;
        while let Ok(written @ 1..) = self.socket.write(&bytes[sent..]) {
            sent += written;
        }
        self.socket.set_nonblocking(false).expect("it is open");
        sent
    }

    /// The next answer, or the end of the connection.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).ok()?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut answer).ok()?;
        Some(answer)
    }

    pub fn exchange(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        // The broker may close before all is written.
        let _ = self.send(request);
        self.receive()
    }

    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let answer = self.exchange(&encoded(request, version));
        let mut reader = Reader::new(answer.expect("an answer").into());
        let header = R::KEY.response_header_version(version);
        ResponseHeader::decode(&mut reader, header).expect("a header");
        R::Response::decode(&mut reader, version).expect("a body")
    }

    /// Closes with a reset: nothing is sent any more, and nothing taken.
    pub fn reset(self) {
        let socket = SockRef::from(&self.socket);
        socket.set_linger(Some(Duration::ZERO)).expect("it is open");
    }
}

/// Binds to the next free port: the system takes long to find one of many that are in use.
fn bind(socket: &Socket, ip: [u8; 4]) -> io::Result<()> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Of connections that are over, too.
    socket.set_reuse_address(true)?;
    loop {
        let port = 10_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 50_000;
        match socket.bind(&SocketAddr::from((IpAddr::from(ip), port)).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
}

/// All bytes of a request.
pub fn encoded<R: Request>(request: &R, version: i16) -> Vec<u8> {
    encoded_as(None, request, version)
}

/// The same, of a client with a name.
pub fn encoded_as<R: Request>(client: Option<Str>, request: &R, version: i16) -> Vec<u8> {
    let frame = frame::request(1, client, request, version);
    let bytes = frame.pieces.iter().map(|piece| match piece {
        FramePiece::Bytes(bytes) => bytes.clone(),
        FramePiece::File(_) => unreachable!("a request is in memory"),
    });
    bytes.collect::<Vec<Bytes>>().concat()
}

/// Makes a topic, if it is not there.
pub fn create_topic(address: &str, name: &'static str, partitions: i32) {
    let topic = CreatableTopic {
        name: Str::from_static(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 60_000,
        ..CreateTopicsRequest::default()
    };
    let mut wire = Wire::connect(address);
    let answer = wire.call(&request, 5);
    let code = answer.topics[0].error_code;
    assert!([ErrorCode::NONE, ErrorCode::TOPIC_ALREADY_EXISTS].contains(&code));
    // Where very many folders are made the answer leaves before they are there.
    let named = MetadataRequestTopic {
        name: Some(Str::from_static(name)),
        ..MetadataRequestTopic::default()
    };
    let metadata = MetadataRequest {
        topics: Some(vec![named]),
        ..MetadataRequest::default()
    };
    while wire.call(&metadata, 9).topics[0].error_code.is_error() {}
}

/// Has the topic of groups made, and waits until groups are coordinated.
pub fn coordinate_groups(address: &str) {
    let find = FindCoordinatorRequest {
        key: "group".into(),
        ..FindCoordinatorRequest::default()
    };
    let heartbeat = HeartbeatRequest {
        group_id: "group".into(),
        member_id: "nobody".into(),
        ..HeartbeatRequest::default()
    };
    let mut wire = Wire::connect(address);
    while wire.call(&find, 2).error_code.is_error()
        || wire.call(&heartbeat, 0).error_code != ErrorCode::UNKNOWN_MEMBER_ID
    {}
}
