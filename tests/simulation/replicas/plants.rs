//! Where the faults of [`Mutation`] are planted.

use broker::doubles::{Act, Work};
use broker::metadata::IsrOutcome;
use broker::model::BrokerId;
use broker::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};
use broker::replication::partition::{Cut, Fetched};

use super::events::Request;
use super::mutation::Mutation;
use super::quorum::Question;
use super::world::{World, partition_in};

impl World {
    fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// The epoch of a broker's newest process.
    fn newest_epoch(&self, id: i32) -> Option<i64> {
        let broker = self.quorum.decided().brokers().get(BrokerId(id));
        broker.map(|broker| broker.epoch)
    }

    pub fn distort_question(&self, question: &mut Question) {
        if self.has(Mutation::OlderBrokerEpochCounts)
            && let Question::AlterPartition(request) = question
        {
            let partitions = request
                .topics
                .iter_mut()
                .flat_map(|topic| &mut topic.partitions);
            for state in partitions.flat_map(|partition| &mut partition.new_isr_with_epochs) {
                let newest = self.newest_epoch(state.broker_id);
                state.broker_epoch = newest.unwrap_or(state.broker_epoch);
            }
        }
    }

    pub fn distort_request(&self, to: usize, request: &mut Request) {
        if self.has(Mutation::OlderBrokerEpochCounts)
            && let Request::Fetch(fetch) = request
            && let Some(process) = &self.nodes[to].process
        {
            let state = &mut fetch.replica_state;
            let known = process.image.brokers().get(BrokerId(state.replica_id));
            state.replica_epoch = known.map_or(state.replica_epoch, |broker| broker.epoch);
        }
    }

    /// No answer has come to what a process asks for.
    pub fn give_up_proposals(&mut self, node: usize) {
        if self.has(Mutation::UnknownIsRefused) {
            self.refuse_proposals(node);
        }
    }

    fn refuse_proposals(&mut self, node: usize) {
        self.on(node, |process, _| {
            for change in process.proposed.values() {
                let manager = &process.replicas.manager;
                manager.isr_change_ended(change, &IsrOutcome::Refused);
            }
        });
    }

    /// A process has done what there was to do.
    pub fn forget_proposals(&mut self, node: usize) {
        if self.has(Mutation::PendingExpansionIsIgnored) {
            self.refuse_proposals(node);
        }
    }

    pub fn distort_works(&mut self, node: usize, works: &mut [Work]) {
        match self.mutation {
            Some(Mutation::LateAnswerApplies) => self.renew(node, works),
            Some(Mutation::WatermarkBeforeCut) => self.raise_watermarks(node, works),
            Some(Mutation::CutToWatermark) => {
                for work in works.iter_mut() {
                    if matches!(work.act, Act::Cut(Cut::Diverging(_))) {
                        work.act = Act::Cut(Cut::ToHighWatermark);
                    }
                }
            }
            Some(Mutation::RecoveryPointStays) => {
                let cuts = works.iter().any(|work| matches!(work.act, Act::Cut(_)));
                if cuts {
                    self.nodes[node].lies.forget_checkpoints(true);
                }
            }
            Some(Mutation::UnsyncedCounts) => self.nodes[node].lies.forget_syncs(true),
            _ => {}
        }
    }

    pub fn end_distortion(&mut self, node: usize) {
        self.nodes[node].lies.forget_checkpoints(false);
        self.nodes[node].lies.forget_syncs(false);
    }

    /// Works are done in whatever epoch there is.
    fn renew(&mut self, node: usize, works: &mut [Work]) {
        let Some(process) = &self.nodes[node].process else {
            return;
        };
        for work in works {
            if let Ok(partition) = process.replicas.manager.partition(&work.id) {
                work.leader_epoch = partition.leader().1;
            }
        }
    }

    fn raise_watermarks(&mut self, node: usize, works: &[Work]) {
        let watermarks = std::mem::take(&mut self.watermarks_told);
        self.on(node, |process, _| {
            for work in works.iter().filter(|work| matches!(work.act, Act::Cut(_))) {
                let Ok(partition) = process.replicas.manager.partition(&work.id) else {
                    continue;
                };
                let told = watermarks.iter().find(|(id, _)| *id == work.id);
                let Some((_, high_watermark)) = told else {
                    continue;
                };
                let fetched = Fetched {
                    leader_epoch: work.leader_epoch,
                    fetch_offset: partition.end_offset(),
                    records: &[],
                    high_watermark: *high_watermark,
                    log_start_offset: partition.log_start_offset(),
                };
                // The partition may follow another leader by now.
                let _ = partition.follow_after_sync(&fetched);
            }
        });
        self.observe(node);
    }

    /// What a broker does when it follows another leader.
    pub fn follow_wrongly(&mut self, node: usize) {
        if !self.has(Mutation::CutToWatermark) {
            return;
        }
        self.on(node, |process, _| {
            for partition in process.replicas.manager.partitions() {
                let (_, epoch) = partition.leader();
                let is_known = process.cut_in.insert(partition.id(), epoch) == Some(epoch);
                if is_known || partition.high_watermark() >= partition.end_offset() {
                    continue;
                }
                if let Ok(plan) = partition.plan_cut(epoch, Cut::ToHighWatermark) {
                    process.replicas.write_checkpoints();
                    // A disk that fails is noticed elsewhere.
                    let _ = partition.cut(&plan, broker::model::Timestamp(4_000_000_000_000));
                    process.cut.insert(partition.id());
                }
            }
        });
    }

    /// The controller makes somebody lead where nobody may.
    pub fn elect_anybody(&mut self) {
        if !self.has(Mutation::ElectionOfAnybody) {
            return;
        }
        let image = self.quorum.decided();
        let mut records = Vec::new();
        for id in self.ledgers.keys() {
            let Some(state) = partition_in(image, id) else {
                continue;
            };
            let is_alive = |broker: &BrokerId| image.brokers().is_active(*broker);
            let mut alive = state.replicas.iter().filter(|broker| is_alive(broker));
            if state.leader == BrokerId::NONE
                && let Some(leader) = alive.next()
            {
                let change = PartitionChangeRecord {
                    topic_id: id.topic_id,
                    partition_id: id.partition,
                    leader: leader.0,
                    isr: Some(vec![leader.0]),
                    ..PartitionChangeRecord::default()
                };
                records.push(MetadataRecord::from(change));
            }
        }
        self.quorum.append(records);
    }
}
