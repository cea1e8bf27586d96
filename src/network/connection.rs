//! One connection as the rest of the broker sees it: who it is, and the few things that may be
//! asked of it. Its socket and buffers belong to its task (`serve.rs`), which reads this.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::close::CloseReason;
use super::options::ListenerOptions;
use crate::config::SecurityProtocol;

/// A connection of a client or of another broker.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    listener: Arc<ListenerOptions>,
    peer: SocketAddr,
    local: SocketAddr,
    opened: Instant,
    software: OnceLock<ClientSoftware>,
    authenticated: AtomicBool,
    /// Microseconds after `opened` until which no further request is started.
    muted_until_us: AtomicU64,
    order: AtomicU8,
    peer_has_closed: AtomicBool,
    task: Mutex<Option<Waker>>,
}

/// What the peer said of itself in ApiVersions (KIP-511).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSoftware {
    /// For example `apache-kafka-java`.
    pub name: String,
    /// For example `4.4.0`.
    pub version: String,
}

/// What was asked of a connection from outside; a later order never takes an earlier one back.
const STOP: u8 = 1;
const CLOSE: u8 = 2;

impl Connection {
    pub(super) fn new(
        id: u64,
        listener: Arc<ListenerOptions>,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Self {
        let needs_login = matches!(
            listener.endpoint.protocol,
            SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl
        );
        Self {
            id,
            listener,
            peer,
            local,
            opened: Instant::now(),
            software: OnceLock::new(),
            authenticated: AtomicBool::new(!needs_login),
            muted_until_us: AtomicU64::new(0),
            order: AtomicU8::new(0),
            peer_has_closed: AtomicBool::new(false),
            task: Mutex::new(None),
        }
    }

    /// Unique while the process runs.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The listener that accepted it.
    pub fn listener(&self) -> &ListenerOptions {
        &self.listener
    }

    /// The listener's name, such as `PLAINTEXT`.
    pub fn listener_name(&self) -> &str {
        &self.listener.endpoint.listener
    }

    /// What is spoken on it.
    pub fn security_protocol(&self) -> SecurityProtocol {
        self.listener.endpoint.protocol
    }

    /// Where the peer is.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The peer's address; an IPv4 one is written as such, also on a dual-stack listener.
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// When it was accepted.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// What the peer said of itself, if it did.
    pub fn software(&self) -> Option<&ClientSoftware> {
        self.software.get()
    }

    /// Notes what the peer says of itself; only the first time counts.
    pub fn set_software(&self, software: ClientSoftware) {
        // A second ApiVersions is legal, and changes nothing.
        let _ = self.software.set(software);
    }

    /// Whether the peer has logged in, or need not.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Relaxed)
    }

    /// Lifts the limits on size and time that hold until the peer has logged in.
    pub fn set_authenticated(&self) {
        self.authenticated.store(true, Ordering::Relaxed);
    }

    /// Whether the peer has closed its end, and sends no more: it may read what it asked for, but
    /// nothing should be waited for on its behalf.
    pub fn peer_has_closed(&self) -> bool {
        self.peer_has_closed.load(Ordering::Relaxed)
    }

    pub(super) fn note_close_by_peer(&self) {
        self.peer_has_closed.store(true, Ordering::Relaxed);
    }

    /// Starts no further request of this connection for this long (KIP-219: the answer goes out at
    /// once and tells the client the same time). The longest of several holds.
    pub fn mute_for(&self, duration: Duration) {
        let until = self.opened.elapsed().saturating_add(duration);
        let until_us = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.muted_until_us.fetch_max(until_us, Ordering::Relaxed);
    }

    /// Closes the connection after the answers that are being made now.
    pub fn close(&self) {
        self.give_order(CLOSE);
    }

    pub(super) fn stop(&self) {
        self.give_order(STOP);
    }

    fn give_order(&self, order: u8) {
        self.order.fetch_max(order, Ordering::SeqCst);
        if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }

    /// The order to end, if one was given.
    pub(super) fn ordered_end(&self) -> Option<CloseReason> {
        match self.order.load(Ordering::SeqCst) {
            0 => None,
            STOP => Some(CloseReason::Stopping),
            _ => Some(CloseReason::Asked),
        }
    }

    /// Lets orders wake this task. The caller looks at the orders afterwards.
    pub(super) fn attach_task(&self, waker: &Waker) {
        *self.task.lock() = Some(waker.clone());
    }

    /// Until when no request may be started, if that is after `now`.
    pub(super) fn muted_until(&self, now: Instant) -> Option<Instant> {
        let until_us = self.muted_until_us.load(Ordering::Relaxed);
        let until = self.opened + Duration::from_micros(until_us);
        (until_us > 0 && until > now).then_some(until)
    }

    /// Whether `mute_for` was ever called: spares the others the clock.
    pub(super) fn was_muted(&self) -> bool {
        self.muted_until_us.load(Ordering::Relaxed) > 0
    }
}
