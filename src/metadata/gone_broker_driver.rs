//! Finds out at once that a broker's process is gone, where its session would take seconds to end.
//!
//! When the connection of a broker's heartbeats breaks, the broker's own listeners are tried. Only if all
//! of them refuse the connection is its process gone, and the broker fenced; a host that does not answer may
//! be cut off or paused, and waits for its session. A refusal says something only where connections were
//! accepted before: there may be a wall between this controller and what the broker tells its clients. So
//! each controller tries each registration once while it is well. The active controller tries a broker that
//! has no such connection to it again and again: its process may take its time to die, or to find out who is
//! active now.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::controller_handle_driver::ControllerHandle;
use super::driver::Published;
use crate::model::BrokerId;

/// How often, and with which pause, a broker is tried that still accepts connections, as a process that
/// dies closes its sockets one after the other; or that is gone while nobody leads the quorum.
const TRIES: usize = 25;
const PAUSE: Duration = Duration::from_millis(20);
/// The pause after so many tries, for as long as the broker sends the active controller no heartbeat.
const LONG_PAUSE: Duration = Duration::from_millis(200);
/// So many listeners of a broker are tried.
const MAX_ENDPOINTS: usize = 8;
/// How often, at most, new registrations are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a host may take to accept or to refuse.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What is known of one registration.
type Registration = (BrokerId, i64);

/// The registrations that have connections, and how many.
type Connected = Arc<Mutex<BTreeMap<Registration, usize>>>;

/// The end that is told of connections, and of broken ones. Clones tell the same.
#[derive(Clone, Debug)]
pub struct BrokenConnections {
    broken: mpsc::UnboundedSender<Registration>,
    connected: Connected,
}

/// The end that looks after them.
#[derive(Debug)]
pub struct BrokenConnectionsInbox {
    broken: mpsc::UnboundedReceiver<Registration>,
    connected: Connected,
}

/// Stands for a connection by which a broker sends heartbeats; dropped with it.
#[derive(Debug)]
pub struct BrokerPresence {
    broker: BrokerId,
    /// -1 before the first heartbeat.
    epoch: AtomicI64,
    connections: BrokenConnections,
}

/// Makes the two ends.
pub fn broken_connections() -> (BrokenConnections, BrokenConnectionsInbox) {
    let (sender, broken) = mpsc::unbounded_channel();
    let connected = Connected::default();
    let inbox = BrokenConnectionsInbox {
        broken,
        connected: Arc::clone(&connected),
    };
    let connections = BrokenConnections {
        broken: sender,
        connected,
    };
    (connections, inbox)
}

impl BrokenConnections {
    /// A connection of this broker.
    pub fn presence(&self, broker: BrokerId) -> BrokerPresence {
        BrokerPresence {
            broker,
            epoch: AtomicI64::new(-1),
            connections: self.clone(),
        }
    }

    fn forget_one_of(&self, registration: Registration) {
        let mut connected = self.connected.lock();
        if let Entry::Occupied(mut count) = connected.entry(registration) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl BrokerPresence {
    /// Notes the epoch of the broker's newest heartbeat.
    pub fn note_epoch(&self, epoch: i64) {
        let former = self.epoch.swap(epoch, Ordering::Relaxed);
        if former != epoch {
            let mut connected = self.connections.connected.lock();
            *connected.entry((self.broker, epoch)).or_default() += 1;
            drop(connected);
            self.connections.forget_one_of((self.broker, former));
        }
    }
}

impl Drop for BrokerPresence {
    fn drop(&mut self) {
        let registration = (self.broker, self.epoch.load(Ordering::Relaxed));
        self.connections.forget_one_of(registration);
        // The other end is gone only when the process stops.
        let _ = self.connections.broken.send(registration);
    }
}

/// The state of the task.
struct Watch {
    controller: ControllerHandle,
    published: Arc<Published>,
    local: BrokerId,
    connected: Connected,
    /// Registrations whose listeners have accepted a connection.
    reached: Arc<Mutex<BTreeSet<Registration>>>,
    /// Registrations that are being tried now.
    under_way: Arc<Mutex<BTreeSet<Registration>>>,
}

/// Tries the brokers whose connections broke, and has those fenced that are gone. A controller that becomes
/// active tries all brokers: of those that died with the one before it, it would hear nothing.
pub async fn fence_gone_brokers(
    BrokenConnectionsInbox {
        mut broken,
        connected,
    }: BrokenConnectionsInbox,
    controller: ControllerHandle,
    published: Arc<Published>,
    local: BrokerId,
) {
    let (mut leader, mut offset) = (published.leader.subscribe(), published.offset());
    let watch = Arc::new(Watch {
        controller,
        published,
        local,
        connected,
        reached: Arc::default(),
        under_way: Arc::default(),
    });
    let mut next_look = Instant::now();
    loop {
        let to_try = tokio::select! {
            broken = broken.recv() => match broken {
                Some(registration) => vec![registration],
                None => return,
            },
            changed = leader.changed() => {
                if changed.is_err() {
                    return;
                }
                let leads = leader.borrow_and_update().0 == Some(local);
                if leads { watch.unfenced() } else { Vec::new() }
            }
            changed = async {
                tokio::time::sleep_until(next_look).await;
                offset.changed().await
            } => {
                if changed.is_err() {
                    return;
                }
                next_look = Instant::now() + LOOK_INTERVAL;
                watch.forget_and_find_new()
            }
        };
        for registration in to_try {
            let is_free = watch.under_way.lock().insert(registration);
            if is_free {
                let watch = Arc::clone(&watch);
                tokio::spawn(async move {
                    loop {
                        watch.look_after(registration).await;
                        let mut under_way = watch.under_way.lock();
                        // Its connection may have broken since the last look at it.
                        if !watch.misses(registration) {
                            under_way.remove(&registration);
                            return;
                        }
                    }
                });
            }
        }
    }
}

impl Watch {
    /// Whether this node leads the quorum: its controller is active, or will be.
    fn leads(&self) -> bool {
        self.published.leader.borrow().0 == Some(self.local)
    }

    /// All brokers that the cluster counts on, other than this node, with their epochs.
    fn unfenced(&self) -> Vec<Registration> {
        let image = self.published.image();
        let brokers = image.brokers().iter();
        let others = brokers.filter(|broker| !broker.fenced && broker.id != self.local);
        others.map(|broker| (broker.id, broker.epoch)).collect()
    }

    /// Forgets registrations that are over, and returns those that were never reached.
    fn forget_and_find_new(&self) -> Vec<Registration> {
        let unfenced = self.unfenced();
        let mut reached = self.reached.lock();
        reached.retain(|registration| unfenced.contains(registration));
        let is_new = |registration: &Registration| !reached.contains(registration);
        unfenced.into_iter().filter(is_new).collect()
    }

    fn is_connected(&self, registration: Registration) -> bool {
        self.connected.lock().contains_key(&registration)
    }

    /// Whether this node leads the quorum, and a broker that it has reached has no connection to it.
    fn misses(&self, registration: Registration) -> bool {
        let (broker, epoch) = registration;
        self.leads()
            && broker != self.local
            && !self.is_connected(registration)
            && self.reached.lock().contains(&registration)
            && addresses_of(&self.published, broker, epoch).is_some()
    }

    async fn look_after(&self, registration: Registration) {
        let (broker, epoch) = registration;
        let mut tries = 0;
        loop {
            tries += 1;
            let Some(addresses) = addresses_of(&self.published, broker, epoch) else {
                return;
            };
            let was_reached = self.reached.lock().contains(&registration);
            match try_all(&addresses).await {
                Listeners::Refuse if !was_reached || broker == self.local => return,
                // There may be a wall by now: its heartbeats come through.
                Listeners::Refuse if self.is_connected(registration) => {}
                Listeners::Refuse => {
                    if self.controller.fence_gone(broker, epoch).await {
                        return;
                    }
                    // A new leader is active once its first batch is committed: disks may take their time.
                    if self.leads() {
                        tries = 0;
                    }
                }
                Listeners::Accept => {
                    if self.reached.lock().insert(registration) {
                        let broker = broker.0;
                        tracing::info!(broker, epoch, "a broker's listeners accept connections");
                        tries = TRIES;
                    }
                }
                Listeners::Close | Listeners::Silent => {}
            }
            if tries >= TRIES && !self.misses(registration) {
                return;
            }
            let pause = if tries < TRIES { PAUSE } else { LONG_PAUSE };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Where a broker listens; `None` if it is fenced, or registered anew.
fn addresses_of(published: &Published, broker: BrokerId, epoch: i64) -> Option<Vec<(String, u16)>> {
    let image = published.image();
    let registered = image.brokers().get(broker)?;
    if registered.epoch != epoch || registered.fenced {
        return None;
    }
    let endpoints = registered.endpoints.iter();
    let addresses: Vec<_> = endpoints
        .take(MAX_ENDPOINTS)
        .map(|endpoint| (endpoint.host.to_string(), endpoint.port))
        .collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// What the listeners of a broker do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listeners {
    /// One accepts it.
    Accept,
    /// All refuse it.
    Refuse,
    /// One is being closed: its process is dying, or closes it.
    Close,
    /// One says nothing in time, or the network does in its place.
    Silent,
}

async fn try_all(addresses: &[(String, u16)]) -> Listeners {
    for (host, port) in addresses {
        let connect = TcpStream::connect((host.as_str(), *port));
        let outcome = tokio::time::timeout(CONNECT_TIMEOUT, connect).await;
        let kind = outcome.map(|connected| connected.err().map(|error| error.kind()));
        match kind {
            Ok(None) => return Listeners::Accept,
            Ok(Some(io::ErrorKind::ConnectionRefused)) => {}
            // It was in the queue of a listener that is gone by now.
            Ok(Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted)) => {
                return Listeners::Close;
            }
            Ok(Some(_)) | Err(_) => return Listeners::Silent,
        }
    }
    Listeners::Refuse
}
