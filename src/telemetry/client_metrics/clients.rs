//! The clients that telemetry knows, in bounded memory: the one that has been silent for the longest is
//! forgotten first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::client::{Client, ClientIdentity, Pushed, Subscription};
use crate::config::ClientMetricsConfig;
use crate::model::Uuid;

/// The push interval of clients that match no subscription, and the longest that any client is given.
const DEFAULT_INTERVAL_MS: i32 = 5 * 60 * 1000;
/// Clients that are known at a time, as in Kafka.
pub(super) const MOST_CLIENTS: usize = 16_384;
/// Memory for what clients pushed.
const MOST_BYTES: usize = 16 << 20;
/// The most that is kept of who clients say they are, in bytes.
pub(super) const MOST_IDENTITY_BYTES: usize = 16 << 20;
/// No silent client is forgotten sooner, unless room is needed.
pub(super) const SHORTEST_MEMORY: Duration = Duration::from_secs(60);
/// Stands for all metrics in a subscription.
const ALL: &str = "*";

#[derive(Debug, Default)]
pub(super) struct Clients {
    subscriptions: Vec<ClientMetricsConfig>,
    /// Counts the changes of subscriptions.
    version: u64,
    pub(super) known: BTreeMap<Uuid, Client>,
    /// When each client was last heard, oldest first.
    pub(super) heard: BTreeSet<(Instant, Uuid)>,
    /// The bytes of all newest pushes.
    pub(super) bytes: usize,
    /// The bytes of all identities: their texts are the clients' choice.
    pub(super) identity_bytes: usize,
}

impl Clients {
    pub(super) fn set_subscriptions(&mut self, subscriptions: Vec<ClientMetricsConfig>) {
        self.subscriptions = subscriptions;
        self.version += 1;
    }

    /// The client `id`, which is heard `now`: made if it is new, with what it is asked for now.
    pub(super) fn hear(
        &mut self,
        id: Uuid,
        identity: impl FnOnce() -> ClientIdentity,
        now: Instant,
    ) -> &mut Client {
        let is_new = !self.known.contains_key(&id);
        self.forget_silent(is_new, now);
        let mut client = match self.known.remove(&id) {
            Some(client) if client.version == self.version => client,
            // The client's times begin anew as well, so that it may ask at once for what has changed.
            known => {
                let known = known.inspect(|client| {
                    self.bytes -= client.size();
                    self.heard.remove(&(client.heard, id));
                });
                let identity = known.map(|client| client.identity).unwrap_or_else(|| {
                    let identity = identity();
                    self.identity_bytes += identity.size();
                    identity
                });
                let subscription = self.subscription(id, &identity);
                Client::new(identity, subscription, self.version, now)
            }
        };
        self.heard.remove(&(client.heard, id));
        self.heard.insert((now, id));
        client.heard = now;
        self.known.insert(id, client);
        self.forget_for_identities(id);
        let client = self.known.get_mut(&id);
        client.expect("who is heard now is the last to be forgotten")
    }

    /// What all subscriptions that match the client ask it for: each of their metrics, at the shortest
    /// of their intervals.
    fn subscription(&self, id: Uuid, identity: &ClientIdentity) -> Subscription {
        let mut metrics = BTreeSet::new();
        let mut push_interval_ms = DEFAULT_INTERVAL_MS;
        let port = identity.peer.port().to_string();
        let address = identity.peer.ip().to_canonical().to_string();
        for subscription in &self.subscriptions {
            if subscription.is_for(|attribute| identity.attribute(attribute, &address, &port)) {
                metrics.extend(subscription.metrics.iter().cloned());
                push_interval_ms = push_interval_ms.min(subscription.interval_ms);
            }
        }
        let metrics = if metrics.contains(ALL) {
            vec![ALL.to_owned()]
        } else {
            metrics.into_iter().collect()
        };
        Subscription::new(id, metrics, push_interval_ms)
    }

    /// Forgets who has been silent for the longest while there is no room for all identities.
    fn forget_for_identities(&mut self, newest: Uuid) {
        while self.identity_bytes > MOST_IDENTITY_BYTES {
            match self.heard.first().copied() {
                Some((heard, id)) if id != newest => self.forget(heard, id),
                _ => return,
            }
        }
    }

    /// Forgets who has been silent for long, and who has been so the longest where there is no room
    /// for one more.
    fn forget_silent(&mut self, makes_room: bool, now: Instant) {
        while let Some((heard, id)) = self.heard.first().copied() {
            let client = self.known.get(&id);
            let memory = client.map_or(SHORTEST_MEMORY, Client::memory);
            let is_silent = now.duration_since(heard) >= memory;
            let has_room = !makes_room || self.known.len() < MOST_CLIENTS;
            if !is_silent && has_room {
                return;
            }
            self.forget(heard, id);
        }
    }

    fn forget(&mut self, heard: Instant, id: Uuid) {
        self.heard.remove(&(heard, id));
        if let Some(client) = self.known.remove(&id) {
            self.bytes -= client.size();
            self.identity_bytes -= client.identity.size();
        }
    }

    /// Keeps what a client pushed in place of what it pushed before; where that is too much, drops the
    /// pushes of those who have been silent for the longest.
    pub(super) fn keep(&mut self, id: Uuid, pushed: &Pushed) {
        let Some(client) = self.known.get_mut(&id) else {
            return;
        };
        self.bytes -= client.size();
        // A copy, because a slice would keep the whole request alive.
        let metrics = Bytes::copy_from_slice(&pushed.metrics);
        client.newest = (!metrics.is_empty()).then_some((pushed.compression, metrics));
        self.bytes += client.size();
        let mut oldest = self.heard.iter();
        while self.bytes > MOST_BYTES {
            let Some((_, other)) = oldest.next() else {
                return;
            };
            if let Some(client) = self.known.get_mut(other) {
                self.bytes -= client.size();
                client.newest = None;
            }
        }
    }

    /// Each client that has pushed something, with Kafka's number of the codec and the metrics.
    pub(super) fn newest(&self) -> impl Iterator<Item = (ClientIdentity, i8, Bytes)> {
        self.known.values().filter_map(|client| {
            let (compression, metrics) = client.newest.clone()?;
            Some((client.identity.clone(), compression, metrics))
        })
    }
}
