//! Looks at what brokers and the controller have done, and holds it against what must hold.

use broker::doubles::{Act, Work};
use broker::metadata::image::MetadataImage;
use broker::model::{BrokerId, TopicIdPartition, Uuid};
use broker::protocol::messages::fetch::FetchResponse;
use broker::protocol::messages::metadata_records::MetadataRecord;
use broker::replication::error::ReplicaError;

use super::events::{broker_of, node_of};
use super::process::partitions_of;
use super::shadow::{Shadow, entries};
use super::world::{NODES, World, partition_in};

impl World {
    /// A consumer is answered.
    pub fn check_consumed(&self, node: usize, response: &FetchResponse) {
        for (id, data) in partitions_of(response) {
            let Some(bytes) = data.records.bytes().filter(|bytes| !bytes.is_empty()) else {
                continue;
            };
            let mut read = entries(bytes);
            read.retain(|entry| entry.last.0 < data.high_watermark);
            self.ledgers[&id].on_consumed(broker_of(node), &read);
        }
    }

    /// Looks at all replicas of a node that have changed.
    pub fn observe(&mut self, node: usize) {
        let broker = broker_of(node);
        let excused = self.excused();
        let Some(process) = self.nodes[node].process.as_mut() else {
            return;
        };
        // Until it has read its own registration it may lead as the process before it did, for nobody to see.
        let is_heard = process.life.epoch >= 0 && process.read as i64 > process.life.epoch;
        for (id, ledger) in &mut self.ledgers {
            let partition = match process.replicas.manager.partition(id) {
                Ok(partition) => partition,
                Err(ReplicaError::Storage(_)) => {
                    ledger.unseen.insert(broker);
                    continue;
                }
                Err(_) => continue,
            };
            let Some(state) = partition_in(self.quorum.image(), id) else {
                continue;
            };
            let log = ledger.logs.entry(broker).or_default();
            if process.cut.remove(id) {
                *log = Shadow::default();
            }
            let Some(known) = log.read_on(&partition) else {
                continue;
            };
            ledger.on_log(broker, known);
            let led = partition.leader_epoch_if_leader();
            if let Some(epoch) = led {
                ledger.on_leader(broker, epoch);
            }
            let led = led.map(|epoch| (process.number, epoch));
            let watermark = partition.high_watermark();
            if !is_heard {
                ledger.on_unheard(broker, watermark);
            } else {
                ledger.on_watermark(broker, led, watermark, state, |id| excused[node_of(id)]);
            }
        }
    }

    /// Which brokers are others than the controller knows: what they have lost it has not heard of.
    pub fn excused(&self) -> [bool; NODES] {
        std::array::from_fn(|node| {
            let registered = self.quorum.image().brokers().get(broker_of(node));
            registered.is_none_or(|broker| broker.incarnation != self.nodes[node].incarnation)
        })
    }

    /// Commits one decision, and looks at what it says of partitions.
    pub fn commit_next(&mut self) {
        let before = self.quorum.image().clone();
        let offsets = self.quorum.commit();
        if offsets.is_empty() {
            return;
        }
        self.notify_readers();
        let mut changed = Vec::new();
        for offset in offsets {
            if let Some(MetadataRecord::PartitionChange(change)) = self.quorum.record(offset) {
                changed.push(TopicIdPartition {
                    topic_id: change.topic_id,
                    partition: change.partition_id,
                });
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let excused = self.excused();
        let is_another: [bool; NODES] = std::array::from_fn(|node| {
            let epoch_in = |image: &MetadataImage| {
                let broker = image.brokers().get(broker_of(node));
                broker.map(|broker| broker.epoch)
            };
            epoch_in(&before) != epoch_in(self.quorum.image())
        });
        for id in changed {
            let Some(state) = partition_in(self.quorum.image(), &id).cloned() else {
                continue;
            };
            self.tell(|| format!("{id:?} becomes {state:?}"));
            let ledger = self.ledgers.get_mut(&id).expect("all are known");
            let before = partition_in(&before, &id);
            let is_another = |id: &BrokerId| is_another[node_of(*id)];
            ledger.on_change(before, &state, |id| excused[node_of(id)], is_another);
        }
    }

    /// Tells what a leader wants to be done.
    pub fn tell_of(&mut self, node: usize, leader: BrokerId, works: &[Work]) {
        for work in works {
            let (id, epoch) = (work.id, work.leader_epoch);
            let what = match &work.act {
                Act::Cut(cut) => format!("{cut:?}"),
                Act::Append {
                    fetch_offset,
                    records,
                    high_watermark,
                    ..
                } if !records.is_empty() => {
                    format!(
                        "{} bytes at {fetch_offset}, high watermark {high_watermark}",
                        records.len()
                    )
                }
                Act::Append { .. } => continue,
            };
            self.tell(|| format!("{id:?}: {node} has from {leader} in epoch {epoch}: {what}"));
        }
    }

    /// What is left of the logs of a node that has just started.
    pub fn look_after_start(&mut self, node: usize) {
        let broker = broker_of(node);
        let excused = self.excused();
        let machine = &mut self.nodes[node];
        let lost_power = std::mem::take(&mut machine.has_lost_power);
        let was_wiped = std::mem::take(&mut machine.was_wiped);
        let may_fail = machine.fault.is_some();
        let process = machine.process.as_ref().expect("it has just started");
        for (id, ledger) in &mut self.ledgers {
            let Some(state) = partition_in(self.quorum.image(), id) else {
                continue;
            };
            match process.replicas.manager.partition(id) {
                Ok(partition) => {
                    ledger.unseen.remove(&broker);
                    let mut found = Shadow::default();
                    if found.read_on(&partition).is_some() {
                        ledger.logs.insert(broker, found);
                    }
                    ledger.on_log(broker, 0);
                }
                Err(error) => {
                    let offline = process.replicas.manager.offline_partitions();
                    let is_offline = offline.contains(id);
                    // What is said to be lost is not served before it is made anew.
                    let is_lost = state.directory_of(broker) == Some(Uuid::LOST_DIRECTORY);
                    assert!(
                        may_fail || is_lost || !is_offline,
                        "after a start of {node}: {error}"
                    );
                    if is_offline {
                        ledger.unseen.insert(broker);
                    } else {
                        ledger.unseen.remove(&broker);
                        ledger.logs.insert(broker, Shadow::default());
                    }
                }
            }
            let may_have_lost = was_wiped || lost_power && !ledger.rules.syncs;
            ledger.on_restart(broker, may_have_lost, state, |id| excused[node_of(id)]);
        }
    }
}
