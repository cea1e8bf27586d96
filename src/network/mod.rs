//! Sockets: listeners, connections, the order of answers, the memory of requests.
//!
//! The network knows sizes and order, and no request's meaning: a [`RequestHandler`] does. What a peer can
//! cost that is not logged in, does not read, or stops sending is bounded here.

mod bind;
mod budget;
mod client;
mod close;
mod connection;
mod connection_task;
mod connections;
mod handler;
mod listener;
mod log_gates;
mod options;
mod pipeline;
mod read;
mod sniff;
mod sys;
mod turns;
mod untaken;
mod write;

use std::sync::Arc;

use log_gates::LogGates;
use turns::Crowd;

use crate::telemetry::Metrics;

pub use bind::{ListenError, bind};
pub use budget::{Lane, MemoryCharge, RequestMemory};
pub use client::{Client, ClientError, ClientOptions, decode_answer};
pub use close::CloseReason;
pub use connection::{ClientSoftware, Connection};
pub use connections::{ConnectionLimits, Connections, IpRates, ListenerLimits};
pub use handler::{Elsewhere, Handling, Outcome, Pending, RequestFrame, RequestHandler, Treatment};
pub use listener::{Listener, RunningListener};
pub use options::{ConnectionOptions, ListenerOptions};
pub use sniff::Foreign;

/// What all listeners and connections of a broker share.
pub struct Network {
    handler: Arc<dyn RequestHandler>,
    options: ConnectionOptions,
    memory: RequestMemory,
    connections: Connections,
    metrics: Arc<Metrics>,
    gates: Arc<LogGates>,
    crowd: Crowd,
}

impl Network {
    /// A network without listeners yet.
    pub fn new(
        handler: Arc<dyn RequestHandler>,
        options: ConnectionOptions,
        memory: RequestMemory,
        limits: ConnectionLimits,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            handler,
            options,
            memory,
            connections: Connections::new(limits),
            metrics,
            gates: Arc::default(),
            crowd: Crowd::default(),
        })
    }

    /// The same limits, budget and connections for other listeners, whose requests `handler` serves.
    pub fn with_handler(&self, handler: Arc<dyn RequestHandler>) -> Arc<Self> {
        Arc::new(Self {
            handler,
            options: self.options.clone(),
            memory: self.memory.clone(),
            connections: self.connections.clone(),
            metrics: Arc::clone(&self.metrics),
            gates: Arc::clone(&self.gates),
            // They take turns on a runtime of their own.
            crowd: Crowd::default(),
        })
    }

    /// The budget for the memory of requests.
    pub fn memory(&self) -> &RequestMemory {
        &self.memory
    }

    /// The list of connections, and their limits.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Sets those gauges that are not kept up to date all the time. Call it before metrics are rendered.
    pub fn update_gauges(&self) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics
            .connections
            .set(gauge(self.connections.count() as u64));
        self.metrics
            .request_memory_bytes
            .set(gauge(self.memory.used()));
    }
}
