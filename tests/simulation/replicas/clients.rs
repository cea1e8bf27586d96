//! Clients: an idempotent producer with acks=all for each partition, one with acks=1 that does not care, and
//! a consumer. Each asks whom some broker takes for the leader, and tries again after an error.

use broker::model::{Offset, ProducerId, Timestamp, TopicIdPartition};
use broker::protocol::ErrorCode;
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ReplicaState};
use broker::records::{BatchBuilder, NewRecord};
use bytes::Bytes;

use super::events::{Answer, CLIENTS, Caller, Event, Produce, Request};
use super::process::partitions_of;
use super::shadow::entries;
use super::world::World;

/// A producer is out of sequence at a leader that is one no more. Where nothing was lost it finds the right
/// one within so many attempts.
const OUT_OF_SEQUENCE: usize = 150;

#[derive(Debug)]
enum Kind {
    /// An idempotent producer that wants acks=all.
    Producer {
        producer: i64,
        sequence: i32,
        /// What is sent until it is acknowledged.
        batch: Option<Bytes>,
        out_of_sequence: usize,
    },
    /// acks=1, and no sequence numbers.
    Careless,
    Consumer {
        position: Offset,
    },
}

/// One client of one partition.
#[derive(Debug)]
pub struct Client {
    pub id: TopicIdPartition,
    kind: Kind,
    asked: Option<u64>,
    /// The broker that it takes for the leader.
    leader: Option<usize>,
    /// How many batches were acknowledged.
    pub acknowledged: usize,
}

impl Client {
    /// The clients of all partitions.
    pub fn all(ids: impl Iterator<Item = TopicIdPartition>) -> Vec<Self> {
        let client = |id, kind| Self {
            id,
            kind,
            asked: None,
            leader: None,
            acknowledged: 0,
        };
        let mut all = Vec::new();
        for (number, id) in (1..).zip(ids) {
            let producer = Kind::Producer {
                producer: number,
                sequence: 0,
                batch: None,
                out_of_sequence: 0,
            };
            all.push(client(id, producer));
            if number % 2 == 1 {
                all.push(client(id, Kind::Careless));
            }
            let position = Offset::ZERO;
            all.push(client(id, Kind::Consumer { position }));
        }
        all
    }

    /// Whether it writes with acks=all.
    pub fn is_careful(&self) -> bool {
        matches!(self.kind, Kind::Producer { .. })
    }
}

fn record(builder: BatchBuilder, size: usize) -> Bytes {
    let mut builder = builder;
    let value = vec![7; size];
    builder.append(NewRecord {
        timestamp: Timestamp(4_000_000_000_000),
        value: Some(&value),
        ..NewRecord::default()
    });
    builder.build()
}

impl World {
    /// A client that waits for nothing does its next step.
    pub fn on_client(&mut self, number: usize) {
        let next = self.elapsed + self.random.millis(5..150);
        self.events.schedule(next, Event::Client { client: number });
        if self.clients[number].asked.is_some() || self.clients_rest {
            return;
        }
        let id = self.clients[number].id;
        if self.clients[number].leader.is_none() {
            self.clients[number].leader = self.believed_leader(&id);
        }
        let Some(leader) = self.clients[number].leader else {
            return;
        };
        let size = 10 + self.random.below(200);
        let client = &mut self.clients[number];
        let request = match &mut client.kind {
            Kind::Producer {
                producer,
                sequence,
                batch,
                ..
            } => {
                let builder = BatchBuilder::new(Offset(0));
                let builder = builder.producer(ProducerId(*producer), 0, *sequence);
                let batch = batch.get_or_insert_with(|| record(builder, size)).clone();
                Request::Produce(Produce {
                    id,
                    batch,
                    wants_all: true,
                })
            }
            Kind::Careless => Request::Produce(Produce {
                id,
                batch: record(BatchBuilder::new(Offset(0)), size),
                wants_all: false,
            }),
            Kind::Consumer { position } => Request::Fetch(consume(id, *position)),
        };
        let correlation = self.events.correlation();
        self.clients[number].asked = Some(correlation);
        let caller = Caller {
            from: CLIENTS,
            process: number as u64,
            correlation,
        };
        let (now, random) = (self.elapsed, &mut self.random);
        self.events.send(random, now, caller, leader, &request);
    }

    pub fn on_client_answer(&mut self, caller: Caller, answer: &Answer) {
        let Ok(number) = usize::try_from(caller.process) else {
            return;
        };
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        if client.asked != Some(caller.correlation) {
            return;
        }
        client.asked = None;
        let ledger = &self.ledgers[&client.id];
        match (answer, &mut client.kind) {
            (Answer::Produced(ErrorCode::NONE), kind) => {
                client.acknowledged += 1;
                if let Kind::Producer {
                    sequence,
                    batch,
                    out_of_sequence,
                    ..
                } = kind
                {
                    *sequence += 1;
                    *batch = None;
                    *out_of_sequence = 0;
                }
            }
            (Answer::Produced(code), kind) => {
                client.leader = None;
                if let Kind::Producer {
                    producer,
                    sequence,
                    batch,
                    out_of_sequence,
                } = kind
                    && *code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                {
                    *out_of_sequence += 1;
                    let may_begin_anew = ledger.has_losses();
                    assert!(
                        may_begin_anew || *out_of_sequence < OUT_OF_SEQUENCE,
                        "producer {producer} of {} cannot go on at {sequence}",
                        ledger.rules.name
                    );
                    if may_begin_anew && *out_of_sequence > 10 {
                        *producer += 1000;
                        *sequence = 0;
                        *batch = None;
                        *out_of_sequence = 0;
                    }
                }
            }
            (Answer::Fetched(response), Kind::Consumer { position }) => {
                for (_, data) in partitions_of(response) {
                    match data.error_code {
                        ErrorCode::NONE => {
                            let bytes = data.records.bytes().cloned().unwrap_or_default();
                            let read = entries(&bytes);
                            *position = read.last().map_or(*position, |last| last.last + 1);
                        }
                        ErrorCode::OFFSET_OUT_OF_RANGE => {
                            *position = Offset::ZERO;
                            client.leader = None;
                        }
                        _ => client.leader = None,
                    }
                }
            }
            _ => client.leader = None,
        }
    }
}

fn consume(id: TopicIdPartition, position: Offset) -> FetchRequest {
    FetchRequest {
        replica_state: ReplicaState {
            replica_id: -1,
            replica_epoch: -1,
        },
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 100_000,
        // Without a session.
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic_id: id.topic_id,
            partitions: vec![FetchPartition {
                partition: id.partition,
                current_leader_epoch: -1,
                fetch_offset: position.0,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 2_000,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}
