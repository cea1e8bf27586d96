//! The rules of Jepsen's Kafka checker that need no transactions.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Fate, History, Sent};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// Two values were seen at one offset.
    InconsistentOffset {
        partition: i32,
        offset: i64,
        values: (u64, u64),
    },
    /// A value was read that was surely not written.
    RefusedRead { partition: i32, value: u64 },
    /// An acknowledged value was never read, though values behind it were.
    LostWrite {
        partition: i32,
        offset: i64,
        value: u64,
    },
    /// An acknowledged value, behind all that was read, was never read.
    Unseen {
        partition: i32,
        offset: i64,
        value: u64,
    },
    /// A value that was acknowledged, nobody said where, was never read.
    Missing { partition: i32, value: u64 },
    /// One value is at two offsets.
    Duplicate {
        partition: i32,
        value: u64,
        offsets: (i64, i64),
    },
    /// A value was read that nobody sent there.
    Invented { partition: i32, value: u64 },
    /// A consumer left out a value between what it read.
    PollSkip {
        consumer: u32,
        partition: i32,
        skipped: i64,
    },
    /// A consumer read something again, or went back.
    NonmonotonicPoll {
        consumer: u32,
        partition: i32,
        offsets: (i64, i64),
    },
    /// What a producer sent later was written before.
    NonmonotonicSend {
        producer: u32,
        partition: i32,
        offsets: (i64, i64),
    },
}

/// The rules that a history breaks.
pub fn check(history: &History) -> Vec<Anomaly> {
    let mut found = BTreeSet::new();
    let history = &placed(history, &mut found);
    let orders = orders(history, &mut found);
    check_values(history, &orders, &mut found);
    check_reads(history, &orders, &mut found);
    check_polls(history, &orders, &mut found);
    check_sends(history, &mut found);
    found.into_iter().collect()
}

/// The history with the offsets, where they were read, of messages that were acknowledged somewhere.
fn placed(history: &History, found: &mut BTreeSet<Anomaly>) -> History {
    let read: BTreeMap<(i32, u64), i64> = reads(history)
        .map(|(partition, offset, value)| ((partition, value), offset))
        .collect();
    let mut placed = history.clone();
    for sent in &mut placed.sent {
        if sent.fate != Fate::AcknowledgedSomewhere {
            continue;
        }
        let (partition, value) = (sent.partition, sent.value);
        match read.get(&(partition, value)) {
            Some(offset) => sent.fate = Fate::Acknowledged(*offset),
            None => drop(found.insert(Anomaly::Missing { partition, value })),
        }
    }
    placed
}

/// The values of each partition by offset, of all that was read or acknowledged.
type Orders = BTreeMap<i32, BTreeMap<i64, u64>>;

fn orders(history: &History, found: &mut BTreeSet<Anomaly>) -> Orders {
    let mut orders = Orders::new();
    for (partition, offset, value) in reads(history).chain(acknowledged(history)) {
        let order = orders.entry(partition).or_default();
        let first = *order.entry(offset).or_insert(value);
        if first != value {
            found.insert(Anomaly::InconsistentOffset {
                partition,
                offset,
                values: (first, value),
            });
        }
    }
    orders
}

fn reads(history: &History) -> impl Iterator<Item = (i32, i64, u64)> {
    history.polls.iter().flat_map(|poll| {
        let messages = poll.messages.iter();
        messages.map(|(offset, value)| (poll.partition, *offset, *value))
    })
}

fn acknowledged(history: &History) -> impl Iterator<Item = (i32, i64, u64)> {
    history.sent.iter().filter_map(|sent| match sent.fate {
        Fate::Acknowledged(offset) => Some((sent.partition, offset, sent.value)),
        Fate::AcknowledgedSomewhere | Fate::Refused | Fate::Unknown => None,
    })
}

fn check_values(history: &History, orders: &Orders, found: &mut BTreeSet<Anomaly>) {
    let sent: BTreeMap<(i32, u64), &Sent> = history
        .sent
        .iter()
        .map(|sent| ((sent.partition, sent.value), sent))
        .collect();
    for (&partition, order) in orders {
        let mut places = BTreeMap::new();
        for (&offset, &value) in order {
            if let Some(first) = places.insert(value, offset) {
                found.insert(Anomaly::Duplicate {
                    partition,
                    value,
                    offsets: (first, offset),
                });
            }
            match sent.get(&(partition, value)).map(|sent| sent.fate) {
                None => drop(found.insert(Anomaly::Invented { partition, value })),
                Some(Fate::Refused) => {
                    found.insert(Anomaly::RefusedRead { partition, value });
                }
                Some(Fate::Acknowledged(_) | Fate::AcknowledgedSomewhere | Fate::Unknown) => {}
            }
        }
    }
}

fn check_reads(history: &History, orders: &Orders, found: &mut BTreeSet<Anomaly>) {
    let read: BTreeSet<(i32, i64)> = reads(history)
        .map(|(partition, offset, _)| (partition, offset))
        .collect();
    for (&partition, order) in orders {
        let of_partition = read.range((partition, i64::MIN)..=(partition, i64::MAX));
        let highest = of_partition.last().map_or(-1, |(_, offset)| *offset);
        for (&offset, &value) in order {
            if read.contains(&(partition, offset)) {
                continue;
            }
            found.insert(if offset < highest {
                Anomaly::LostWrite {
                    partition,
                    offset,
                    value,
                }
            } else {
                Anomaly::Unseen {
                    partition,
                    offset,
                    value,
                }
            });
        }
    }
}

fn check_polls(history: &History, orders: &Orders, found: &mut BTreeSet<Anomaly>) {
    let mut positions: BTreeMap<(u32, i32), i64> = BTreeMap::new();
    let nothing = BTreeMap::new();
    for poll in &history.polls {
        let (consumer, partition) = (poll.consumer, poll.partition);
        let order = orders.get(&partition).unwrap_or(&nothing);
        let key = (consumer, partition);
        let mut position = positions.get(&key).copied().filter(|_| poll.goes_on);
        for &(offset, _) in &poll.messages {
            if let Some(last) = position {
                if offset <= last {
                    found.insert(Anomaly::NonmonotonicPoll {
                        consumer,
                        partition,
                        offsets: (last, offset),
                    });
                } else if let Some((&skipped, _)) = order.range(last + 1..offset).next() {
                    found.insert(Anomaly::PollSkip {
                        consumer,
                        partition,
                        skipped,
                    });
                }
            }
            position = Some(offset);
        }
        if let Some(position) = position {
            positions.insert(key, position);
        }
    }
}

fn check_sends(history: &History, found: &mut BTreeSet<Anomaly>) {
    let mut last: BTreeMap<(u32, i32), i64> = BTreeMap::new();
    for sent in &history.sent {
        let Fate::Acknowledged(offset) = sent.fate else {
            continue;
        };
        let before = last.insert((sent.producer, sent.partition), offset);
        if let Some(before) = before.filter(|before| *before >= offset) {
            found.insert(Anomaly::NonmonotonicSend {
                producer: sent.producer,
                partition: sent.partition,
                offsets: (before, offset),
            });
        }
    }
}

#[cfg(test)]
mod tests;
