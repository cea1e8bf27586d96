//! Accepts connections of the admin listeners, and lets hyper speak HTTP on them. What a peer can cost is
//! bounded here and in [`super::slots`].

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use super::gate::Ends;
use super::hosts::Hosts;
use super::slots::{LongAnswer, Slot, Slots, Taken};
use super::watched::{WatchedBody, WatchedSocket};
use crate::telemetry::LogGate;

/// The bytes of a request's head, and its headers: browsers send a few kilobytes, scrapers less.
const HEAD_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
/// How long accepting rests after it failed for lack of descriptors or memory.
const REST: Duration = Duration::from_millis(250);

/// Headers of all answers that do not have them already: nobody keeps, frames or guesses what is served
/// here, and nothing in it runs.
const HEADERS_OF_ALL: [(header::HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

static ACCEPT: LogGate = LogGate::new();

/// What all connections share.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) hosts: Arc<Hosts>,
    pub(super) slots: Arc<Slots>,
}

impl Server {
    /// Accepts until the runtime ends.
    pub(super) async fn run(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => self.admit(socket),
                Err(error) => {
                    if let Some(suppressed) = ACCEPT.pass() {
                        tracing::warn!(%error, suppressed, "cannot accept connections of the admin listeners");
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// Serves a connection, if there is a place for it: else it is closed.
    fn admit(&self, socket: TcpStream) {
        if let Some(taken) = self.slots.take(Instant::now()) {
            let server = self.clone();
            tokio::spawn(async move { server.serve(socket, taken).await });
        }
    }

    async fn serve(self, socket: TcpStream, taken: Taken) {
        // An answer leaves in pieces: waiting for more would only add latency.
        let _ = socket.set_nodelay(true);
        let slot = taken.slot();
        let ends = Ends::of(&socket);
        let io = TokioIo::new(WatchedSocket {
            socket,
            slot: Arc::clone(slot),
        });
        let service = service_fn(|request| self.answer(request, ends, slot));
        let connection = http1::Builder::new()
            // A client that closes its end behind its request gets its answer.
            .half_close(true)
            // Its times are those of the place.
            .header_read_timeout(None)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS)
            .serve_connection(io, service);
        tokio::select! {
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection of an admin listener broke");
                }
            }
            () = slot.over() => tracing::debug!("a connection of an admin listener has had its time"),
        }
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        ends: Ends,
        slot: &Arc<Slot>,
    ) -> Result<Response<WatchedBody>, Infallible> {
        slot.note_request(Instant::now());
        request.extensions_mut().insert(ends);
        let mut response = match self.hosts.check(&request) {
            Ok(()) => self.route(request).await?,
            Err(wrong) => wrong.answer().into_response(),
        };
        for (name, value) in HEADERS_OF_ALL {
            response.headers_mut().entry(name).or_insert(value);
        }
        if response.extensions().get::<LongAnswer>().is_some() {
            slot.note_stream(Instant::now());
        }
        let slot = Arc::clone(slot);
        Ok(response.map(|body| WatchedBody { body, slot }))
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let router = TowerToHyperService::new(self.router.clone());
        router.call(request).await
    }
}
