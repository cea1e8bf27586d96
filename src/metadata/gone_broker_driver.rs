//! Finds out at once that a broker's process is gone, where its session would take seconds to end.
//!
//! When the connection of a broker's heartbeats breaks, the broker's own listeners are tried. Only if all
//! of them refuse the connection is its process gone for sure, and the broker fenced; a host that does not
//! answer may be cut off or paused, and waits for its session.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::controller_handle_driver::ControllerHandle;
use super::driver::Published;
use crate::model::BrokerId;

/// How often, and with which pause, a broker is tried that still accepts connections, as a process that
/// dies closes its sockets one after the other; or that is gone while no controller is active.
const TRIES: usize = 25;
const PAUSE: Duration = Duration::from_millis(20);
/// How long a host may take to accept or to refuse.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The end that is told of broken connections. Clones tell the same.
#[derive(Clone, Debug)]
pub struct BrokenConnections(mpsc::UnboundedSender<(BrokerId, i64)>);

/// The end that looks after them.
#[derive(Debug)]
pub struct BrokenConnectionsInbox(mpsc::UnboundedReceiver<(BrokerId, i64)>);

/// Stands for a connection by which a broker sends heartbeats; dropped with it.
#[derive(Debug)]
pub struct BrokerPresence {
    broker: BrokerId,
    epoch: AtomicI64,
    broken: BrokenConnections,
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
            broken: self.clone(),
        }
    }
}

impl BrokerPresence {
    /// Notes the epoch of the broker's newest heartbeat.
    pub fn note_epoch(&self, epoch: i64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

impl Drop for BrokerPresence {
    fn drop(&mut self) {
        let epoch = self.epoch.load(Ordering::Relaxed);
        // The other end is gone only when the process stops.
        let _ = self.broken.0.send((self.broker, epoch));
    }
}

/// Tries the brokers whose connections broke, and has those fenced that are gone. A controller that becomes
/// active tries all brokers: of those that died with the one before it, it would hear nothing.
pub async fn fence_gone_brokers(
    BrokenConnectionsInbox(mut inbox): BrokenConnectionsInbox,
    controller: ControllerHandle,
    published: Arc<Published>,
    local: BrokerId,
) {
    let mut leader = published.leader.subscribe();
    loop {
        let to_try = tokio::select! {
            broken = inbox.recv() => match broken {
                Some(broken) => vec![broken],
                None => return,
            },
            changed = leader.changed() => {
                if changed.is_err() {
                    return;
                }
                let leads = leader.borrow_and_update().0 == Some(local);
                if leads { unfenced(&published) } else { Vec::new() }
            }
        };
        for (broker, epoch) in to_try {
            let (controller, published) = (controller.clone(), Arc::clone(&published));
            tokio::spawn(fence_if_gone(controller, published, broker, epoch));
        }
    }
}

/// All brokers that the cluster counts on, with their epochs.
fn unfenced(published: &Published) -> Vec<(BrokerId, i64)> {
    let image = published.image();
    let brokers = image.brokers().iter().filter(|broker| !broker.fenced);
    brokers.map(|broker| (broker.id, broker.epoch)).collect()
}

async fn fence_if_gone(
    controller: ControllerHandle,
    published: Arc<Published>,
    broker: BrokerId,
    epoch: i64,
) {
    for _ in 0..TRIES {
        let Some(addresses) = addresses_of(&published, broker, epoch) else {
            return;
        };
        match all_refuse(&addresses).await {
            Some(true) if controller.fence_gone(broker, epoch).await => return,
            Some(_) => tokio::time::sleep(PAUSE).await,
            None => return,
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
        .map(|endpoint| (endpoint.host.to_string(), endpoint.port))
        .collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// Whether all listeners refuse connections; `None` if that cannot be said.
async fn all_refuse(addresses: &[(String, u16)]) -> Option<bool> {
    for (host, port) in addresses {
        let connect = TcpStream::connect((host.as_str(), *port));
        match tokio::time::timeout(CONNECT_TIMEOUT, connect).await.ok()? {
            Ok(_) => return Some(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return None,
        }
    }
    Some(true)
}
