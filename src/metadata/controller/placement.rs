//! Which brokers hold the replicas of a new partition: striped over racks and brokers, so that
//! leaders, replicas and the brokers that succeed a failed leader are spread evenly.
//!
//! Replicas go to different racks as far as there are enough. Fenced brokers get replicas only where the
//! unfenced do not suffice, and never the first replica, which leads. Drained brokers get them, before fenced
//! ones, only where too few others live. Each list of brokers is read from a random start, which moves on by one
//! with each partition; once every unfenced broker has led, the lists are shuffled, so that the same sets do not
//! recur.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decision::Refusal;
use crate::metadata::image::BrokersImage;
use crate::model::BrokerId;
use crate::protocol::error_code::ErrorCode;

/// Fills a buffer with random bytes: from the operating system, or from a seed in tests.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A random number below `bound`, which is above 0.
fn below(entropy: Entropy<'_>, bound: usize) -> usize {
    let mut bytes = [0; 8];
    entropy(&mut bytes);
    // The bias of a 64-bit number over a few brokers is far below what anyone could measure.
    let bound = bound as u64;
    (u64::from_be_bytes(bytes) % bound) as usize
}

fn shuffle<T>(items: &mut [T], entropy: Entropy<'_>) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(entropy, last + 1));
    }
}

/// Brokers of one rack that are all fenced, drained or neither, read in turn.
#[derive(Debug, Default)]
struct BrokerList {
    brokers: Vec<BrokerId>,
    /// How many of them the current partition has taken.
    index: usize,
    offset: usize,
    epoch: usize,
}

impl BrokerList {
    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.index >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.index + self.offset) % self.brokers.len()];
        self.index += 1;
        Some(broker)
    }
}

#[derive(Debug, Default)]
struct Rack {
    fenced: BrokerList,
    drained: BrokerList,
    /// Those that are not drained.
    unfenced: BrokerList,
}

impl Rack {
    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        let living = self.unfenced.next(epoch);
        let living = living.or_else(|| self.drained.next(epoch));
        living.or_else(|| self.fenced.next(epoch))
    }
}

/// The racks with their brokers, read in turn.
struct Racks {
    racks: Vec<Rack>,
    brokers: usize,
    unfenced: usize,
    /// How many partitions were placed since the last shuffle.
    epoch: usize,
    /// The index of the rack that gets the next leader.
    offset: usize,
}

/// The brokers that replicas can be placed on.
pub(super) struct Brokers<'a> {
    /// All that are registered.
    pub registered: &'a BrokersImage,
    /// Those that are drained, and maybe others.
    pub drained: &'a BTreeSet<BrokerId>,
}

/// How the drained brokers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    /// Not at all.
    LeftOut,
    /// Where a rack has no other that lives any more, and never for the first replica.
    Spare,
    /// As if they were not drained: there is no other that could lead.
    AsOthers,
}

/// How far a broker can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Fenced,
    Drained,
    /// It is neither.
    Unfenced,
}

/// A broker and its rack.
type Located = (BrokerId, Option<Arc<str>>);

impl Racks {
    fn new(brokers: impl Iterator<Item = (Located, Standing)>, entropy: Entropy<'_>) -> Self {
        // Racks are ordered by name; brokers without a rack come first.
        let mut racks: BTreeMap<Option<Arc<str>>, Rack> = BTreeMap::new();
        let (mut count, mut unfenced) = (0, 0);
        for ((id, rack), standing) in brokers {
            let rack = racks.entry(rack).or_default();
            count += 1;
            let list = match standing {
                Standing::Fenced => &mut rack.fenced,
                Standing::Drained => &mut rack.drained,
                Standing::Unfenced => {
                    unfenced += 1;
                    &mut rack.unfenced
                }
            };
            list.brokers.push(id);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for list in racks.iter_mut().flat_map(lists) {
            if !list.brokers.is_empty() {
                list.offset = below(entropy, list.brokers.len());
            }
        }
        let offset = if racks.is_empty() {
            0
        } else {
            below(entropy, racks.len())
        };
        Self {
            racks,
            brokers: count,
            unfenced,
            epoch: 0,
            offset,
        }
    }

    /// The replicas of so many partitions.
    fn place_all(
        mut self,
        partitions: usize,
        replication_factor: i16,
        entropy: Entropy<'_>,
    ) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        self.check(replication_factor)?;
        let count = usize::from(replication_factor.unsigned_abs());
        let placed = (0..partitions).map(|_| self.place(count, entropy));
        Ok(placed.collect())
    }

    fn check(&self, replication_factor: i16) -> Result<(), Refusal> {
        let refused =
            |message: String| Err(Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
        if replication_factor <= 0 {
            return refused(format!(
                "Invalid replication factor {replication_factor}: the replication factor must be \
                 positive."
            ));
        }
        if self.unfenced == 0 {
            return refused(
                "All brokers are currently fenced, or have all their log directories cordoned."
                    .to_owned(),
            );
        }
        if usize::from(replication_factor.unsigned_abs()) > self.brokers {
            return refused(format!(
                "The target replication factor of {replication_factor} cannot be reached because \
                 only {} broker(s) are registered or some brokers have all their log directories \
                 cordoned.",
                self.brokers
            ));
        }
        Ok(())
    }

    /// Chooses the replicas of one partition. `check` has passed, so both loops find what they need.
    fn place(&mut self, count: usize, entropy: Entropy<'_>) -> Vec<BrokerId> {
        // With one unfenced broker there is nothing to shuffle, though it would be due each time.
        if self.epoch == self.unfenced && self.unfenced > 1 {
            shuffle(&mut self.racks, entropy);
            for list in self.racks.iter_mut().flat_map(lists) {
                shuffle(&mut list.brokers, entropy);
            }
            self.epoch = 0;
        }
        self.offset %= self.racks.len();
        let mut replicas = Vec::with_capacity(count);
        let mut leader_rack = self.offset;
        let leader = loop {
            if let Some(leader) = self.racks[leader_rack].unfenced.next(self.epoch) {
                break leader;
            }
            leader_rack = (leader_rack + 1) % self.racks.len();
        };
        replicas.push(leader);
        // The leader's rack is passed over once, as it has a replica already.
        let mut skip = Some(leader_rack);
        let mut rack = self.offset;
        while replicas.len() < count {
            if skip == Some(rack) {
                skip = None;
            } else if let Some(replica) = self.racks[rack].next(self.epoch) {
                replicas.push(replica);
            }
            rack = (rack + 1) % self.racks.len();
        }
        self.epoch += 1;
        self.offset += 1;
        replicas
    }
}

fn lists(rack: &mut Rack) -> [&mut BrokerList; 3] {
    [&mut rack.fenced, &mut rack.drained, &mut rack.unfenced]
}

/// The brokers that replicas can be placed on, with how far they can be used.
fn usable(
    brokers: &Brokers<'_>,
    use_of_drained: Drained,
) -> impl Iterator<Item = (Located, Standing)> {
    brokers.registered.iter().filter_map(move |broker| {
        let is_drained =
            use_of_drained != Drained::AsOthers && brokers.drained.contains(&broker.id);
        let is_left_out = is_drained && use_of_drained == Drained::LeftOut;
        if broker.in_controlled_shutdown || !broker.takes_new_replicas() || is_left_out {
            return None;
        }
        let standing = if broker.fenced {
            Standing::Fenced
        } else if is_drained {
            Standing::Drained
        } else {
            Standing::Unfenced
        };
        Some(((broker.id, broker.rack.clone()), standing))
    })
}

/// The replicas of `partitions` new partitions, the preferred leader of each first.
///
/// # Errors
/// INVALID_REPLICATION_FACTOR: there are too few brokers, or none is unfenced.
pub(super) fn place(
    brokers: &Brokers<'_>,
    partitions: usize,
    replication_factor: i16,
    entropy: Entropy<'_>,
) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let first = if brokers.drained.is_empty() {
        Drained::AsOthers
    } else {
        Drained::LeftOut
    };
    let mut racks = Racks::new(usable(brokers, first), entropy);
    let count = usize::from(replication_factor.unsigned_abs());
    if first == Drained::LeftOut && racks.unfenced < count {
        let use_of_drained = if racks.unfenced > 0 {
            Drained::Spare
        } else {
            Drained::AsOthers
        };
        racks = Racks::new(usable(brokers, use_of_drained), entropy);
    }
    racks.place_all(partitions, replication_factor, entropy)
}

/// As a controller places replicas, on brokers that all live: what a tool proposes, which sees no others.
///
/// # Errors
/// INVALID_REPLICATION_FACTOR: there are too few brokers, or none.
pub fn place_on(
    living: impl Iterator<Item = (BrokerId, Option<Arc<str>>)>,
    partitions: usize,
    replication_factor: i16,
    entropy: Entropy<'_>,
) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let brokers = living.map(|broker| (broker, Standing::Unfenced));
    Racks::new(brokers, entropy).place_all(partitions, replication_factor, entropy)
}
