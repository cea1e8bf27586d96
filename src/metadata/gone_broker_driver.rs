//! Finds out at once that a broker's process is gone, where its session would take seconds to end.
//!
//! When the connection of a broker's heartbeats breaks, the broker's own listeners are tried. Only if all
//! of them refuse the connection is its process gone, and the broker fenced; a host that does not answer may
//! be cut off or paused, and waits for its session. [`super::gone_brokers`] decides whom to try when.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::controller_handle_driver::ControllerHandle;
use super::driver::Published;
use super::gone_brokers::{GoneBrokers, Listeners, Registration, Verdict};
use crate::model::BrokerId;

/// So many listeners of a broker are tried.
const MAX_ENDPOINTS: usize = 8;
/// How often, at most, new registrations are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a host may take to accept or to refuse.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What connections tell.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// One has brought the first heartbeat of this registration.
    Connected(Registration),
    /// Such a one has ended.
    Broken(Registration),
}

/// The end that is told of connections, and of broken ones. Clones tell the same.
#[derive(Clone, Debug)]
pub struct BrokenConnections(mpsc::UnboundedSender<Event>);

/// The end that looks after them.
#[derive(Debug)]
pub struct BrokenConnectionsInbox(mpsc::UnboundedReceiver<Event>);

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
    let (sender, inbox) = mpsc::unbounded_channel();
    (BrokenConnections(sender), BrokenConnectionsInbox(inbox))
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

    fn tell(&self, event: Event) {
        // The other end is gone only when the process stops.
        let _ = self.0.send(event);
    }
}

impl BrokerPresence {
    /// Notes the epoch of the broker's newest heartbeat.
    pub fn note_epoch(&self, epoch: i64) {
        let former = self.epoch.swap(epoch, Ordering::Relaxed);
        if former != epoch {
            self.connections
                .tell(Event::Connected((self.broker, epoch)));
            self.tell_end_of(former);
        }
    }

    fn tell_end_of(&self, epoch: i64) {
        if epoch >= 0 {
            self.connections.tell(Event::Broken((self.broker, epoch)));
        }
    }
}

impl Drop for BrokerPresence {
    fn drop(&mut self) {
        self.tell_end_of(self.epoch.load(Ordering::Relaxed));
    }
}

/// What was under way, and is done.
#[derive(Clone, Copy)]
enum Done {
    Tried(Registration, Listeners),
    Fenced(Registration, bool),
    /// The metadata does not count on it any more.
    Over(Registration),
}

/// The state of the task.
struct Watch {
    controller: ControllerHandle,
    published: Arc<Published>,
    brokers: GoneBrokers,
    under_way: JoinSet<Done>,
}

/// Tries the brokers whose connections broke, and has those fenced that are gone. A controller that becomes
/// active tries all brokers that it hears nothing of: those may have died with the one before it.
pub async fn fence_gone_brokers(
    BrokenConnectionsInbox(mut inbox): BrokenConnectionsInbox,
    controller: ControllerHandle,
    published: Arc<Published>,
    local: BrokerId,
) {
    let (mut leader, mut offset) = (published.leader.subscribe(), published.offset());
    let mut watch = Watch {
        controller,
        published,
        brokers: GoneBrokers::default(),
        under_way: JoinSet::new(),
    };
    // What is so already is news here.
    leader.mark_changed();
    offset.mark_changed();
    let mut next_look = Instant::now();
    loop {
        watch.start();
        let look = async {
            tokio::time::sleep_until(next_look).await;
            offset.changed().await
        };
        tokio::select! {
            // What is known of connections comes before what was tried.
            biased;
            event = inbox.recv() => match event {
                Some(event) => watch.on_event(event),
                None => return,
            },
            changed = leader.changed() => {
                if changed.is_err() {
                    return;
                }
                let leads = leader.borrow_and_update().0 == Some(local);
                watch.brokers.on_leader(leads, now());
            }
            changed = look => {
                if changed.is_err() {
                    return;
                }
                next_look = Instant::now() + LOOK_INTERVAL;
                watch.brokers.on_brokers(&counted(&watch.published, local), now());
            }
            Some(done) = watch.under_way.join_next() => {
                // A task ends otherwise only when the runtime stops.
                if let Ok(done) = done {
                    watch.on_done(done);
                }
            }
            () = at(watch.brokers.next_start()) => {}
        }
    }
}

impl Watch {
    /// Starts what is due.
    fn start(&mut self) {
        while let Some(registration) = self.brokers.start(now()) {
            let published = Arc::clone(&self.published);
            self.under_way.spawn(async move {
                match addresses_of(&published, registration) {
                    Some(addresses) => Done::Tried(registration, try_all(&addresses).await),
                    None => Done::Over(registration),
                }
            });
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(registration) => self.brokers.on_connected(registration, now()),
            Event::Broken(registration) => self.brokers.on_disconnected(registration, now()),
        }
    }

    fn on_done(&mut self, done: Done) {
        let (registration, listeners) = match done {
            Done::Tried(registration, listeners) => (registration, listeners),
            Done::Fenced(registration, is_fenced) => {
                self.brokers.on_fenced(registration, is_fenced, now());
                return;
            }
            Done::Over(registration) => {
                self.brokers.on_over(registration);
                return;
            }
        };
        let (broker, epoch) = registration;
        match self.brokers.on_tried(registration, listeners, now()) {
            Verdict::Open => {}
            Verdict::Reached => {
                let broker = broker.0;
                tracing::info!(broker, epoch, "a broker's listeners accept connections");
            }
            Verdict::Gone => {
                let controller = self.controller.clone();
                self.under_way.spawn(async move {
                    let is_fenced = controller.fence_gone(broker, epoch).await;
                    Done::Fenced(registration, is_fenced)
                });
            }
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Ends at that moment; never if there is none.
async fn at(moment: Option<std::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// All registrations that the cluster counts on and that say where they listen, other than this node's.
fn counted(published: &Published, local: BrokerId) -> BTreeSet<Registration> {
    let image = published.image();
    let brokers = image.brokers().iter();
    let others = brokers
        .filter(|broker| !broker.fenced && broker.id != local && !broker.endpoints.is_empty());
    others.map(|broker| (broker.id, broker.epoch)).collect()
}

/// Where a broker listens; `None` if it is fenced, or registered anew.
fn addresses_of(
    published: &Published,
    (broker, epoch): Registration,
) -> Option<Vec<(String, u16)>> {
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
