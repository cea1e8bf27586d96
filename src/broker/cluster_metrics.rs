//! Keeps the metrics of the cluster and of its quorum up to date: by each image, and by what the quorum
//! tells.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::live_config::LiveConfig;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::driver::{Metadata, MetadataPublisher, Published};
use crate::metadata::image::{MetadataImage, ResourceKind};
use crate::metadata::{ClusterCounts, ClusterEvents, ControllerHandle, Side};
use crate::model::BrokerId;
use crate::raft::Raft;
use crate::telemetry::{Metrics, QuorumMetrics};

const MIN_ISR: &str = "min.insync.replicas";
/// How often the quorum is looked at when it tells nothing.
const INTERVAL: Duration = Duration::from_secs(1);

/// Who counts what each image has.
pub(super) fn publisher(
    live: &Arc<LiveConfig>,
    metrics: &Arc<Metrics>,
) -> Box<dyn MetadataPublisher> {
    Box::new(ClusterMetricsPublisher::new(live, metrics))
}

/// Shows who leads the quorum, and how far the node `local` has come behind it, on the runtime `quorum` for as
/// long as that runs.
pub(super) fn begin(
    metadata: &Metadata,
    raft: &Raft,
    local: BrokerId,
    metrics: &Arc<Metrics>,
    quorum: &Handle,
) {
    quorum.spawn(keep_quorum_metrics(
        Arc::clone(metadata.published()),
        metadata.controller().clone(),
        raft.clone(),
        local,
        Arc::clone(metrics),
    ));
}

/// Counts what each image has.
struct ClusterMetricsPublisher {
    live: Arc<LiveConfig>,
    local: BrokerId,
    metrics: Arc<Metrics>,
    /// The counts of the last image; `None` before the first.
    counts: Option<ClusterCounts>,
}

impl ClusterMetricsPublisher {
    fn new(live: &Arc<LiveConfig>, metrics: &Arc<Metrics>) -> Self {
        Self {
            live: Arc::clone(live),
            local: live.current().node.node_id,
            metrics: Arc::clone(metrics),
            counts: None,
        }
    }

    fn show(&self, counts: &ClusterCounts) {
        let (cluster, partitions) = (&self.metrics.cluster, &counts.partitions);
        cluster.topics.set(counts.topics);
        cluster.active_brokers.set(counts.active_brokers);
        cluster.fenced_brokers.set(counts.fenced_brokers);
        cluster.partitions.set(partitions.all);
        cluster.leaderless_partitions.set(partitions.leaderless);
        let not_preferred = &cluster.not_preferred_partitions;
        not_preferred.set(partitions.not_preferred);
        let led = &self.metrics.replication;
        led.led_partitions.set(partitions.led);
        led.under_replicated_partitions
            .set(partitions.under_replicated);
        led.under_min_isr_partitions.set(partitions.under_min_isr);
        led.at_min_isr_partitions.set(partitions.at_min_isr);
        led.reassigning_partitions.set(partitions.reassigning);
    }

    fn count(&self, events: &ClusterEvents) {
        let (cluster, led) = (&self.metrics.cluster, &self.metrics.replication);
        cluster.elections.inc_by(events.elections);
        cluster.unclean_elections.inc_by(events.unclean_elections);
        led.isr_shrinks.inc_by(events.isr_shrinks);
        led.isr_expands.inc_by(events.isr_expands);
    }
}

impl MetadataPublisher for ClusterMetricsPublisher {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let default = self.live.current().topic_defaults.min_insync_replicas;
        let min_isr = |image: &MetadataImage, topic: &str| {
            let own = image.configs().get(ResourceKind::Topic, topic, MIN_ISR);
            let own = own.and_then(|value| value.parse().ok());
            own.unwrap_or_else(|| usize::try_from(default).unwrap_or(1))
        };
        let side = Side {
            local: self.local,
            min_isr: &min_isr,
        };
        let counts = match &self.counts {
            None => ClusterCounts::of(image, &side),
            Some(before) => {
                self.count(&ClusterEvents::of(delta, self.local));
                before.after(delta, &side)
            }
        };
        self.show(&counts);
        self.counts = Some(counts);
    }
}

async fn keep_quorum_metrics(
    published: Arc<Published>,
    controller: ControllerHandle,
    raft: Raft,
    local: BrokerId,
    metrics: Arc<Metrics>,
) {
    let (mut leader, mut offset) = (published.leader_changes(), published.offset());
    loop {
        show_quorum(&metrics.quorum, &published, &raft, local);
        let waiting = &metrics.quorum.waiting_requests;
        waiting.set(controller.waiting_requests());
        // Both senders live as long as `published`.
        tokio::select! {
            _ = leader.changed() => {}
            _ = offset.changed() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

fn show_quorum(metrics: &QuorumMetrics, published: &Published, raft: &Raft, local: BrokerId) {
    let (leader, epoch) = published.leader();
    metrics
        .active_controller
        .set(i64::from(leader == Some(local)));
    metrics
        .leader
        .set(i64::from(leader.unwrap_or(BrokerId::NONE).0));
    metrics.epoch.set(i64::from(epoch.0));
    let high_watermark = raft.info().high_watermark.map_or(-1, |offset| offset.0);
    metrics.high_watermark.set(high_watermark);
    let acted_on = published.offset().borrow().0 + 1;
    metrics.lag.set((high_watermark - acted_on).max(0));
}
