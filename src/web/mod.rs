//! What is served by HTTP on the admin listeners (`admin.listeners`): health and metrics, to whoever reaches
//! them, and pages for people, which ask for a password on other addresses than loopback (`gate`). Nothing here
//! changes anything.
//!
//! axum routes, hyper speaks HTTP, on a thread of their own that yields to all others: a stuck scrape takes
//! nothing from clients, and however many connect, few are held (`slots`). A page is a handler in a file of
//! its own, and a line in [`router`]; it sees the node through [`Node`].

mod gate;
mod health;
mod hosts;
mod metrics;
mod node;
mod pages;
mod received;
mod server;
mod slots;
mod watched;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};

pub use node::{Node, Serving, Stage};

use crate::network::{ListenError, bind};
use health::Asked;
use hosts::Hosts;
use metrics::Metrics;
use server::Server;
use slots::Slots;

/// The key that names the listeners.
const ADMIN_LISTENERS: &str = "admin.listeners";
/// Connections that wait until they are accepted.
const BACKLOG: u32 = 128;
/// Threads for work that may block: scrapes and what pages ask of disks.
const BLOCKING_THREADS: usize = 8;
/// How much these threads yield to others: 19 is the most.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The runtime of the admin listeners: one thread, and a few that may block. All of them yield to those that
/// serve clients.
///
/// # Errors
/// The system gives no thread.
pub fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("admin")
        .on_thread_start(yield_to_others)
        .build()
}

#[cfg(target_os = "linux")]
fn yield_to_others() {
    // On Linux the id of a thread stands for that thread alone. It does without, if it has to.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

/// Serves `node` on its admin listeners, on the runtime `admin` for as long as that runs. There are `connections`
/// at most.
///
/// # Errors
/// A listener cannot be opened that the operator has asked for. One that nobody asked for is done without, and
/// a line says so.
pub async fn serve(
    node: Arc<Node>,
    machine: &str,
    connections: usize,
    admin: &Handle,
) -> Result<(), ListenError> {
    let config = &node.config.admin;
    let mut listeners: Vec<TcpListener> = Vec::new();
    for endpoint in config.admin_listeners.clone() {
        let binding = async move { bind(&endpoint, ADMIN_LISTENERS, BACKLOG, None).await };
        // It fails only where its runtime has ended, with the process.
        let Ok(bound) = admin.spawn(binding).await else {
            return Ok(());
        };
        match bound {
            Ok((listener, address)) => {
                tracing::info!("serving metrics and health on http://{address}");
                listeners.push(listener);
            }
            Err(error) if config.is_asked_for => return Err(error),
            Err(error) => {
                tracing::warn!(
                    "no metrics and health are served, which nobody asked for: {error}; or set it to \
                     \"\" for none"
                );
            }
        }
    }
    if listeners.is_empty() {
        return Ok(());
    }
    let _on_its_runtime = admin.enter();
    let server = Server {
        hosts: Arc::new(Hosts::of(&node.config, machine)),
        slots: Slots::new(connections),
        router: router(&node),
    };
    for listener in listeners {
        tokio::spawn(server.clone().run(listener));
    }
    Ok(())
}

/// What is served, by path.
fn router(node: &Arc<Node>) -> Router {
    let (readiness, restart) = (Asked::readiness(node), Asked::restart(node));
    let metrics = Metrics::new(node);
    let get_metrics = || Arc::clone(&metrics);
    Router::new()
        .route("/livez", get(health::live).with_state(Arc::clone(node)))
        .route("/readyz", get(health::asked).with_state(readiness))
        .route("/safe-to-restart", get(health::asked).with_state(restart))
        .route("/metrics", get(metrics::few).with_state(get_metrics()))
        .route(
            "/metrics/detailed",
            get(metrics::detailed).with_state(get_metrics()),
        )
        .route(
            "/metrics/clients",
            get(metrics::of_clients).with_state(get_metrics()),
        )
        .merge(pages::router(node))
}
