//! Metrics that clients push (KIP-714): who is asked for what and how often, whether a push comes in
//! time, and the newest of each client, in bounded memory.
//!
//! A client brings an id, or is given one; the subscriptions that match it say what it is asked for, and
//! the id of that follows from its content: every broker gives the same.

mod client;
mod clients;

use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

pub use client::{ClientIdentity, Pushed, Refused, Subscription};

use crate::config::ClientMetricsConfig;
use crate::model::Uuid;
use clients::Clients;

/// What clients push of themselves.
#[derive(Debug)]
pub struct ClientMetrics {
    max_bytes: u32,
    clients: Mutex<Clients>,
}

impl ClientMetrics {
    /// Asks nobody for anything yet; a push may have `max_bytes` at most.
    pub fn new(max_bytes: u32) -> Self {
        Self {
            max_bytes,
            clients: Mutex::default(),
        }
    }

    /// The most bytes of one push, compressed.
    pub fn max_bytes(&self) -> u32 {
        self.max_bytes
    }

    /// From now on, asks clients for what these subscriptions say.
    pub fn set_subscriptions(&self, subscriptions: Vec<ClientMetricsConfig>) {
        self.clients.lock().set_subscriptions(subscriptions);
    }

    /// What the client `id` is asked for.
    ///
    /// # Errors
    /// `TooEarly`: the client asked or pushed less than an interval ago, and nothing has changed since.
    pub fn subscription(
        &self,
        id: Uuid,
        identity: impl FnOnce() -> ClientIdentity,
        now: Instant,
    ) -> Result<Subscription, Refused> {
        self.clients.lock().hear(id, identity, now).ask(now)
    }

    /// Takes a push of the client `id`.
    ///
    /// # Errors
    /// Why the push is not taken; the newest before it is kept.
    pub fn push(
        &self,
        id: Uuid,
        identity: impl FnOnce() -> ClientIdentity,
        pushed: &Pushed,
        now: Instant,
    ) -> Result<(), Refused> {
        let mut clients = self.clients.lock();
        let client = clients.hear(id, identity, now);
        client.take(pushed, self.max_bytes, now)?;
        clients.keep(id, pushed);
        Ok(())
    }

    /// The newest that each client pushed: who it is, Kafka's number of the codec, and
    /// OpenTelemetry's metrics as they came.
    pub fn newest(&self) -> Vec<(ClientIdentity, i8, Bytes)> {
        self.clients.lock().newest().collect()
    }
}

#[cfg(test)]
mod tests;
