//! The seam between the network and the request handler. The network knows sizes and order, never what a
//! request means.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::budget::MemoryCharge;
use super::close::CloseReason;
use super::connection::Connection;
use crate::protocol::ResponseFrame;

/// Serves the requests of all connections.
pub trait RequestHandler: Send + Sync + 'static {
    /// Starts one request. Runs on the connection's task, in order of arrival: it must not block
    /// for long. A panic ends this connection only.
    fn handle(&self, connection: &Arc<Connection>, frame: RequestFrame) -> Handling;

    /// How to treat requests of this API. It is asked for unknown APIs as well.
    fn treatment(&self, api_key: i16) -> Treatment;
}

/// How the network treats requests of one API. The default suits any API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Treatment {
    /// Requests of the API are started while earlier ones of the same API and connection wait for
    /// their answers. Any other request waits for all earlier answers, and is answered before the
    /// next one starts.
    pub overlaps: bool,
    /// Requests of the API carry records: a part of the memory budget is kept free of them, for the
    /// requests of all other APIs.
    pub carries_records: bool,
}

/// One request as it arrived.
#[derive(Debug)]
pub struct RequestFrame {
    /// Header and body, without the leading size; at least 8 bytes. Slices of small frames keep
    /// the connection's whole read buffer alive: copy what is to stay for long.
    pub bytes: Bytes,
    /// The request's part of the memory budget: drop it together with `bytes`, as soon as the
    /// request needs them no more.
    pub charge: MemoryCharge,
    /// When the request's last byte was read.
    pub received_at: Instant,
}

/// An answer that is still being made. It is dropped, wherever it is, when its connection breaks.
pub type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What became of a request.
pub enum Handling {
    /// The request is answered at once.
    Answer(ResponseFrame),
    /// The request is answered later; nothing else of its connection is started before.
    Later(Pending),
    /// The request is answered later, and the next one of the same API may be started meanwhile if it
    /// [overlaps](Treatment::overlaps). The future is polled at once, and whenever its connection has
    /// something to do.
    Pipelined(Pending),
    /// The request is done, and the peer expects no answer (acks=0).
    NoAnswer,
    /// The connection is closed as soon as earlier answers are written.
    Close(CloseReason),
}

/// What a request has cost on threads that no connection waits for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere {
    /// How long it waited for its turn there.
    pub waited: Duration,
    /// How long it was worked on.
    pub worked: Duration,
}

/// What a pending answer ends with.
pub enum Outcome {
    /// The answer.
    Answer(ResponseFrame),
    /// The answer of a request that was served elsewhere.
    FromElsewhere(ResponseFrame, Elsewhere),
    /// The peer expects no answer.
    NoAnswer,
    /// The connection is closed as soon as earlier answers are written.
    Close(CloseReason),
}
