//! What a handler knows of the request besides its body.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::config::BrokerConfig;
use crate::network::{Connection, MemoryCharge};
use crate::protocol::{DecodeError, Encode, Request, RequestHeader, Str, decode_request};
use crate::security::Principal;

/// The circumstances of one request.
#[derive(Debug)]
pub struct RequestContext {
    /// The connection that the request came on.
    pub connection: Arc<Connection>,
    /// The request's header: API, version, correlation id, client id.
    pub header: RequestHeader,
    /// The bytes of header and body.
    pub size: usize,
    /// What the request may take of memory.
    pub limits: RequestLimits,
    /// When the request's last byte arrived.
    pub received_at: Instant,
    /// The request's part of the memory budget, until it is given back.
    pub charge: Option<MemoryCharge>,
    /// Who sent the request, if another broker forwarded it.
    pub forwarded_for: Option<ForwardedFor>,
}

/// The client that a broker forwards for.
#[derive(Clone, Debug)]
pub struct ForwardedFor {
    /// Who it is.
    pub principal: Principal,
    /// Set if no controller decided on the request, so that the broker may go to another.
    pub is_undecided: Arc<AtomicBool>,
}

/// What one request may take of memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// The heap of the request's arrays, and of what is made of them (`request.decoded.max.bytes`).
    pub decoded_bytes: usize,
    /// The answer in memory, without records (`response.max.bytes`).
    pub response_bytes: usize,
}

impl RequestLimits {
    /// The limits of the configuration.
    pub fn of(config: &BrokerConfig) -> Self {
        let positive = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
        Self {
            decoded_bytes: positive(config.network.request_decoded_max_bytes),
            response_bytes: positive(config.network.response_max_bytes),
        }
    }
}

/// The error message of a part that did not fit the answer.
pub const NO_ROOM: &str =
    "The answer would be larger than response.max.bytes: ask for less at a time";

/// What is left of the largest answer that an API may give whose answers can outgrow their requests by far.
/// A part that does not fit is not made: its place gets an error.
#[derive(Debug)]
pub struct AnswerRoom {
    left: usize,
    version: i16,
    charge: Option<MemoryCharge>,
}

/// How many times the bytes of a part its values take in memory, before they are encoded.
const VALUES: u64 = 6;

impl AnswerRoom {
    /// Whether an earlier part did not fit.
    pub fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Charges a part if it fits. After one that does not fit, no other does: the answer ends there.
    pub fn fits(&mut self, part: &impl Encode) -> bool {
        let size = part.size(self.version);
        let fits = size < self.left;
        self.left = if fits { self.left - size } else { 0 };
        if let Some(charge) = &mut self.charge {
            charge.grow_at_once(VALUES * size as u64);
        }
        fits
    }
}

impl RequestContext {
    /// The same, where arrays may take at least so much memory.
    pub fn with_arrays_of(mut self, decoded_bytes: usize) -> Self {
        self.limits.decoded_bytes = self.limits.decoded_bytes.max(decoded_bytes);
        self
    }

    /// Decodes the request's body.
    ///
    /// # Errors
    /// The body is malformed, or takes more memory than a request may.
    pub fn decode<R: Request>(&self, body: Bytes) -> Result<R, DecodeError> {
        decode_request(body, self.version(), self.limits.decoded_bytes)
    }

    /// Nine tenths of the largest answer as room for parts: the rest is for errors of those that do not
    /// fit.
    pub fn answer_room(&self) -> AnswerRoom {
        let most = self.limits.response_bytes;
        AnswerRoom {
            left: most - most / 10,
            version: self.version(),
            charge: self.charge.as_ref().map(MemoryCharge::beside),
        }
    }

    /// The version that the request was written in, and that its answer must have.
    pub fn version(&self) -> i16 {
        self.header.api_version
    }

    /// The client's name for itself; empty if it gave none.
    pub fn client_id(&self) -> &str {
        self.header.client_id.as_ref().map_or("", Str::as_str)
    }

    /// Who sent the request: the principal of its connection, or whom a broker forwards it for.
    pub fn principal(&self) -> &Principal {
        let forwarded_for = self.forwarded_for.as_ref();
        forwarded_for.map_or_else(|| self.connection.principal(), |client| &client.principal)
    }

    /// Notes that no controller decided on the request.
    pub fn note_undecided(&self) {
        if let Some(client) = &self.forwarded_for {
            client.is_undecided.store(true, Ordering::Relaxed);
        }
    }

    /// Gives the request's memory back. Nothing but copies may be left of its bytes.
    pub fn release_memory(&mut self) {
        self.charge = None;
    }

    /// Gives the request's memory back before a long wait: nothing of its frame is kept, not even the
    /// client's name.
    pub fn let_go_of_frame(&mut self) {
        self.header.client_id = None;
        self.release_memory();
    }

    /// The name of the listener that the request came to: answers name the endpoints of this listener.
    pub fn listener(&self) -> &str {
        self.connection.listener_name()
    }
}
