//! After the faults: the cluster gets to work, and all replicas come to hold the same bytes.

use std::time::Duration;

use broker::model::BrokerId;

use super::events::{Event, broker_of};
use super::faults::Temper;
use super::ledger::may_lead;
use super::shadow::Shadow;
use super::world::{NODES, TOPICS, World};

/// How many batches each partition takes after the faults.
const ENOUGH: usize = 5;
/// How long the cluster may take for that.
const LIMIT: Duration = Duration::from_secs(60);

impl World {
    /// Soon all replicas of all partitions are in sync, and take writes; then they hold the same bytes.
    pub fn assert_gets_to_work(&mut self) {
        self.give_all_replicas();
        let before: Vec<usize> = self.clients.iter().map(|it| it.acknowledged).collect();
        self.until(|world| world.trouble(&before));
        self.clients_rest = true;
        self.until(Self::difference);
        for (id, ledger) in &self.ledgers {
            for node in 0..NODES {
                let process = self.nodes[node].process.as_ref().expect("it runs");
                let partition = process
                    .replicas
                    .manager
                    .partition(id)
                    .expect("it is online");
                let mut log = Shadow::default();
                log.read_on(&partition).expect("it can be read");
                let name = ledger.rules.name;
                assert_eq!(
                    log, ledger.committed,
                    "{name} on {node} is not what is committed"
                );
            }
            ledger.check_acknowledged();
        }
    }

    /// Whoever has fewer replicas than brokers gets the others: a request may be lost with a controller.
    fn give_all_replicas(&mut self) {
        let everybody: Vec<i32> = (0..NODES).map(|node| broker_of(node).0).collect();
        for rules in TOPICS {
            let topic = self.quorum.decided().topics().by_name(rules.name);
            let state = topic.and_then(|topic| topic.partition(0));
            let lacks = state.is_none_or(|it| it.replicas.len() < NODES || !it.removing.is_empty());
            if lacks {
                self.give_replicas(rules.name, Some(everybody.clone()));
            }
        }
    }

    /// Where disks were replaced nobody may be left that may lead: an operator has to say that somebody does.
    fn elect_where_all_is_lost(&mut self) {
        let mut lost = Vec::new();
        for (id, ledger) in &mut self.ledgers {
            let topics = self.quorum.image().topics();
            let state = topics.partition(&id.topic_id, id.partition);
            if state.is_some_and(|it| it.leader == BrokerId::NONE && may_lead(it).is_empty()) {
                assert!(self.temper == Temper::Wipes, "disks that are kept can lead");
                ledger.rules.unclean = true;
                lost.push(ledger.rules.name);
            }
        }
        for topic in lost {
            self.elect(1, &[topic]);
        }
    }

    fn until(&mut self, trouble: impl Fn(&Self) -> Option<String>) {
        let end = self.elapsed + LIMIT;
        while let Some(trouble) = trouble(self) {
            assert!(
                self.elapsed < end,
                "{trouble}, {LIMIT:?} after the faults: {:#?}",
                self.describe()
            );
            for _ in 0..50 {
                self.step();
            }
            self.give_all_replicas();
            self.elect_where_all_is_lost();
            for node in 0..NODES {
                self.start_again_what_failed(node);
                if self.nodes[node].process.is_none() {
                    let at = self.elapsed + Duration::from_millis(20);
                    self.events.schedule(at, Event::Start { node });
                }
            }
        }
    }

    fn describe(&self) -> Vec<String> {
        let running = self.nodes.iter().filter_map(|node| node.process.as_ref());
        running.map(|process| process.describe()).collect()
    }

    /// What is not as it should be.
    fn trouble(&self, before: &[usize]) -> Option<String> {
        for (id, ledger) in &self.ledgers {
            let name = ledger.rules.name;
            let Some(state) = self.state(id) else {
                return Some(format!("{name} is gone"));
            };
            if state.isr.len() < NODES || state.leader == BrokerId::NONE || state.is_reassigning() {
                return Some(format!("{name} is {state:?}"));
            }
            for node in 0..NODES {
                let Some(process) = &self.nodes[node].process else {
                    return Some(format!("node {node} is down"));
                };
                if let Err(error) = process.replicas.manager.partition(id) {
                    return Some(format!("{name} is not on node {node}: {error}"));
                }
            }
        }
        let clients = self.clients.iter().zip(before);
        let careful = clients.filter(|(client, _)| client.is_careful());
        let slow = careful.filter(|(client, before)| client.acknowledged < **before + ENOUGH);
        slow.map(|(client, _)| format!("nobody takes the writes of {client:?}"))
            .next()
    }

    /// Where replicas differ, or do not know that all is committed.
    fn difference(&self) -> Option<String> {
        for (id, ledger) in &self.ledgers {
            let end = ledger.committed.end();
            for node in 0..NODES {
                let process = self.nodes[node].process.as_ref();
                let partition = process.map(|process| process.replicas.manager.partition(id));
                let Some(Ok(partition)) = partition else {
                    return Some(format!("{} is not on {node}", ledger.rules.name));
                };
                let (own, watermark) = (partition.end_offset(), partition.high_watermark());
                if own != end || watermark != end {
                    let name = ledger.rules.name;
                    return Some(format!(
                        "{name} ends at {own} on {node}, with high watermark {watermark}, where {end} is committed"
                    ));
                }
            }
        }
        None
    }
}
