//! What has happened in about the last minute, where totals since the start say little: quantiles of request
//! times, and how busy the workers are. Readings are taken now and then; a scrape compares with the oldest.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::telemetry::{Histogram, RequestKind, RequestTimes, Stage};
use crate::web::Node;

/// How far readings are apart, and how many are kept: Kafka's own quantiles look back for minutes.
const INTERVAL: Duration = Duration::from_secs(10);
const KEPT: usize = 7;

/// The last readings.
pub(super) struct Recent {
    /// The runtime whose workers serve clients.
    workers: Handle,
    readings: Mutex<VecDeque<Reading>>,
}

struct Reading {
    at: Instant,
    busy: Duration,
    /// The histograms of all stages of those kinds that there were requests of, by kind.
    times: Vec<(RequestKind, [Histogram; Stage::ALL.len()])>,
}

impl Recent {
    /// Begins to take readings, for as long as it lives.
    pub(super) fn begin(node: &Arc<Node>) -> Arc<Self> {
        let this = Arc::new(Self {
            workers: node.workers().clone(),
            readings: Mutex::default(),
        });
        this.read(&node.metrics.request_times);
        let (weak, metrics) = (Arc::downgrade(&this), Arc::clone(&node.metrics));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let Some(this) = Weak::upgrade(&weak) else {
                    return;
                };
                this.read(&metrics.request_times);
            }
        });
        this
    }

    fn read(&self, times: &RequestTimes) {
        let read = Reading::take(&self.workers, times);
        let mut readings = self.readings.lock();
        if readings.len() == KEPT {
            readings.pop_front();
        }
        readings.push_back(read);
    }

    /// The part of the time in which the workers had nothing to do; `None` if too little has passed to tell.
    pub(super) fn idle(&self) -> Option<f64> {
        let busy = busy(&self.workers);
        let readings = self.readings.lock();
        // Of the last interval, as this is to tell of the load now.
        let before = readings
            .iter()
            .rev()
            .find(|it| it.at.elapsed() >= INTERVAL / 10)?;
        let all = before.at.elapsed().as_secs_f64() * self.workers.metrics().num_workers() as f64;
        let busy = busy.saturating_sub(before.busy).as_secs_f64();
        Some((1.0 - busy / all).clamp(0.0, 1.0))
    }

    /// What has come to a histogram since the oldest reading.
    pub(super) fn since(&self, kind: RequestKind, stage: Stage, now: &Histogram) -> Histogram {
        let readings = self.readings.lock();
        let oldest = readings.front();
        let before = oldest.and_then(|oldest| oldest.times.iter().find(|it| it.0 == kind));
        before.map_or_else(
            || now.clone(),
            |(_, stages)| now.since(&stages[stage as usize]),
        )
    }
}

impl Reading {
    fn take(workers: &Handle, times: &RequestTimes) -> Self {
        let seen = times.kinds().filter_map(|(kind, _)| {
            let count = times.count(kind);
            let read = |stage| times.histogram(kind, stage, count);
            (count > 0).then(|| (kind, Stage::ALL.map(read)))
        });
        Self {
            at: Instant::now(),
            busy: busy(workers),
            times: seen.collect(),
        }
    }
}

/// For how long all workers of a runtime together have worked.
fn busy(workers: &Handle) -> Duration {
    let metrics = workers.metrics();
    (0..metrics.num_workers())
        .map(|worker| metrics.worker_total_busy_duration(worker))
        .sum()
}
