//! A keyed 128-bit hash of record keys: SipHash with 128 bits of output.
//!
//! Two keys with one hash would make compaction delete a record that is the last of its key. The secret is
//! drawn for each pass, so nobody can look for such keys beforehand, nor use what one pass showed in the
//! next; by chance they occur with a probability below 2^-50 in a pass of 2^27 keys. One round for each
//! word and three at the end, as in the maps of the standard library.

/// Hashes keys with a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyHasher {
    secret: [u64; 2],
}

impl KeyHasher {
    /// A hasher whose secret is these 16 random bytes.
    pub(super) fn new(secret: [u8; 16]) -> Self {
        let (words, _) = secret.as_chunks::<8>();
        Self {
            secret: [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])],
        }
    }

    /// The hash of a key.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u128 {
        self.sip::<1, 3>(key)
    }

    #[inline]
    fn sip<const WORD: usize, const END: usize>(&self, key: &[u8]) -> u128 {
        let mut state = State::new(self.secret);
        let (words, tail) = key.as_chunks::<8>();
        for word in words {
            state.absorb::<WORD>(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        last[7] = key.len() as u8;
        state.absorb::<WORD>(u64::from_le_bytes(last));
        state.v[2] ^= 0xee;
        let low = state.squeeze::<END>();
        state.v[1] ^= 0xdd;
        let high = state.squeeze::<END>();
        u128::from(high) << 64 | u128::from(low)
    }
}

struct State {
    v: [u64; 4],
}

impl State {
    #[inline]
    fn new([first, second]: [u64; 2]) -> Self {
        Self {
            v: [
                first ^ 0x736f_6d65_7073_6575,
                second ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                first ^ 0x6c79_6765_6e65_7261,
                second ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    #[inline]
    fn absorb<const ROUNDS: usize>(&mut self, word: u64) {
        self.v[3] ^= word;
        (0..ROUNDS).for_each(|_| self.round());
        self.v[0] ^= word;
    }

    #[inline]
    fn squeeze<const ROUNDS: usize>(&mut self) -> u64 {
        (0..ROUNDS).for_each(|_| self.round());
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    #[inline]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        d = d.rotate_left(21) ^ a;
        c = c.rotate_left(32);
        self.v = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first vectors of the authors' own `vectors_sip128`, which is of 2 and 4 rounds.
    #[test]
    fn it_is_siphash() {
        let secret: [u8; 16] = std::array::from_fn(|index| index as u8);
        let hasher = KeyHasher::new(secret);
        let input: Vec<u8> = (0..64).collect();
        let expected = [
            "a3817f04ba25a8e66df67214c7550293",
            "da87c1d86b99af44347659119b22fc45",
        ];
        for (length, expected) in expected.into_iter().enumerate() {
            let hash = hasher.sip::<2, 4>(&input[..length]).to_le_bytes();
            let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, expected, "of {length} bytes");
        }
    }

    #[test]
    fn keys_of_all_lengths_and_secrets_have_hashes_of_their_own() {
        let key = [7; 100];
        let mut seen = std::collections::BTreeSet::new();
        for secret in [[0; 16], [1; 16]] {
            for length in 0..key.len() {
                assert!(seen.insert(KeyHasher::new(secret).hash(&key[..length])));
            }
        }
    }
}
