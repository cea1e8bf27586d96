//! Who is connected: the limits on the number and the rate of connections, and the list of them.
//!
//! As in Kafka, a connection over the limit of its address is closed, and one over the limit of
//! all connections, of its listener or of the rate waits unaccepted in the system's backlog.
//! The connections of a listener for brokers only are counted apart from those of clients, in all and by
//! address, and have a limit that no config lowers. The last connections are for addresses that hold few, and
//! the very last for those of brokers, where these share a listener with clients.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connection::Connection;
use super::options::ListenerOptions;
use crate::config::NetworkConfig;

/// A tenth of all connections, the last, is kept for addresses that hold few.
const RESERVED_PART: usize = 10;
/// So much of all connections is kept for the addresses of brokers that share a listener with clients: a
/// twentieth, and no more than this.
const BROKERS_PART: usize = 20;
const MOST_KEPT_FOR_BROKERS: usize = 64;
/// Connections over all listeners for brokers only: a hundred brokers have some ten each.
const MOST_OF_BROKERS: usize = 2_000;
/// An address holds few connections if it holds less than a hundredth of all.
const FEW_PART: usize = 100;

/// How many connections there may be, and how fast they may come. All of it may change while the broker
/// runs.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections over all listeners (`max.connections`).
    pub total: usize,
    /// Connections of one address (`max.connections.per.ip`).
    pub per_ip: usize,
    /// The limits of those addresses that have another (`max.connections.per.ip.overrides`).
    pub per_ip_overrides: HashMap<IpAddr, usize>,
    /// Connections accepted per second (`max.connection.creation.rate`); `None` for any number.
    pub creation_rate: Option<u32>,
    /// The limits of single listeners, by name. A listener without an entry has no limits of its own.
    pub of_listener: BTreeMap<String, ListenerLimits>,
}

/// How many connections one listener may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections at a time (`listener.name.NAME.max.connections`); `None` for any number.
    pub connections: Option<usize>,
    /// Connections accepted per second (`listener.name.NAME.max.connection.creation.rate`); `None` for any
    /// number.
    pub creation_rate: Option<u32>,
}

/// How many connections one address may open in a second (`connection_creation_rate`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpRates {
    /// The rates of single addresses.
    pub of_ip: HashMap<IpAddr, u32>,
    /// The rate of each other address; `None` for any number.
    pub default: Option<u32>,
}

impl IpRates {
    fn of(&self, ip: IpAddr) -> Option<u32> {
        self.of_ip.get(&ip).copied().or(self.default)
    }
}

impl ConnectionLimits {
    /// The limits of the configuration, without the overrides of hosts given by name: these must be looked
    /// up first.
    pub fn from_config(config: &NetworkConfig) -> Self {
        let mut of_listener: BTreeMap<String, ListenerLimits> = BTreeMap::new();
        for (name, count) in &config.max_connections_of_listener {
            let limits = of_listener.entry(name.clone()).or_default();
            limits.connections = Some(limit(*count));
        }
        for (name, count) in &config.max_connection_creation_rate_of_listener {
            let limits = of_listener.entry(name.clone()).or_default();
            limits.creation_rate = rate(*count);
        }
        let addresses = config.max_connections_per_ip_overrides.iter();
        let addresses = addresses.filter_map(|(host, count)| {
            let ip: IpAddr = host.parse().ok()?;
            Some((ip.to_canonical(), limit(*count)))
        });
        Self {
            total: limit(config.max_connections),
            per_ip: limit(config.max_connections_per_ip),
            per_ip_overrides: addresses.collect(),
            creation_rate: rate(config.max_connection_creation_rate),
            of_listener,
        }
    }

    /// The limits of the configuration, with the host names among the overrides looked up.
    ///
    /// # Errors
    /// A name has no address; the text says which.
    pub async fn with_hosts(config: &NetworkConfig) -> io::Result<Self> {
        let mut limits = Self::from_config(config);
        for (host, count) in &config.max_connections_per_ip_overrides {
            let addresses = tokio::net::lookup_host((host.as_str(), 0)).await;
            let addresses = addresses.map_err(|error| {
                io::Error::other(format!("max.connections.per.ip.overrides: {host}: {error}"))
            })?;
            let ips = addresses.map(|address| address.ip().to_canonical());
            let overrides = ips.map(|ip| (ip, limit(*count)));
            limits.per_ip_overrides.extend(overrides);
        }
        Ok(limits)
    }
}

fn limit(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn rate(count: i32) -> Option<u32> {
    u32::try_from(count).ok().filter(|_| count < i32::MAX)
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 10_000,
            per_ip: 5_000,
            per_ip_overrides: HashMap::new(),
            creation_rate: None,
            of_listener: BTreeMap::new(),
        }
    }
}

/// All connections of the broker. Clones are the same list.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Notified when a connection has ended or a limit has changed: an accept may have room now.
    room: Notify,
}

#[derive(Debug)]
struct State {
    limits: ConnectionLimits,
    ip_rates: IpRates,
    /// The addresses of other brokers, where these share a listener with clients.
    broker_addresses: HashSet<IpAddr>,
    rate: CreationRate,
    rates_by_ip: HashMap<IpAddr, CreationRate>,
    last_id: u64,
    /// Counts connections by address, and by whether their listener is for brokers only.
    by_ip: HashMap<(IpAddr, bool), usize>,
    by_listener: BTreeMap<String, ListenerCount>,
    /// How many of `open` are on listeners for brokers only.
    of_brokers: usize,
    open: BTreeMap<u64, Arc<Connection>>,
}

#[derive(Debug, Default)]
struct ListenerCount {
    open: usize,
    rate: CreationRate,
}

/// Spaces connections 1/rate seconds apart; a second's worth may come at once.
#[derive(Debug, Default)]
struct CreationRate {
    /// When the next connection would be due if all so far had kept their distance.
    due: Option<Instant>,
}

/// An address has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    /// The address holds this many connections.
    AtOnce(usize),
    /// The address holds this many connections, and of all connections only the reserve is left.
    OfTheReserve(usize),
    /// The address opened more than `limit` connections in a second. If its connection is closed after the
    /// wait, the client cannot come again at once.
    InASecond { limit: u32, wait: Duration },
}

/// A place in the list, freed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
}

impl Connections {
    /// An empty list.
    pub fn new(limits: ConnectionLimits) -> Self {
        let state = State {
            limits,
            ip_rates: IpRates::default(),
            broker_addresses: HashSet::new(),
            rate: CreationRate::default(),
            rates_by_ip: HashMap::new(),
            last_id: 0,
            by_ip: HashMap::new(),
            by_listener: BTreeMap::new(),
            of_brokers: 0,
            open: BTreeMap::new(),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            room: Notify::new(),
        }))
    }

    /// Replaces the limits. Connections beyond a lower limit stay.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.0.state.lock().limits = limits;
        self.0.room.notify_waiters();
    }

    /// Replaces the rates of single addresses.
    pub fn set_ip_rates(&self, rates: IpRates) {
        let mut state = self.0.state.lock();
        state.ip_rates = rates;
        state.rates_by_ip.clear();
    }

    /// Keeps the last connections for these addresses, of other brokers; for nobody if there are none.
    pub fn set_broker_addresses(&self, addresses: HashSet<IpAddr>) {
        self.0.state.lock().broker_addresses = addresses;
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.0.state.lock().open.len()
    }

    /// All connections, oldest first.
    pub fn list(&self) -> Vec<Arc<Connection>> {
        self.0.state.lock().open.values().cloned().collect()
    }

    /// Waits until the listener may accept one more.
    pub(super) async fn room_for(&self, listener: &ListenerOptions) {
        loop {
            let mut told = std::pin::pin!(self.0.room.notified());
            told.as_mut().enable();
            let wait = self.0.state.lock().wait_of(listener, Instant::now());
            match wait {
                Wait::No => return,
                Wait::Until(due) => tokio::time::sleep_until(due.into()).await,
                Wait::ForRoom => told.await,
            }
        }
    }

    /// Enters an accepted connection in the list, unless its address has too many.
    pub(super) fn enter(
        &self,
        listener: &Arc<ListenerOptions>,
        make: impl FnOnce(u64) -> Connection,
    ) -> Result<Place, TooMany> {
        let mut state = self.0.state.lock();
        state.count_rate(listener, Instant::now());
        state.last_id += 1;
        let connection = Arc::new(make(state.last_id));
        let ip = connection.peer_ip();
        let counted = (ip, listener.brokers_only);
        let from_ip = state.by_ip.get(&counted).copied().unwrap_or(0);
        state.check_ip(ip, from_ip, listener)?;
        state.count_ip_rate(ip, Instant::now())?;
        state.by_ip.insert(counted, from_ip + 1);
        state.of_listener(listener).open += 1;
        state.of_brokers += usize::from(listener.brokers_only);
        state.open.insert(connection.id(), Arc::clone(&connection));
        drop(state);
        Ok(Place {
            shared: Arc::clone(&self.0),
            connection,
        })
    }
}

enum Wait {
    No,
    Until(Instant),
    ForRoom,
}

impl State {
    fn wait_of(&mut self, listener: &ListenerOptions, now: Instant) -> Wait {
        let exempt = listener.brokers_only;
        let (open, most) = self.count_and_limit(listener);
        let is_full = open >= most;
        let own = self.limits_of(listener).connections;
        if is_full || own.is_some_and(|limit| self.of_listener(listener).open >= limit) {
            return Wait::ForRoom;
        }
        let broker_due = if exempt {
            None
        } else {
            self.rate.due_after(now)
        };
        let listener_due = self.of_listener(listener).rate.due_after(now);
        broker_due.max(listener_due).map_or(Wait::No, Wait::Until)
    }

    /// How many connections there are of those that the listener's are counted with, and may be.
    fn count_and_limit(&self, listener: &ListenerOptions) -> (usize, usize) {
        if listener.brokers_only {
            (self.of_brokers, MOST_OF_BROKERS)
        } else {
            (self.open.len() - self.of_brokers, self.limits.total)
        }
    }

    fn count_rate(&mut self, listener: &ListenerOptions, now: Instant) {
        if !listener.brokers_only {
            self.rate.count(self.limits.creation_rate, now);
        }
        let rate = self.limits_of(listener).creation_rate;
        self.of_listener(listener).rate.count(rate, now);
    }

    /// Refuses a connection of an address that holds `from_ip` of them, if those are as many as it
    /// may. An override is the operator's word: it may take the reserve as well.
    fn check_ip(
        &self,
        ip: IpAddr,
        from_ip: usize,
        listener: &ListenerOptions,
    ) -> Result<(), TooMany> {
        let of_its_own = self.limits.per_ip_overrides.get(&ip).copied();
        let limit = of_its_own.unwrap_or(self.limits.per_ip);
        if from_ip >= limit {
            return Err(TooMany::AtOnce(limit));
        }
        let (open, total) = self.count_and_limit(listener);
        let reserve = total / RESERVED_PART;
        let is_scarce = reserve > 0 && open >= total - reserve;
        let has_few = from_ip < (total / FEW_PART).max(1);
        if !listener.brokers_only && !self.broker_addresses.is_empty() {
            let kept = (total / BROKERS_PART).min(MOST_KEPT_FOR_BROKERS);
            let is_of_broker = self.broker_addresses.contains(&ip);
            if !is_of_broker && open >= total - kept {
                return Err(TooMany::OfTheReserve(from_ip));
            } else if is_of_broker {
                return Ok(());
            }
        }
        if is_scarce && !has_few && of_its_own.is_none() {
            return Err(TooMany::OfTheReserve(from_ip));
        }
        Ok(())
    }

    /// Counts a connection of an address, unless it comes too early.
    fn count_ip_rate(&mut self, ip: IpAddr, now: Instant) -> Result<(), TooMany> {
        const FEW: usize = 1_000;
        let Some(limit) = self.ip_rates.of(ip) else {
            return Ok(());
        };
        if self.rates_by_ip.len() >= FEW && !self.rates_by_ip.contains_key(&ip) {
            self.rates_by_ip.retain(|_, rate| !rate.is_idle(now));
        }
        let rate = self.rates_by_ip.entry(ip).or_default();
        if let Some(due) = rate.due_after(now) {
            let wait = due.duration_since(now);
            return Err(TooMany::InASecond { limit, wait });
        }
        rate.count(Some(limit), now);
        Ok(())
    }

    fn limits_of(&self, listener: &ListenerOptions) -> ListenerLimits {
        let limits = self.limits.of_listener.get(&listener.endpoint.listener);
        limits.copied().unwrap_or_default()
    }

    fn of_listener(&mut self, listener: &ListenerOptions) -> &mut ListenerCount {
        let name = &listener.endpoint.listener;
        if !self.by_listener.contains_key(name) {
            self.by_listener
                .insert(name.clone(), ListenerCount::default());
        }
        self.by_listener
            .get_mut(name)
            .expect("it was just inserted")
    }
}

impl CreationRate {
    const BURST: Duration = Duration::from_secs(1);

    fn due_after(&self, now: Instant) -> Option<Instant> {
        let due = self.due?.checked_sub(Self::BURST)?;
        (due > now).then_some(due)
    }

    /// Whether a new `CreationRate` would do as well.
    fn is_idle(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    fn count(&mut self, rate: Option<u32>, now: Instant) {
        self.due = rate.map(|rate| {
            let distance = Duration::from_secs(1) / rate.max(1);
            self.due.map_or(now, |due| due.max(now)) + distance
        });
    }
}

impl Place {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.open.remove(&self.connection.id());
        state.of_listener(self.connection.listener()).open -= 1;
        let brokers_only = self.connection.listener().brokers_only;
        state.of_brokers -= usize::from(brokers_only);
        let counted = (self.connection.peer_ip(), brokers_only);
        match state.by_ip.get_mut(&counted) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                state.by_ip.remove(&counted);
            }
        }
        drop(state);
        self.shared.room.notify_waiters();
    }
}
