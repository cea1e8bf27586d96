//! Sockets: listeners, connections, the order of answers, the memory of requests.
//!
//! It knows sizes and order, and no request's meaning: those go to a [`RequestHandler`]. What a
//! peer that is not logged in, or does not read, or stops sending can cost is bounded here.

mod budget;
mod client;
mod close;
mod connection;
mod connections;
mod counters;
mod handler;
mod listener;
mod options;
mod pipeline;
mod read;
mod serve;
mod sniff;
mod sys;
mod write;

use std::sync::Arc;

pub use budget::{Lane, MemoryCharge, RequestMemory};
pub use client::{Client, ClientError, ClientOptions};
pub use close::CloseReason;
pub use connection::{ClientSoftware, Connection};
pub use connections::{ConnectionLimits, Connections};
pub use counters::{Counter, Counters};
pub use handler::{Handling, Outcome, Pending, RequestFrame, RequestHandler};
pub use listener::{ListenError, Listener, RunningListener};
pub use options::{ConnectionOptions, ListenerOptions};
pub use sniff::Foreign;

/// What all listeners and connections of a broker share.
pub struct Network {
    handler: Arc<dyn RequestHandler>,
    options: ConnectionOptions,
    memory: RequestMemory,
    connections: Connections,
    counters: Counters,
    gates: counters::LogGates,
}

impl Network {
    /// A network without listeners yet.
    pub fn new(
        handler: Arc<dyn RequestHandler>,
        options: ConnectionOptions,
        memory: RequestMemory,
        limits: ConnectionLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            handler,
            options,
            memory,
            connections: Connections::new(limits),
            counters: Counters::default(),
            gates: counters::LogGates::default(),
        })
    }

    /// The memory of requests.
    pub fn memory(&self) -> &RequestMemory {
        &self.memory
    }

    /// Who is connected.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
