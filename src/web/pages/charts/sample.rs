//! Measures the node every few seconds, whether anybody looks or not. What may wait for a disk or for leaders
//! elsewhere has a thread of its own meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::ring::{EVERY_MS, Measure, Ring, Sample};
use crate::clock::wall_clock;
use crate::telemetry::{Histogram, Metrics, Stage as RequestStage};
use crate::web::metrics::{Lags, descriptors, resident_bytes};
use crate::web::node::{Node, Stage};

/// Lags are measured with every so many samples: other brokers are asked for it.
const LAGS_EVERY: u64 = 3;

/// The last hour of the node.
pub(in crate::web::pages) struct History {
    pub(super) ring: Mutex<Ring>,
}

impl History {
    /// Begins to measure, for as long as it lives.
    pub(in crate::web::pages) fn begin(node: &Arc<Node>) -> Arc<Self> {
        let this = Arc::new(Self {
            ring: Mutex::default(),
        });
        let (weak, node) = (Arc::downgrade(&this), Arc::clone(node));
        tokio::spawn(async move {
            let mut sampler = Sampler::new(node);
            loop {
                tokio::time::sleep(Duration::from_millis(EVERY_MS as u64)).await;
                let slow = sampler.measure_slow().await;
                let Some(this) = Weak::upgrade(&weak) else {
                    return;
                };
                let sample = sampler.sample(&slow);
                this.ring.lock().push(sample, slow.lags.as_deref());
            }
        });
        this
    }
}

/// What only grows.
struct Counted {
    at: Instant,
    bytes_in: u64,
    bytes_out: u64,
    records_in: u64,
    isr_shrinks: u64,
    isr_expands: u64,
    produce: Option<Histogram>,
    fetch: Option<Histogram>,
}

impl Counted {
    fn read(metrics: &Metrics) -> Self {
        let (traffic, replication) = (&metrics.traffic, &metrics.replication);
        let times = &metrics.request_times;
        let histogram = |wanted: &str, stage| {
            let (kind, _) = times.kinds().find(|(_, name)| *name == wanted)?;
            Some(times.histogram(kind, stage, times.count(kind)))
        };
        Self {
            at: Instant::now(),
            bytes_in: traffic.appended_bytes.get(),
            bytes_out: traffic.fetched_bytes.get(),
            records_in: traffic.appended_records.get(),
            isr_shrinks: replication.isr_shrinks.get(),
            isr_expands: replication.isr_expands.get(),
            produce: histogram("Produce", RequestStage::Total),
            // All of it would be mostly the time that consumers wait for records.
            fetch: histogram("FetchConsumer", RequestStage::Local),
        }
    }

    /// Puts into a sample what has come since an earlier moment.
    fn put_since(&self, before: &Self, sample: &mut Sample) {
        let time = self.at.saturating_duration_since(before.at);
        let seconds = time.as_secs_f64().max(0.001);
        for (measure, now, before, per) in [
            (Measure::BytesIn, self.bytes_in, before.bytes_in, seconds),
            (Measure::BytesOut, self.bytes_out, before.bytes_out, seconds),
            (
                Measure::RecordsIn,
                self.records_in,
                before.records_in,
                seconds,
            ),
            (
                Measure::IsrShrinks,
                self.isr_shrinks,
                before.isr_shrinks,
                1.0,
            ),
            (
                Measure::IsrExpands,
                self.isr_expands,
                before.isr_expands,
                1.0,
            ),
        ] {
            sample.set(measure, Some(now.saturating_sub(before) as f64 / per));
        }
        let since = |now: &Option<Histogram>, before: &Option<Histogram>| match (now, before) {
            (Some(now), Some(before)) => Some(now.since(before)),
            _ => now.clone(),
        };
        let produce = since(&self.produce, &before.produce);
        let fetch = since(&self.fetch, &before.fetch);
        for (measure, times, part) in [
            (Measure::ProduceMedian, &produce, 0.5),
            (Measure::ProduceSlow, &produce, 0.99),
            (Measure::ProduceSlowest, &produce, 0.999),
            (Measure::FetchMedian, &fetch, 0.5),
            (Measure::FetchSlow, &fetch, 0.99),
            (Measure::FetchSlowest, &fetch, 0.999),
        ] {
            let seconds = times.as_ref().and_then(|times| times.quantile(part));
            sample.set(measure, seconds.map(|it| it * 1e3));
        }
    }
}

/// What takes its time.
#[derive(Default)]
struct Slow {
    /// Bytes that are used and free on the disks of the log directories.
    disk: Option<(u64, u64)>,
    memory: Option<u64>,
    descriptors: Option<u64>,
    lags: Option<Vec<(String, i64)>>,
}

struct Sampler {
    node: Arc<Node>,
    lags: Arc<Lags>,
    before: Counted,
    count: u64,
}

impl Sampler {
    fn new(node: Arc<Node>) -> Self {
        Self {
            before: Counted::read(&node.metrics),
            node,
            lags: Arc::default(),
            count: 0,
        }
    }

    async fn measure_slow(&mut self) -> Slow {
        let (node, lags) = (Arc::clone(&self.node), Arc::clone(&self.lags));
        let with_lags = self.count.is_multiple_of(LAGS_EVERY);
        self.count += 1;
        let measuring = tokio::task::spawn_blocking(move || Slow {
            disk: disk(&node.config.storage.log_dirs),
            memory: resident_bytes(),
            descriptors: descriptors(),
            lags: match &*node.stage() {
                Stage::Serving(serving) if with_lags => Some(lags.read(serving)),
                _ => None,
            },
        });
        measuring.await.unwrap_or_default()
    }

    fn sample(&mut self, slow: &Slow) -> Sample {
        let now = Counted::read(&self.node.metrics);
        let mut sample = Sample::at(wall_clock().0);
        now.put_since(&self.before, &mut sample);
        self.before = now;
        let request_memory = self.node.metrics.request_memory_bytes.get() as u64;
        for (measure, value) in [
            (Measure::DiskUsed, slow.disk.map(|it| it.0)),
            (Measure::DiskFree, slow.disk.map(|it| it.1)),
            (Measure::Memory, slow.memory),
            (Measure::RequestMemory, Some(request_memory)),
            (Measure::Descriptors, slow.descriptors),
        ] {
            sample.set(measure, value.map(|it| it as f64));
        }
        sample
    }
}

/// Bytes that are used and free on the disks of these directories, each disk once.
fn disk(directories: &[PathBuf]) -> Option<(u64, u64)> {
    let mut seen = std::collections::BTreeSet::new();
    let (mut used, mut free) = (0, 0);
    for directory in directories {
        let Ok(disk) = rustix::fs::statvfs(directory) else {
            continue;
        };
        let device = rustix::fs::stat(directory).map_or(disk.f_fsid, |it| it.st_dev);
        if seen.insert(device) {
            used += disk.f_blocks.saturating_sub(disk.f_bfree) * disk.f_frsize;
            free += disk.f_bavail * disk.f_frsize;
        }
    }
    (!seen.is_empty()).then_some((used, free))
}
