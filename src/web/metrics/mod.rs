//! `/metrics`, with few series; `/metrics/detailed`, with those of topics, partitions and groups; and
//! `/metrics/clients`, with what clients push of themselves.
//!
//! The text is made piece by piece as its reader takes it, on a thread that may block: a scrape takes the
//! same memory however many partitions there are, and stops where its reader does.

mod bounds;
mod clients;
mod detailed;
mod end_offsets;
mod few;
mod groups;
mod kafka_names;
mod lags;
mod partitions;
mod process;
mod recent;
mod requests;
mod stream;

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::node::{Node, Stage};
use crate::telemetry::{Exposition, TEXT_FORMAT};
use clients::Clients;
use detailed::Details;
use recent::Recent;
use stream::Scrapes;

pub(super) use lags::Lags;
pub(super) use process::{descriptors, resident_bytes};

/// What serves scrapes.
pub(super) struct Metrics {
    node: Arc<Node>,
    recent: Arc<Recent>,
    details: Arc<Details>,
    scrapes: Scrapes,
}

impl Metrics {
    /// Metrics of `node`. It takes readings now and then on this runtime.
    pub(super) fn new(node: &Arc<Node>) -> Arc<Self> {
        Arc::new(Self {
            node: Arc::clone(node),
            recent: Recent::begin(node),
            details: Arc::default(),
            scrapes: Scrapes::default(),
        })
    }
}

/// Metrics of the node as a whole.
pub(super) async fn few(State(metrics): State<Arc<Metrics>>) -> Response {
    let (node, recent) = (Arc::clone(&metrics.node), Arc::clone(&metrics.recent));
    answer(&metrics, move |out| few::write(&node, &recent, out)).await
}

/// Metrics of topics, partitions and groups.
pub(super) async fn detailed(State(metrics): State<Arc<Metrics>>) -> Response {
    let (node, recent) = (Arc::clone(&metrics.node), Arc::clone(&metrics.recent));
    let details = Arc::clone(&metrics.details);
    answer(&metrics, move |out| details.write(&node, &recent, out)).await
}

/// Metrics that clients have pushed.
pub(super) async fn of_clients(State(metrics): State<Arc<Metrics>>) -> Response {
    let node = Arc::clone(&metrics.node);
    answer(&metrics, move |out| {
        let stage = node.stage();
        let broker = match &*stage {
            Stage::Serving(serving) => serving.parts.broker.as_ref(),
            Stage::Starting | Stage::Stopping => None,
        };
        let newest = broker.map(|broker| broker.client_metrics.newest());
        Clients::read(newest.unwrap_or_default()).write(out)
    })
    .await
}

async fn answer(
    metrics: &Metrics,
    write: impl FnOnce(&mut Exposition<'_>) -> fmt::Result + Send + 'static,
) -> Response {
    match metrics.scrapes.begin(write).await {
        Ok(body) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], body).into_response(),
        Err(busy) => busy.into_response(),
    }
}
