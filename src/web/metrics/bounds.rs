//! How many values a label may have. Clients name topics and groups, and each name costs whoever keeps the
//! series; so there is a bound, and those that were told before keep their place: nobody can push others out.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// The longest group id that is told: Kafka's bound for names of topics is about as much.
pub(super) const LONGEST_NAME: usize = 255;

/// The keys that are told.
#[derive(Debug)]
pub(super) struct Told<K>(Mutex<BTreeSet<K>>);

impl<K> Default for Told<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Whom there is room for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted<K> {
    /// The keys that are told.
    pub(super) keys: BTreeSet<K>,
    /// The weight of all others.
    pub(super) left_out: usize,
}

impl<K: Ord + Clone> Told<K> {
    /// Admits keys that weigh `most` together: those that were told before, then others, both in the order of
    /// `all`, which has each once.
    pub(super) fn admit(&self, all: &[(K, usize)], most: usize) -> Admitted<K> {
        let mut told = self.0.lock();
        let (mut keys, mut left, mut left_out) = (BTreeSet::new(), most, 0);
        let (known, new): (Vec<_>, Vec<_>) = all.iter().partition(|(key, _)| told.contains(key));
        for (key, weight) in known.into_iter().chain(new) {
            if *weight <= left {
                left -= weight;
                keys.insert(key.clone());
            } else {
                left_out += weight;
            }
        }
        told.clone_from(&keys);
        Admitted { keys, left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_keeps_the_place_and_who_is_gone_makes_room() {
        let told = Told::default();
        let admit = |all: &[(&'static str, usize)], most| {
            let admitted = told.admit(all, most);
            let keys: Vec<_> = admitted.keys.into_iter().collect();
            (keys, admitted.left_out)
        };

        assert_eq!(admit(&[("m", 2), ("n", 2)], 4), (vec!["m", "n"], 0));
        assert_eq!(
            admit(&[("a", 1), ("b", 1), ("m", 2), ("n", 2)], 4),
            (vec!["m", "n"], 2),
            "those that come first by name push nobody out"
        );
        assert_eq!(
            admit(&[("a", 1), ("b", 1), ("n", 2)], 4),
            (vec!["a", "b", "n"], 0)
        );
        assert_eq!(
            admit(&[("a", 1), ("b", 9), ("n", 2)], 4),
            (vec!["a", "n"], 9),
            "what does not fit leaves room for others"
        );
    }
}
