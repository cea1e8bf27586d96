//! Which partition a record goes to, as Java's producer chooses: by the murmur2 hash of its key, or without a
//! key to one partition until a batch is full, then to another.
//!
//! PURE: chance is an argument.

use std::collections::BTreeMap;

use crate::protocol::Str;

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// Java's murmur2 of Kafka's clients: the same key goes to the same partition, whoever sends it.
fn murmur2(bytes: &[u8]) -> u32 {
    // Java's length is an int, and wraps like one.
    let mut hash = SEED ^ (bytes.len() as u32);
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
        let mixed = word.wrapping_mul(MULTIPLIER);
        let mixed = (mixed ^ (mixed >> 24)).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed;
    }
    let rest = words.remainder();
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// The partition of a record with a key, of `count` partitions, which is at least 1.
pub fn of_key(key: &[u8], count: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % count
}

/// The partition that records without a key go to now, and how many bytes went there.
#[derive(Clone, Copy, Debug)]
struct Sticky {
    partition: i32,
    bytes: usize,
}

/// Where records without keys go.
#[derive(Debug, Default)]
pub(super) struct StickyPartitions {
    topics: BTreeMap<Str, Sticky>,
}

impl StickyPartitions {
    /// The partition for another record of `bytes`, unless it is time for another.
    pub(super) fn kept(&mut self, topic: &Str, bytes: usize, batch_size: usize) -> Option<i32> {
        let sticky = self.topics.get_mut(topic)?;
        if sticky.bytes >= batch_size {
            return None;
        }
        sticky.bytes += bytes;
        Some(sticky.partition)
    }

    /// The partition for a record of `bytes`, among `available`, which is not empty. The partition changes once
    /// `batch_size` bytes have gone to one.
    pub(super) fn choose(
        &mut self,
        topic: &Str,
        available: &[i32],
        bytes: usize,
        batch_size: usize,
        chance: impl FnOnce() -> u32,
    ) -> i32 {
        let kept =
            self.topics.get(topic).copied().filter(|sticky| {
                sticky.bytes < batch_size && available.contains(&sticky.partition)
            });
        let mut sticky = kept.unwrap_or_else(|| Sticky {
            partition: available[chance() as usize % available.len()],
            bytes: 0,
        });
        sticky.bytes += bytes;
        self.topics.insert(topic.clone(), sticky);
        sticky.partition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_java() {
        // org.apache.kafka.common.utils.UtilsTest has these.
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ];
        for (text, expected) in cases {
            assert_eq!(murmur2(text.as_bytes()) as i32, expected, "{text}");
        }
    }

    #[test]
    fn records_without_keys_stay_together_until_a_batch_is_full() {
        let mut sticky = StickyPartitions::default();
        let topic = Str::from_static("t");
        let mut choose =
            |available: &[i32], chance| sticky.choose(&topic, available, 60, 100, || chance);

        assert_eq!(choose(&[0, 1, 2], 1), 1);
        assert_eq!(choose(&[0, 1, 2], 2), 1);
        assert_eq!(choose(&[0, 1, 2], 2), 2, "100 bytes went to the other");
        assert_eq!(choose(&[0, 1], 0), 0, "it has lost its leader");
    }
}
