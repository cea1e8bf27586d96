//! The partition of `__consumer_offsets` (or `__transaction_state`) that holds a name: Java's hash of the
//! string, modulo the number of partitions. Clients never compute it; other brokers do.

/// The partition for a group id or transactional id, of `count` partitions.
///
/// # Panics
/// `count` is not positive.
pub fn partition_for(name: &str, count: i32) -> i32 {
    assert!(count > 0, "a topic has partitions");
    // Java's absolute value of the least integer is negative; Kafka takes 0 for it.
    java_hash(name).checked_abs().unwrap_or(0) % count
}

/// Java's `String.hashCode`: over UTF-16 code units, wrapping.
pub fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javas() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
        // One character outside the basic plane is two units: "😀".hashCode() is 1772899.
        assert_eq!(java_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
    }

    #[test]
    fn the_least_hash_is_in_partition_0() {
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("hello", 50), 22);
    }

    #[test]
    fn a_negative_hash_counts_as_its_absolute_value() {
        let name = "console-consumer-group";
        let hash = java_hash(name);

        assert_eq!(
            partition_for(name, 50),
            i32::try_from(i64::from(hash).abs() % 50).unwrap()
        );
    }
}
