//! What a handler knows of the request besides its body.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::config::BrokerConfig;
use crate::network::{Connection, MemoryCharge};
use crate::protocol::{DecodeError, Encode, Request, RequestHeader, Str, decode_request};

/// Kafka's name of the user who has not logged in.
const ANONYMOUS: &str = "ANONYMOUS";

/// The circumstances of one request.
#[derive(Debug)]
pub struct RequestContext {
    /// The connection it came on.
    pub connection: Arc<Connection>,
    /// Its header: API, version, correlation id, client id.
    pub header: RequestHeader,
    /// The bytes of its header and body.
    pub size: usize,
    /// What it may take.
    pub limits: RequestLimits,
    /// When its last byte arrived.
    pub received_at: Instant,
    /// Its part of the request memory budget, until it is given back.
    pub charge: Option<MemoryCharge>,
}

/// What one request may take.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// The heap of its arrays, and of what is made of them (`request.decoded.max.bytes`).
    pub decoded_bytes: usize,
    /// Its answer in memory, without records (`response.max.bytes`).
    pub response_bytes: usize,
}

impl RequestLimits {
    /// As the configuration has it.
    pub fn of(config: &BrokerConfig) -> Self {
        let positive = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
        Self {
            decoded_bytes: positive(config.network.request_decoded_max_bytes),
            response_bytes: positive(config.network.response_max_bytes),
        }
    }
}

/// What a part of an answer says that has no room in it.
pub const NO_ROOM: &str =
    "The answer would be larger than response.max.bytes: ask for less at a time";

/// What is left of the largest answer, for an API whose answer may outgrow its request by far: parts
/// that do not fit are told by an error, and not made.
#[derive(Debug)]
pub struct AnswerRoom {
    left: usize,
    version: i16,
    charge: Option<MemoryCharge>,
}

/// What a part of an answer takes as values, in times of its bytes.
const VALUES: u64 = 6;

impl AnswerRoom {
    /// Whether an earlier part did not fit.
    pub fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Takes a part in and charges it, if it fits; after one that does not, none does.
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
    /// Takes the body.
    ///
    /// # Errors
    /// It is malformed, or takes more memory than a request may.
    pub fn decode<R: Request>(&self, body: Bytes) -> Result<R, DecodeError> {
        decode_request(body, self.version(), self.limits.decoded_bytes)
    }

    /// Room for an answer of nine tenths of the largest: the rest is for errors of what has no room.
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

    /// Who sent it, for quotas: without a login everybody is the same user.
    pub fn user(&self) -> &str {
        ANONYMOUS
    }

    /// Gives the request's memory back: its bytes must be gone, but for what is copied.
    pub fn release_memory(&mut self) {
        self.charge = None;
    }

    /// Gives the request's memory back before a long wait: nothing of its frame is kept, not even the
    /// client's name.
    pub fn let_go_of_frame(&mut self) {
        self.header.client_id = None;
        self.release_memory();
    }

    /// The name of the listener it came to: answers name the endpoints of this listener.
    pub fn listener(&self) -> &str {
        self.connection.listener_name()
    }
}
