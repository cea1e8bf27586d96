//! One of the two brokers, as a client sees it: a connection, requests, and what comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use broker::protocol::{
    Decode as _, FramePiece, Reader, Request, ResponseHeader, Str, decode_whole, frame,
};
use bytes::Bytes;

use super::masked::Own;
use super::tree::Node;

/// No answer in this time is as good as none.
const PATIENCE: Duration = Duration::from_secs(3);

/// One broker.
pub struct Side {
    /// Whether it is Apache Kafka.
    pub is_apache: bool,
    address: String,
    /// The one that is used first.
    connections: [Connection; 2],
    pub own: Own,
}

/// A connection, made when it is first used.
#[derive(Default)]
struct Connection {
    socket: Option<TcpStream>,
    correlation_id: i32,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// All bytes behind the size.
    Answer(Bytes),
    /// The broker closed the connection.
    Closed,
    /// Nothing, for as long as the test waits.
    Silent,
}

impl Side {
    pub fn new(is_apache: bool, address: String, own: Own) -> Self {
        Self {
            is_apache,
            address,
            connections: Default::default(),
            own,
        }
    }

    fn socket(&mut self) -> &mut TcpStream {
        let address = &self.address;
        self.connections[0].socket.get_or_insert_with(|| {
            let socket = TcpStream::connect(address).expect("the broker listens");
            let patience = Some(PATIENCE);
            socket.set_read_timeout(patience).expect("it is not zero");
            socket.set_nodelay(true).expect("it is a TCP socket");
            socket
        })
    }

    /// A request as it is sent.
    pub fn frame<R: Request>(&mut self, client: Option<Str>, request: &R, version: i16) -> Vec<u8> {
        self.connections[0].correlation_id += 1;
        let correlation_id = self.connections[0].correlation_id;
        let frame = frame::request(correlation_id, client, request, version);
        let pieces = frame.pieces.iter().map(|piece| match piece {
            FramePiece::Bytes(bytes) => bytes.as_ref(),
            FramePiece::File(_) => unreachable!("no request is in a file"),
        });
        pieces.collect::<Vec<_>>().concat()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        // The broker may close before all is written.
        let _ = self.socket().write_all(bytes);
    }

    /// What comes next.
    pub fn receive(&mut self) -> Reply {
        let socket = self.socket();
        let mut size = [0; 4];
        let whole = socket.read_exact(&mut size).and_then(|()| {
            let mut answer = vec![0; u32::from_be_bytes(size) as usize];
            socket.read_exact(&mut answer).map(|()| answer)
        });
        match whole {
            Ok(answer) => Reply::Answer(answer.into()),
            Err(error) => {
                self.hang_up();
                match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => Reply::Silent,
                    _ => Reply::Closed,
                }
            }
        }
    }

    /// Gives up the connection.
    pub fn hang_up(&mut self) {
        self.connections[0].socket = None;
    }

    /// Goes on with the other connection, so that one may wait for its answer.
    pub fn change_connection(&mut self) {
        self.connections.swap(0, 1);
    }

    /// The answer as a value and as a tree, if there is one that can be read.
    pub fn decoded<R: Request>(
        &mut self,
        reply: Reply,
        version: i16,
    ) -> Option<(R::Response, Node)> {
        let Reply::Answer(bytes) = reply else {
            return None;
        };
        let mut reader = Reader::new(bytes);
        let header = ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version));
        if header.ok()?.correlation_id != self.connections[0].correlation_id {
            return None;
        }
        let answer = decode_whole::<R::Response>(reader.take_rest(), version).ok()?;
        let node = Node::of(&answer, version);
        self.own.learn(&node);
        Some((answer, node))
    }
}

impl Reply {
    /// In words, where there is no answer that can be read.
    pub fn outcome(&self) -> String {
        match self {
            Self::Answer(bytes) => {
                format!("an answer of {} bytes that cannot be read", bytes.len())
            }
            Self::Closed => "closed".to_owned(),
            Self::Silent => "silence".to_owned(),
        }
    }
}
