//! Why a connection ends.

use std::borrow::Cow;
use std::io;

use super::sniff::Foreign;

/// Why a connection ends. Its text goes to the log, at a level that fits the reason.
#[derive(Debug, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed its end between two requests.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The peer closed its end in the middle of a request.
    #[error("the peer closed the connection in the middle of a request")]
    PeerClosedMidRequest,
    /// A request announces a length outside 8 bytes (Kafka's shortest request) and the configured limit.
    #[error("a request of {length} bytes; a request has 8 to {limit} bytes")]
    RequestSize {
        /// What the peer announced.
        length: i32,
        /// `socket.request.max.bytes`, or the limit before authentication.
        limit: u32,
    },
    /// The peer speaks another protocol.
    #[error("{}", .0.hint())]
    Foreign(Foreign),
    /// Nothing happened for `connections.max.idle.ms`.
    #[error("idle for too long")]
    Idle,
    /// A request began and did not arrive in time.
    #[error("the peer stopped sending in the middle of a request")]
    StalledRequest,
    /// An answer waits and the peer does not read.
    #[error("the peer does not read its answers")]
    StalledAnswer,
    /// The peer did not log in in time.
    #[error("the peer did not authenticate in time")]
    NotAuthenticated,
    /// The handler refused a request that cannot be answered.
    #[error("{0}")]
    Refused(Cow<'static, str>),
    /// The socket failed.
    #[error("{0}")]
    Socket(io::Error),
    /// The records of an answer could not be read, or their file has become shorter than what was promised.
    #[error("records of an answer could not be read: {0}")]
    Records(io::Error),
    /// The broker stops.
    #[error("the broker is stopping")]
    Stopping,
    /// Someone asked for it: an operator, or a change of credentials.
    #[error("closed on request")]
    Asked,
    /// A bug: the connection's task panicked.
    #[error("a panic in the handling of a request: {0}")]
    Panicked(String),
}

impl CloseReason {
    /// The handler's refusal of a request that cannot be answered.
    pub fn refused(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(why.into())
    }

    /// Whether the requests that the peer has sent so far still deserve their answers.
    pub(super) fn is_orderly(&self) -> bool {
        matches!(
            self,
            Self::PeerClosed
                | Self::RequestSize { .. }
                | Self::Refused(_)
                | Self::Stopping
                | Self::Asked
        )
    }
}
