//! The newest offset of each key in the part of a log that is being cleaned.
//!
//! Open addressing over one buffer, which is made for a pass and given back after it. A slot has 16 bytes:
//! 88 bits of the key's hash, and the offset minus the first one in 40 bits. Another 40 bits of the hash
//! say where to look for the slot, so two keys are confused only if nearly all of 128 bits agree: with 2^27
//! keys that is less likely than 2^-50 (see [`KeyHasher`]).

use std::hint::black_box;

use super::key_hash::KeyHasher;
use crate::model::Offset;

/// How many bits of a slot hold the offset, and how many of a hash hold the slot's place.
const OFFSET_BITS: u32 = 40;
const OFFSET_MASK: u128 = (1 << OFFSET_BITS) - 1;
const SLOT_SIZE: u64 = 16;

/// The newest offset of each key, as far as the map has room.
#[derive(Debug)]
pub struct OffsetMap {
    hasher: KeyHasher,
    /// The slots. Zero is an empty slot: offsets are stored with one added.
    slots: Vec<u128>,
    len: usize,
    max_len: usize,
    first: Offset,
}

/// The map has no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFull;

impl OffsetMap {
    /// A map for the offsets from `first` on and below `end`, in at most `max_bytes` of memory. It counts
    /// as full at the part `load_factor` of its slots. `secret` is random.
    pub fn new(
        first: Offset,
        end: Offset,
        max_bytes: u64,
        load_factor: f64,
        secret: [u8; 16],
    ) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.99);
        // The dirty part cannot have more keys than offsets.
        let wanted = ((end - first).max(0) as f64 / load_factor) as u64 + 2;
        let count = (max_bytes / SLOT_SIZE).min(wanted).clamp(2, 1 << 32);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            hasher: KeyHasher::new(secret),
            slots: vec![0; count],
            len: 0,
            max_len: ((count as f64 * load_factor) as usize).clamp(1, count - 1),
            first,
        }
    }

    /// How many keys the map holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the map holds no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many keys the map may hold.
    pub fn capacity(&self) -> usize {
        self.max_len
    }

    /// Notes that each key is at its offset, which is above all that were noted before.
    ///
    /// # Errors
    /// [`MapFull`]: one of the keys has no room. It was not noted, nor were those behind it.
    #[inline]
    pub fn put_all<const COUNT: usize>(
        &mut self,
        keys: [Option<(&[u8], Offset)>; COUNT],
    ) -> Result<(), MapFull> {
        let hashes = keys.map(|entry| entry.map(|(key, _)| self.hasher.hash(key)));
        self.touch(&hashes);
        for (hash, entry) in hashes.into_iter().zip(keys) {
            if let (Some(hash), Some((_, offset))) = (hash, entry) {
                self.put(hash, offset)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, hash: u128, offset: Offset) -> Result<(), MapFull> {
        let relative = (offset - self.first) as u128 + 1;
        if relative > OFFSET_MASK {
            return Err(MapFull);
        }
        let slot = self.find(hash);
        if self.slots[slot] == 0 {
            if self.len >= self.max_len {
                return Err(MapFull);
            }
            self.len += 1;
        }
        self.slots[slot] = (hash & !OFFSET_MASK) | relative;
        Ok(())
    }

    /// The offset at which each key was noted last.
    #[inline]
    pub fn get_all<const COUNT: usize>(
        &self,
        keys: [Option<&[u8]>; COUNT],
    ) -> [Option<Offset>; COUNT] {
        let hashes = keys.map(|key| key.map(|key| self.hasher.hash(key)));
        self.touch(&hashes);
        hashes.map(|hash| {
            let slot = self.slots[self.find(hash?)];
            (slot != 0).then(|| self.first + ((slot & OFFSET_MASK) as i64 - 1))
        })
    }

    /// Reads the slots of several hashes ahead of their use. The map is larger than the processor's caches,
    /// and reads that do not depend on each other wait for memory together.
    #[inline]
    fn touch(&self, hashes: &[Option<u128>]) {
        let slots = hashes
            .iter()
            .flatten()
            .map(|&hash| self.slots[self.place(hash)]);
        black_box(slots.fold(0, |seen, slot| seen | slot));
    }

    /// The index of the first slot to look at for a hash.
    #[inline]
    fn place(&self, hash: u128) -> usize {
        let place = (hash & OFFSET_MASK) as u64;
        ((u128::from(place) * self.slots.len() as u128) >> OFFSET_BITS) as usize
    }

    /// The index of the slot that has the hash, or of the empty slot where it would go. There is always
    /// one.
    #[inline]
    fn find(&self, hash: u128) -> usize {
        let count = self.slots.len();
        let mut index = self.place(hash);
        loop {
            let slot = self.slots[index];
            if slot == 0 || (slot ^ hash) & !OFFSET_MASK == 0 {
                return index;
            }
            index += 1;
            if index == count {
                index = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const FIRST: Offset = Offset(1 << 40);

    fn map(count: i64, max_bytes: u64, load_factor: f64) -> OffsetMap {
        OffsetMap::new(FIRST, FIRST + count, max_bytes, load_factor, [3; 16])
    }

    impl OffsetMap {
        fn put_one(&mut self, key: &[u8], offset: Offset) -> Result<(), MapFull> {
            self.put_all([Some((key, offset))])
        }

        fn get(&self, key: &[u8]) -> Option<Offset> {
            self.get_all([Some(key)])[0]
        }
    }

    #[test]
    fn many_keys_at_once_are_noted_in_their_order_as_far_as_there_is_room() {
        let mut map = map(1_000, 16 * 4, 0.5);
        let entry = |key: &'static str, at| Some((key.as_bytes(), FIRST + at));

        assert_eq!(map.put_all([entry("a", 1), None, entry("a", 2)]), Ok(()));
        let more = [entry("b", 3), entry("c", 4), entry("a", 5)];
        assert_eq!(map.put_all(more), Err(MapFull));

        let keys = ["b", "a", "c"].map(|key| Some(key.as_bytes()));
        let found = [Some(FIRST + 3), Some(FIRST + 2), None];
        assert_eq!(map.get_all(keys), found);
        assert_eq!(map.get_all([None, keys[0]]), [None, found[0]]);
    }

    #[test]
    fn the_newest_offset_of_each_key_is_found() {
        let mut map = map(100_000, 1 << 30, 0.9);
        let mut model = BTreeMap::new();
        for number in 0..100_000_i64 {
            let key = (number * number % 40_009).to_be_bytes();
            map.put_one(&key, FIRST + number).unwrap();
            model.insert(key, FIRST + number);
        }

        assert_eq!(map.len(), model.len());
        for (key, offset) in model {
            assert_eq!(map.get(&key), Some(offset));
        }
        assert_eq!(map.get(b"another"), None);
    }

    #[test]
    fn a_full_map_takes_known_keys_and_no_others() {
        let mut map = map(1_000_000, 16 * 100, 0.5);
        assert_eq!(map.capacity(), 50);
        for number in 0..50_i64 {
            map.put_one(&number.to_be_bytes(), FIRST + number).unwrap();
        }

        assert_eq!(map.put_one(b"one more", FIRST + 50), Err(MapFull));
        assert_eq!(map.put_one(&7_i64.to_be_bytes(), FIRST + 51), Ok(()));
        assert_eq!(map.get(&7_i64.to_be_bytes()), Some(FIRST + 51));
        assert_eq!(map.get(b"one more"), None);
        assert_eq!(map.len(), 50);
    }

    #[test]
    fn memory_is_no_more_than_the_offsets_can_need() {
        let few = map(900, 1 << 40, 0.9);

        assert!(few.slots.len() < 1_010, "{}", few.slots.len());
        assert!(few.capacity() >= 900);
    }

    #[test]
    fn an_offset_that_is_too_far_off_fills_the_map() {
        let mut map = map(i64::MAX >> 1, 1_000, 0.9);

        assert_eq!(map.put_one(b"k", FIRST + ((1 << 40) - 2)), Ok(()));
        assert_eq!(map.get(b"k"), Some(FIRST + ((1 << 40) - 2)));
        assert_eq!(map.put_one(b"k", FIRST + ((1 << 40) - 1)), Err(MapFull));
    }
}
