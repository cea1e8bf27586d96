//! The order in which Java's hash sets and maps hand out what they hold: Kafka's tools print some of their lists
//! in it.

use std::collections::BTreeSet;

use crate::client::PartitionKey;
use crate::coordinator::java_hash;
use crate::protocol::Str;

/// As many buckets a hash set begins with.
const FIRST_BUCKETS: usize = 16;

/// What has a hash in Java.
pub(super) trait HashCode {
    /// Its `hashCode`.
    fn hash_code(&self) -> i32;
}

impl HashCode for i32 {
    fn hash_code(&self) -> i32 {
        *self
    }
}

impl HashCode for Str {
    fn hash_code(&self) -> i32 {
        java_hash(self)
    }
}

/// As Kafka's `TopicPartition`.
impl HashCode for PartitionKey {
    fn hash_code(&self) -> i32 {
        let (topic, partition) = self;
        let of_partition = partition.wrapping_add(31).wrapping_mul(31);
        of_partition.wrapping_add(java_hash(topic))
    }
}

impl<T: HashCode> HashCode for &T {
    fn hash_code(&self) -> i32 {
        (**self).hash_code()
    }
}

/// Distinct values in the order of a `HashSet` that they were added to one by one.
pub(super) fn in_java_order<T: HashCode>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let values: Vec<T> = values.into_iter().collect();
    let buckets = buckets(FIRST_BUCKETS, values.len());
    by_bucket(values, buckets, HashCode::hash_code)
}

/// Entries in the order of a `HashMap` that was made for as many and then filled in the order given.
pub(super) fn in_map_order<T>(entries: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    let buckets = buckets(entries.len().next_power_of_two(), entries.len());
    by_bucket(entries, buckets, |entry| java_hash(key(entry)))
}

/// How many buckets there are once so many values are in: it grows when it is full to more than three quarters.
fn buckets(first: usize, values: usize) -> usize {
    let mut buckets = first;
    while values * 4 > buckets * 3 {
        buckets *= 2;
    }
    buckets
}

fn by_bucket<T>(mut values: Vec<T>, buckets: usize, hash: impl Fn(&T) -> i32) -> Vec<T> {
    let bucket = |value: &T| {
        let hash = hash(value).cast_unsigned();
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    };
    // What shares a bucket stays in the order in which it came.
    values.sort_by_key(bucket);
    values
}

/// The values that are there more than once, as Kafka's tools list them.
pub(super) fn repeated<T: HashCode + Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let mut repeated: Vec<T> = Vec::new();
    for value in values {
        if let Some(value) = seen.replace(value)
            && !repeated.contains(&value)
        {
            repeated.push(value);
        }
    }
    in_java_order(repeated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_come_in_their_order_and_large_ones_by_their_last_bits() {
        assert_eq!(in_java_order([3, 1, 2]), [1, 2, 3]);
        assert_eq!(in_java_order([17, 2, 1, 33]), [17, 1, 33, 2]);
        assert_eq!(in_java_order([-1, 0, 65_536]), [-1, 0, 65_536]);
    }

    #[test]
    fn a_set_that_has_grown_tells_more_numbers_apart() {
        let twelve = in_java_order((0..11).chain([17]));
        let thirteen = in_java_order((0..12).chain([17]));

        assert_eq!(twelve[..4], [0, 1, 17, 2]);
        assert_eq!(thirteen[10..], [10, 11, 17]);
    }

    #[test]
    fn names_come_by_their_hashes() {
        let names = ["zoo", "foo", "bar", "a", "b"].map(Str::from_static);

        assert_eq!(in_java_order(names), ["a", "bar", "b", "foo", "zoo"]);
    }

    #[test]
    fn a_value_is_repeated_once_however_often_it_comes() {
        let partitions = [0, 1, 0, 2, 1, 0].map(|partition| (Str::from_static("t"), partition));

        let repeated = repeated(partitions.iter());

        let numbers: Vec<i32> = repeated.iter().map(|(_, partition)| *partition).collect();
        assert_eq!(numbers, [1, 0]);
    }

    #[test]
    fn a_map_has_javas_order() {
        let ordered = |keys: &[&'static str]| in_map_order(keys.to_vec(), |key| *key).join(" ");

        // As a HashMap of JDK 17 prints them.
        assert_eq!(
            ordered(&["producer_byte_rate", "consumer_byte_rate"]),
            "consumer_byte_rate producer_byte_rate"
        );
        assert_eq!(
            ordered(&[
                "request_percentage",
                "consumer_byte_rate",
                "producer_byte_rate"
            ]),
            "consumer_byte_rate request_percentage producer_byte_rate"
        );
        assert_eq!(
            ordered(&[
                "producer_byte_rate",
                "consumer_byte_rate",
                "request_percentage",
                "controller_mutation_rate"
            ]),
            "producer_byte_rate consumer_byte_rate controller_mutation_rate request_percentage"
        );
    }
}
