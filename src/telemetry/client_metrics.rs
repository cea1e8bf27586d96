//! Metrics that clients push (KIP-714): who is asked for what and how often, whether a push comes in
//! time, and the newest of each client, in bounded memory.
//!
//! A client has an id of its own choice or ours; what it is asked for follows from the subscriptions
//! that match it, and so does the id of what it is asked for: every broker gives the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::config::{ClientAttribute, ClientMetricsConfig};
use crate::model::Uuid;

/// How often clients ask that match no subscription, and the longest anybody is given.
const DEFAULT_INTERVAL_MS: i32 = 5 * 60 * 1000;
/// Clients that are known at a time, as in Kafka.
const MOST_CLIENTS: usize = 16_384;
/// Memory for what they pushed.
const MOST_BYTES: usize = 16 << 20;
/// The most that is kept of who clients say they are, in bytes.
const MOST_IDENTITY_BYTES: usize = 16 << 20;
/// A silent client is forgotten after so many intervals, but not sooner than after this time.
const SILENT_INTERVALS: u32 = 3;
const SHORTEST_MEMORY: Duration = Duration::from_secs(60);
/// All metrics.
const ALL: &str = "*";

/// What is known of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Its id for telemetry, as text.
    pub instance_id: String,
    /// Its client id.
    pub client_id: String,
    /// The name and version of its software, if it told.
    pub software: Option<(String, String)>,
    /// Where it is.
    pub peer: SocketAddr,
}

impl ClientIdentity {
    /// The bytes of its texts.
    fn size(&self) -> usize {
        let software = self.software.as_ref();
        let software = software.map_or(0, |(name, version)| name.len() + version.len());
        self.instance_id.len() + self.client_id.len() + software
    }
}

/// What a client is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Tells whether a push is for what is asked now.
    pub id: i32,
    /// How often to push, in milliseconds.
    pub push_interval_ms: i32,
    /// Prefixes of names; `*` for all, none for nothing.
    pub metrics: Vec<String>,
}

/// A push of a client.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The subscription that it is for.
    pub subscription_id: i32,
    /// Whether it is the client's last.
    pub is_last: bool,
    /// Kafka's number of the codec.
    pub compression: i8,
    /// OpenTelemetry's metrics, compressed.
    pub metrics: Bytes,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The interval is not over.
    #[error("it came before the push interval was over")]
    TooEarly,
    /// What is asked for has changed.
    #[error("it is for another subscription")]
    UnknownSubscription,
    /// There is no such codec.
    #[error("its compression is unknown")]
    UnknownCompression,
    /// It is larger than `telemetry.max.bytes`.
    #[error("it is too large")]
    TooLarge,
    /// The client has said that it ends.
    #[error("the client has ended")]
    AfterTheLast,
}

/// What clients push of themselves.
#[derive(Debug)]
pub struct ClientMetrics {
    max_bytes: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    subscriptions: Vec<ClientMetricsConfig>,
    /// Counts the changes of subscriptions.
    version: u64,
    clients: BTreeMap<Uuid, Client>,
    /// When each was last heard, oldest first.
    heard: BTreeSet<(Instant, Uuid)>,
    /// Of all that was pushed.
    bytes: usize,
    /// Of all identities: their texts are the clients' choice.
    identity_bytes: usize,
}

#[derive(Debug)]
struct Client {
    identity: ClientIdentity,
    subscription: Subscription,
    /// The version of the subscriptions that it follows from.
    version: u64,
    heard: Instant,
    asked: Option<Instant>,
    pushed: Option<Instant>,
    has_ended: bool,
    /// After these the client may ask again at once.
    last_refusal: Option<Refused>,
    newest: Option<(i8, Bytes)>,
}

impl ClientMetrics {
    /// Nobody is asked for anything yet; a push has `max_bytes` at most.
    pub fn new(max_bytes: u32) -> Self {
        Self {
            max_bytes,
            state: Mutex::default(),
        }
    }

    /// The most bytes of one push, compressed.
    pub fn max_bytes(&self) -> u32 {
        self.max_bytes
    }

    /// Other subscriptions from now on.
    pub fn set_subscriptions(&self, subscriptions: Vec<ClientMetricsConfig>) {
        let mut state = self.state.lock();
        state.subscriptions = subscriptions;
        state.version += 1;
    }

    /// What the client `id` is asked for.
    ///
    /// # Errors
    /// It asked or pushed less than an interval ago, and nothing has changed since.
    pub fn subscription(
        &self,
        id: Uuid,
        identity: impl FnOnce() -> ClientIdentity,
        now: Instant,
    ) -> Result<Subscription, Refused> {
        let mut state = self.state.lock();
        let client = state.client(id, identity, now);
        let interval = client.interval();
        let last = client.asked.max(client.pushed);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= interval);
        let may_ask_again = matches!(
            client.last_refusal,
            Some(Refused::UnknownSubscription | Refused::UnknownCompression)
        );
        if is_due {
            client.asked = Some(now);
        } else if !may_ask_again {
            return Err(Refused::TooEarly);
        }
        client.last_refusal = None;
        Ok(client.subscription.clone())
    }

    /// Takes a push of the client `id`.
    ///
    /// # Errors
    /// It is not taken.
    pub fn push(
        &self,
        id: Uuid,
        identity: impl FnOnce() -> ClientIdentity,
        pushed: &Pushed,
        now: Instant,
    ) -> Result<(), Refused> {
        let mut state = self.state.lock();
        let client = state.client(id, identity, now);
        let checked = client.check(pushed, self.max_bytes, now);
        client.has_ended = pushed.is_last;
        client.last_refusal = checked.err();
        checked?;
        state.keep(id, pushed);
        Ok(())
    }

    /// The newest that each client pushed: who it is, Kafka's number of the codec, and
    /// OpenTelemetry's metrics as they came.
    pub fn newest(&self) -> Vec<(ClientIdentity, i8, Bytes)> {
        let state = self.state.lock();
        let newest = state.clients.values().filter_map(|client| {
            let (compression, metrics) = client.newest.clone()?;
            Some((client.identity.clone(), compression, metrics))
        });
        newest.collect()
    }
}

impl State {
    /// The client `id`, made if it is new, with what it is asked for now.
    fn client(
        &mut self,
        id: Uuid,
        identity: impl FnOnce() -> ClientIdentity,
        now: Instant,
    ) -> &mut Client {
        let is_new = !self.clients.contains_key(&id);
        self.forget_silent(is_new, now);
        let known = self.clients.remove(&id);
        let client = match known {
            Some(client) if client.version == self.version => client,
            // Also the times begin anew: what has changed is told at once.
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
                self.new_client(id, identity, now)
            }
        };
        self.heard.remove(&(client.heard, id));
        self.heard.insert((now, id));
        self.clients.insert(
            id,
            Client {
                heard: now,
                ..client
            },
        );
        self.forget_for_identities(id);
        let client = self.clients.get_mut(&id);
        client.expect("who is heard now is the last to be forgotten")
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

    fn new_client(&self, id: Uuid, identity: ClientIdentity, now: Instant) -> Client {
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
        let metrics: Vec<String> = if metrics.contains(ALL) {
            vec![ALL.to_owned()]
        } else {
            metrics.into_iter().collect()
        };
        Client {
            subscription: Subscription {
                id: subscription_id(id, &metrics, push_interval_ms),
                push_interval_ms,
                metrics,
            },
            identity,
            version: self.version,
            heard: now,
            asked: None,
            pushed: None,
            has_ended: false,
            last_refusal: None,
            newest: None,
        }
    }

    /// Forgets who has been silent for long, and who has been so the longest where there is no room
    /// for one more.
    fn forget_silent(&mut self, makes_room: bool, now: Instant) {
        while let Some((heard, id)) = self.heard.first().copied() {
            let memory = self
                .clients
                .get(&id)
                .map_or(SHORTEST_MEMORY, Client::memory);
            let is_silent = now.duration_since(heard) >= memory;
            let has_room = !makes_room || self.clients.len() < MOST_CLIENTS;
            if !is_silent && has_room {
                return;
            }
            self.forget(heard, id);
        }
    }

    fn forget(&mut self, heard: Instant, id: Uuid) {
        self.heard.remove(&(heard, id));
        if let Some(client) = self.clients.remove(&id) {
            self.bytes -= client.size();
            self.identity_bytes -= client.identity.size();
        }
    }

    /// Keeps what a client pushed in place of what it pushed before, and makes room for it.
    fn keep(&mut self, id: Uuid, pushed: &Pushed) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        self.bytes -= client.size();
        // A copy does not keep the rest of the request alive.
        let metrics = Bytes::copy_from_slice(&pushed.metrics);
        client.newest = (!metrics.is_empty()).then_some((pushed.compression, metrics));
        self.bytes += client.size();
        let mut oldest = self.heard.iter();
        while self.bytes > MOST_BYTES {
            let Some((_, other)) = oldest.next() else {
                return;
            };
            if let Some(client) = self.clients.get_mut(other) {
                self.bytes -= client.size();
                client.newest = None;
            }
        }
    }
}

impl Client {
    fn check(&mut self, pushed: &Pushed, max_bytes: u32, now: Instant) -> Result<(), Refused> {
        if self.has_ended {
            return Err(Refused::AfterTheLast);
        }
        // The first push after asking may come early: clients spread theirs.
        let has_just_asked = self.asked > self.pushed;
        let is_due = |last: Instant| now.duration_since(last) >= self.interval();
        let is_in_time = has_just_asked || self.pushed.is_none_or(is_due);
        if is_in_time {
            self.pushed = Some(now);
        } else if !pushed.is_last {
            return Err(Refused::TooEarly);
        }
        if pushed.subscription_id != self.subscription.id {
            return Err(Refused::UnknownSubscription);
        }
        // None, gzip, snappy, lz4, zstd.
        if !(0..=4).contains(&pushed.compression) {
            return Err(Refused::UnknownCompression);
        }
        if pushed.metrics.len() as u64 > u64::from(max_bytes) {
            return Err(Refused::TooLarge);
        }
        Ok(())
    }

    fn interval(&self) -> Duration {
        let milliseconds = u64::try_from(self.subscription.push_interval_ms).unwrap_or(0);
        Duration::from_millis(milliseconds)
    }

    fn memory(&self) -> Duration {
        (self.interval() * SILENT_INTERVALS).max(SHORTEST_MEMORY)
    }

    fn size(&self) -> usize {
        self.newest.as_ref().map_or(0, |(_, metrics)| metrics.len())
    }
}

impl ClientIdentity {
    fn attribute<'a>(
        &'a self,
        attribute: ClientAttribute,
        address: &'a str,
        port: &'a str,
    ) -> Option<&'a str> {
        let software = self.software.as_ref();
        match attribute {
            ClientAttribute::InstanceId => Some(&self.instance_id),
            ClientAttribute::ClientId => Some(&self.client_id),
            ClientAttribute::SoftwareName => software.map(|(name, _)| &**name),
            ClientAttribute::SoftwareVersion => software.map(|(_, version)| &**version),
            ClientAttribute::SourceAddress => Some(address),
            ClientAttribute::SourcePort => Some(port),
        }
    }
}

/// The same on every broker, another for each client and for each change of what it is asked for.
fn subscription_id(id: Uuid, metrics: &[String], push_interval_ms: i32) -> i32 {
    let text = format!("[{}]{push_interval_ms}", metrics.join(", "));
    let of_client = crc32c::crc32c(id.as_bytes());
    (crc32c::crc32c(text.as_bytes()) ^ of_client) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_bytes([7; 16]);

    fn subscribed(pairs: &[(&str, &str)]) -> ClientMetricsConfig {
        let set: BTreeMap<String, String> = pairs
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        ClientMetricsConfig::read(&set)
    }

    fn identity() -> ClientIdentity {
        ClientIdentity {
            instance_id: ID.to_string(),
            client_id: "c".to_owned(),
            software: Some(("librdkafka".to_owned(), "2".to_owned())),
            peer: ([10, 0, 0, 1], 9).into(),
        }
    }

    fn push(subscription_id: i32, metrics: &'static [u8]) -> Pushed {
        Pushed {
            subscription_id,
            is_last: false,
            compression: 0,
            metrics: Bytes::from_static(metrics),
        }
    }

    /// Clients are asked for `a` once a second.
    fn metrics() -> ClientMetrics {
        let metrics = ClientMetrics::new(4);
        let wanted = [("metrics", "a"), ("interval.ms", "1000")];
        metrics.set_subscriptions(vec![subscribed(&wanted)]);
        metrics
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn all_subscriptions_that_match_count_and_the_shortest_interval() {
        let metrics = ClientMetrics::new(4);
        metrics.set_subscriptions(vec![
            subscribed(&[
                ("metrics", "b,a"),
                ("interval.ms", "2000"),
                ("match", "client_id=c"),
            ]),
            subscribed(&[("metrics", "c"), ("interval.ms", "3000")]),
            subscribed(&[
                ("metrics", "d"),
                ("interval.ms", "100"),
                ("match", "client_id=d"),
            ]),
        ]);

        let asked = metrics.subscription(ID, identity, Instant::now()).unwrap();

        assert_eq!(asked.metrics, ["a", "b", "c"]);
        assert_eq!(asked.push_interval_ms, 2_000);
    }

    #[test]
    fn a_star_stands_for_everything_and_no_subscription_for_nothing() {
        let metrics = ClientMetrics::new(4);
        let now = Instant::now();

        let nothing = metrics.subscription(ID, identity, now).unwrap();
        metrics.set_subscriptions(vec![
            subscribed(&[("metrics", "a")]),
            subscribed(&[("metrics", "*")]),
        ]);
        let all = metrics.subscription(ID, identity, now).unwrap();

        assert_eq!(
            (nothing.metrics.len(), nothing.push_interval_ms),
            (0, 300_000)
        );
        assert_eq!(all.metrics, ["*"], "what has changed is told at once");
        assert_ne!(all.id, nothing.id);
    }

    #[test]
    fn who_comes_too_early_is_refused() {
        let (metrics, now) = (metrics(), Instant::now());
        let asked = metrics.subscription(ID, identity, now).unwrap();
        let take = |at| metrics.push(ID, identity, &push(asked.id, b"x"), at);

        assert_eq!(
            metrics.subscription(ID, identity, now),
            Err(Refused::TooEarly)
        );
        assert_eq!(take(now), Ok(()), "the first push may come at once");
        assert_eq!(take(now), Err(Refused::TooEarly));
        assert_eq!(take(now + SECOND), Ok(()));
        assert_eq!(metrics.newest().len(), 1);
    }

    #[test]
    fn a_push_for_what_is_asked_no_more_is_refused_and_the_client_may_ask_again() {
        let (metrics, now) = (metrics(), Instant::now());
        let asked = metrics.subscription(ID, identity, now).unwrap();

        let refused = metrics.push(ID, identity, &push(asked.id ^ 1, b"x"), now);

        assert_eq!(refused, Err(Refused::UnknownSubscription));
        assert_eq!(metrics.subscription(ID, identity, now), Ok(asked));
        assert_eq!(metrics.newest(), []);
    }

    #[test]
    fn size_and_codec_are_checked() {
        let (metrics, now) = (metrics(), Instant::now());
        let asked = metrics.subscription(ID, identity, now).unwrap();
        let unknown = Pushed {
            compression: 5,
            ..push(asked.id, b"x")
        };

        let large = metrics.push(ID, identity, &push(asked.id, b"12345"), now);
        let unknown = metrics.push(ID, identity, &unknown, now + SECOND);

        assert_eq!(large, Err(Refused::TooLarge));
        assert_eq!(unknown, Err(Refused::UnknownCompression));
    }

    #[test]
    fn the_last_push_may_come_early_and_nothing_comes_after_it() {
        let (metrics, now) = (metrics(), Instant::now());
        let asked = metrics.subscription(ID, identity, now).unwrap();
        let last = Pushed {
            is_last: true,
            ..push(asked.id, b"z")
        };

        metrics
            .push(ID, identity, &push(asked.id, b"x"), now)
            .unwrap();
        assert_eq!(metrics.push(ID, identity, &last, now), Ok(()));
        let after = metrics.push(ID, identity, &last, now + SECOND);

        assert_eq!(after, Err(Refused::AfterTheLast));
        assert_eq!(metrics.newest()[0].2, "z");
    }

    #[test]
    fn clients_and_what_they_pushed_are_bounded_and_the_silent_are_forgotten() {
        let metrics = ClientMetrics::new(1 << 20);
        let mut now = Instant::now();
        let payload = Bytes::from(vec![0; 1 << 20]);
        for n in 0..20_u8 {
            let id = Uuid::from_bytes([n + 10; 16]);
            let asked = metrics.subscription(id, identity, now).unwrap();
            let large = Pushed {
                metrics: payload.clone(),
                ..push(asked.id, b"")
            };
            metrics.push(id, identity, &large, now).unwrap();
            now += Duration::from_millis(1);
        }
        assert_eq!(metrics.newest().len(), 16);
        for n in 0..20_000_u32 {
            let mut bytes = [1; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            metrics
                .subscription(Uuid::from_bytes(bytes), identity, now)
                .unwrap();
        }
        assert_eq!(metrics.state.lock().clients.len(), MOST_CLIENTS);

        metrics
            .subscription(ID, identity, now + SECOND * 3600)
            .unwrap();

        let state = metrics.state.lock();
        assert_eq!(
            (state.clients.len(), state.heard.len(), state.bytes),
            (1, 1, 0)
        );
    }

    #[test]
    fn who_clients_say_they_are_is_bounded_in_bytes() {
        const LONG: usize = 30_000;
        let metrics = ClientMetrics::new(1 << 20);
        let now = Instant::now();
        let talkative = || ClientIdentity {
            client_id: "x".repeat(LONG),
            ..identity()
        };

        for n in 0..5_000_u64 {
            let mut bytes = [1; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            let asked_at = now + Duration::from_millis(n);
            let id = Uuid::from_bytes(bytes);
            metrics.subscription(id, talkative, asked_at).unwrap();
        }

        let state = metrics.state.lock();
        assert!(state.identity_bytes <= MOST_IDENTITY_BYTES);
        let sizes = state.clients.values().map(|client| client.identity.size());
        assert_eq!(state.identity_bytes, sizes.sum::<usize>());
        assert_eq!(state.clients.len(), state.heard.len());
        assert!(state.clients.len() >= MOST_IDENTITY_BYTES / LONG - 2);
    }
}
