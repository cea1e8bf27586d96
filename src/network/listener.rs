//! Binds one listener, accepts its connections and stops them in the end.
//!
//! When descriptors or memory run out, accepting pauses and tries again: no spinning, and those
//! who wait in the backlog are served when others have left.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::Network;
use super::bind::{ListenError, bind};
use super::close::CloseReason;
use super::connection::Connection;
use super::connection_task::Server;
use super::connections::{Place, TooMany};
use super::options::{ConnectionOptions, ListenerOptions};

/// The key that names the listeners of brokers and controllers.
const LISTENERS: &str = "listeners";
/// How long accepting rests after it failed for lack of descriptors or memory.
const REST: Duration = Duration::from_millis(250);

/// How many refused connections are held for a while: each takes a descriptor.
const HELD_OFF: usize = 500;
/// The longest that a refused connection is held.
const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// A bound listener: peers can connect, and wait until it is served.
#[derive(Debug)]
pub struct Listener {
    options: Arc<ListenerOptions>,
    socket: TcpListener,
    address: SocketAddr,
}

/// A listener at work.
#[derive(Debug)]
pub struct RunningListener {
    address: SocketAddr,
    stop: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

struct Acceptor {
    network: Arc<Network>,
    options: Arc<ListenerOptions>,
    socket: TcpListener,
    rest_until: Option<Instant>,
    /// Room for refused connections that are not closed yet.
    held_off: Arc<Semaphore>,
}

impl Listener {
    /// Binds the listener's address; must be called inside the runtime.
    ///
    /// # Errors
    /// The address cannot be bound; the text says what to do.
    pub async fn bind(
        options: ListenerOptions,
        connections: &ConnectionOptions,
    ) -> Result<Self, ListenError> {
        let (backlog, receive_buffer) = (connections.backlog, connections.receive_buffer_bytes);
        let (socket, address) = bind(&options.endpoint, LISTENERS, backlog, receive_buffer).await?;
        Ok(Self {
            options: Arc::new(options),
            socket,
            address,
        })
    }

    /// The listener's name.
    pub fn name(&self) -> &str {
        &self.options.endpoint.listener
    }

    /// The address that the listener is bound to; the port is the real one also when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to accept.
    pub fn serve(self, network: Arc<Network>) -> RunningListener {
        let Self {
            options,
            socket,
            address,
        } = self;
        let (stop, stopped) = watch::channel(None);
        let acceptor = Acceptor {
            network,
            options,
            socket,
            rest_until: None,
            held_off: Arc::new(Semaphore::new(HELD_OFF)),
        };
        RunningListener {
            address,
            stop,
            task: tokio::spawn(acceptor.run(stopped)),
        }
    }
}

impl RunningListener {
    /// The address that the listener is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, lets started requests finish and be answered for as long as `grace`, and
    /// closes all connections of this listener.
    pub async fn stop(self, grace: Duration) {
        // The task ends by itself only when its runtime does.
        let _ = self.stop.send(Some(Instant::now() + grace));
        let _ = self.task.await;
    }
}

impl Acceptor {
    async fn run(mut self, mut stopped: watch::Receiver<Option<Instant>>) {
        let mut tasks = JoinSet::new();
        let deadline = loop {
            tokio::select! {
                changed = stopped.changed() => {
                    // A handle that was dropped stops without grace.
                    let deadline = *stopped.borrow();
                    break changed.ok().and(deadline).unwrap_or_else(Instant::now);
                }
                Some(_) = tasks.join_next() => {}
                accepted = self.accept() => self.serve(accepted, &mut tasks),
            }
        };
        self.finish(deadline, tasks).await;
    }

    async fn finish(self, deadline: Instant, mut tasks: JoinSet<()>) {
        let Self {
            network,
            options,
            socket,
            ..
        } = self;
        drop(socket);
        for connection in network.connections.list() {
            if connection.listener_name() == options.endpoint.listener {
                connection.stop();
            }
        }
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, all).await.is_err() {
            tracing::warn!(
                listener = %options.endpoint.listener,
                connections = tasks.len(),
                "connections were cut: their requests did not finish in time"
            );
            tasks.shutdown().await;
        }
    }

    /// Cancel-safe: a connection that was accepted is never lost.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        if let Some(until) = self.rest_until {
            tokio::time::sleep_until(until).await;
        }
        self.network.connections.room_for(&self.options).await;
        self.socket.accept().await
    }

    fn serve(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>, tasks: &mut JoinSet<()>) {
        self.rest_until = None;
        let admitted = accepted.and_then(|(socket, peer)| self.admit(socket, peer, tasks));
        match admitted {
            Ok(Some((socket, place))) => {
                self.network.metrics.connections_accepted.inc();
                let connection = Arc::clone(place.connection());
                let server = Server::new(Arc::clone(&self.network), connection, socket);
                tasks.spawn(async move {
                    let network = Arc::clone(server.network());
                    report(&network, place.connection(), &server.run().await);
                });
            }
            Ok(None) => {}
            Err(error) => self.note_failure(&error),
        }
    }

    /// Prepares the socket and enters the connection; `None` if its address has too many.
    fn admit(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        tasks: &mut JoinSet<()>,
    ) -> io::Result<Option<(TcpStream, Place)>> {
        let local = socket.local_addr()?;
        let make = |id| Connection::new(id, Arc::clone(&self.options), peer, local);
        let place = match self.network.connections.enter(&self.options, make) {
            Ok(place) => place,
            Err(too_many) => {
                self.refuse(socket, peer, too_many, tasks);
                return Ok(None);
            }
        };
        // Answers are written whole: waiting for more would only add latency.
        socket.set_nodelay(true)?;
        let options = &self.network.options;
        let raw = SockRef::from(&socket);
        raw.set_keepalive(true)?;
        if let Some(bytes) = options.send_buffer_bytes {
            raw.set_send_buffer_size(bytes)?;
        }
        Ok(Some((socket, place)))
    }

    /// Closes a connection of an address that has too many: at once, or when the address may come again,
    /// while few others are held for that.
    fn refuse(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        too_many: TooMany,
        tasks: &mut JoinSet<()>,
    ) {
        self.network.metrics.connections_refused.inc();
        if let Some(suppressed) = self.network.gates.too_many.pass() {
            tracing::info!(%peer, ?too_many, suppressed, "too many connections of one address");
        }
        let TooMany::InASecond { wait, .. } = too_many else {
            return;
        };
        if let Ok(place) = Arc::clone(&self.held_off).try_acquire_owned() {
            tasks.spawn(async move {
                tokio::time::sleep(wait.min(LONGEST_HOLD)).await;
                drop((socket, place));
            });
        }
    }

    fn note_failure(&mut self, error: &io::Error) {
        if is_peers_fault(error) {
            return;
        }
        self.rest_until = Some(Instant::now() + REST);
        self.network.metrics.accept_failures.inc();
        if let Some(suppressed) = self.network.gates.accept.pass() {
            let listener = &self.options.endpoint.listener;
            tracing::error!(
                %listener, %error, suppressed,
                "cannot accept connections; raise the limit of open files (ulimit -n), \
                 or lower max.connections"
            );
        }
    }
}

/// A connection that broke before it was accepted says nothing about the listener.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | NotConnected
    )
}

/// Counts how a connection ended, and logs what someone should know.
fn report(network: &Network, connection: &Connection, reason: &CloseReason) {
    use CloseReason as Why;

    let (peer, listener) = (connection.peer(), connection.listener_name());
    let (metrics, gates) = (&network.metrics, &network.gates);
    tracing::debug!(%peer, listener, id = connection.id(), %reason, "connection closed");
    let gate = match reason {
        Why::Foreign(_) | Why::RequestSize { .. } => {
            metrics.connections_malformed.inc();
            &gates.malformed
        }
        Why::StalledRequest | Why::StalledAnswer | Why::NotAuthenticated => {
            metrics.connections_stalled.inc();
            &gates.stalled
        }
        Why::Panicked(_) => {
            metrics.connection_panics.inc();
            &gates.panic
        }
        // Clients leave connections idle as a matter of course.
        Why::Idle => {
            metrics.connections_idle.inc();
            return;
        }
        Why::Records(_) => &gates.records,
        Why::Refused(_) => &gates.refused,
        // These are how connections end when nothing is wrong.
        Why::PeerClosed
        | Why::PeerClosedMidRequest
        | Why::Socket(_)
        | Why::Stopping
        | Why::Asked => return,
    };
    let Some(suppressed) = gate.pass() else {
        return;
    };
    match reason {
        Why::Panicked(_) | Why::Records(_) => {
            tracing::error!(%peer, listener, %reason, suppressed, "connection closed");
        }
        _ => tracing::warn!(%peer, listener, %reason, suppressed, "connection closed"),
    }
}
