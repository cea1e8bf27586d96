//! What a handler knows of the request besides its body.

use std::sync::Arc;
use std::time::Instant;

use crate::network::{Connection, MemoryCharge};
use crate::protocol::{RequestHeader, Str};

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
    /// When its last byte arrived.
    pub received_at: Instant,
    /// Its part of the request memory budget, until it is given back.
    pub charge: Option<MemoryCharge>,
}

impl RequestContext {
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
