//! `/charts`: the last hour of this node, kept in memory: throughput, latency, changes of in-sync sets, the lag of the
//! groups that it coordinates, disks, memory and descriptors.

mod ring;
mod sample;
mod svg;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Serialize;

use super::answer::Asked;
use super::{Pages, starting_or_stopping};
use crate::clock::wall_clock;
use crate::web::node::Stage;
use ring::{EVERY_MS, Measure, Ring, Unit};
use svg::{Line, chart};

pub(super) use sample::History;

/// The groups in the chart: those that are furthest behind.
const GROUPS_SHOWN: usize = 6;

/// A chart: its title, its unit, and what is in it.
type Chart = (&'static str, Unit, &'static [Measure]);

const CHARTS: [Chart; 8] = [
    (
        "Throughput of clients",
        Unit::BytesPerSecond,
        &[Measure::BytesIn, Measure::BytesOut],
    ),
    ("Records", Unit::PerSecond, &[Measure::RecordsIn]),
    (
        "Time of a produce request",
        Unit::Milliseconds,
        &[
            Measure::ProduceMedian,
            Measure::ProduceSlow,
            Measure::ProduceSlowest,
        ],
    ),
    (
        "Time of a consumer's fetch, without its wait for records",
        Unit::Milliseconds,
        &[
            Measure::FetchMedian,
            Measure::FetchSlow,
            Measure::FetchSlowest,
        ],
    ),
    (
        "Changes of in-sync sets, in 5 s",
        Unit::Count,
        &[Measure::IsrShrinks, Measure::IsrExpands],
    ),
    (
        "Disks of the log directories",
        Unit::Bytes,
        &[Measure::DiskUsed, Measure::DiskFree],
    ),
    (
        "Memory",
        Unit::Bytes,
        &[Measure::Memory, Measure::RequestMemory],
    ),
    (
        "Descriptors: files and connections",
        Unit::Count,
        &[Measure::Descriptors],
    ),
];

/// The page as data.
#[derive(Debug, Serialize)]
struct Charts {
    node: i32,
    every_ms: i64,
    /// When it was measured, in milliseconds since 1970.
    times: Vec<i64>,
    /// What was measured then; null where it is not known.
    values: BTreeMap<&'static str, Vec<f32>>,
    /// The lag of groups that this node coordinates.
    lag: BTreeMap<String, Vec<f32>>,
    /// How many groups more there are.
    groups_left_out: usize,
}

/// The page.
pub(super) async fn page(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let mut asked = Asked::of(&request);
    if let Some(refused) = pages.refusal(&request, &mut asked) {
        return refused;
    }
    let stage = pages.node.stage();
    let Stage::Serving(serving) = &*stage else {
        return starting_or_stopping(&stage, &asked);
    };
    let known = Pages::bare(serving);
    let shown = {
        let ring = pages.history.ring.lock();
        let view = Charts::of(&ring, known.node_id);
        let title = format!("Charts of node {}", known.node_id);
        asked.show(&title, "/charts", &view, || drawn(&ring))
    };
    asked.answer(&known, shown)
}

impl Charts {
    fn of(ring: &Ring, node: i32) -> Self {
        let lags = ring.lags().into_iter();
        Self {
            node,
            every_ms: EVERY_MS,
            times: ring.times(),
            values: Measure::ALL.map(|it| (it.key(), ring.values(it))).into(),
            lag: lags.map(|(id, lag)| (id.to_owned(), lag)).collect(),
            groups_left_out: ring.left_out,
        }
    }
}

fn drawn(ring: &Ring) -> Markup {
    let times = ring.times();
    // Not the time of the request, so that a page stays the same until there is something new.
    let now = times.last().copied().unwrap_or_else(|| wall_clock().0);
    let lags = ring.lags();
    let (groups, others) = (
        lags.len().min(GROUPS_SHOWN),
        lags.len().saturating_sub(GROUPS_SHOWN),
    );
    let shown = lags.into_iter().take(groups);
    let lines: Vec<Line<'_>> = shown.map(|(name, values)| Line { name, values }).collect();
    html! {
        div.charts {
            @for (title, unit, measures) in CHARTS {
                @let lines: Vec<Line<'_>> = measures.iter()
                    .map(|it| Line { name: it.name(), values: ring.values(*it) })
                    .collect();
                (chart(title, unit, (&times, now), &lines))
            }
            (chart("Lag of groups that this node coordinates", Unit::Count, (&times, now), &lines))
        }
        p.note {
            "Every 5 seconds this node measures itself, and keeps the last hour in memory: charts begin anew with it. "
            "Other nodes have their own. Point at a chart to read its numbers."
            @if others + ring.left_out > 0 {
                " Of the groups, those that are furthest behind are drawn; " (others + ring.left_out) " are not."
            }
        }
    }
}
