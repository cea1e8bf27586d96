//! Says whether a password is the right one: by itself, or by a hash. The latter takes a core for a good part of
//! a second, so the last password that was right is known again at once, few are looked at, and one at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::config::{AdminPassword, PasswordHash, Secret, is_same};

/// How many wait for their turn at most: threads that wait are not there for scrapes.
const MOST_WAITING: usize = 3;

/// What came of a look at a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the right one.
    Right,
    /// It is not.
    Wrong,
    /// Nobody has looked: too many want it at once.
    Busy,
}

/// Knows the right password when it sees it.
pub(super) enum Verifier {
    Clear(Secret),
    Hashed(Box<Hashed>),
}

pub(super) struct Hashed {
    hash: PasswordHash,
    /// What digests of passwords begin with, so that they mean nothing outside of this process.
    key: [u8; 32],
    /// The digest of the last password that was right.
    known: Mutex<Option<[u8; 32]>>,
    turn: Mutex<()>,
    waiting: AtomicUsize,
}

impl Verifier {
    pub(super) fn new(password: AdminPassword) -> Self {
        match password {
            AdminPassword::Clear(secret) => Self::Clear(secret),
            AdminPassword::Hashed(hash) => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).expect("the operating system has random bytes");
                Self::Hashed(Box::new(Hashed {
                    hash,
                    key,
                    known: Mutex::default(),
                    turn: Mutex::default(),
                    waiting: AtomicUsize::new(0),
                }))
            }
        }
    }

    /// Looks at a password. It may take long; other tasks of the thread go on meanwhile.
    pub(super) fn look_at(&self, told: &str) -> Verdict {
        let is_right = match self {
            Self::Clear(secret) => is_same(told.as_bytes(), secret.reveal().as_bytes()),
            Self::Hashed(hashed) => match hashed.is_right(told.as_bytes()) {
                Some(is_right) => is_right,
                None => return Verdict::Busy,
            },
        };
        if is_right {
            Verdict::Right
        } else {
            Verdict::Wrong
        }
    }
}

impl Hashed {
    /// `None` if too many want to know.
    fn is_right(&self, told: &[u8]) -> Option<bool> {
        let mut digest = Sha256::new();
        digest.update(self.key);
        digest.update(told);
        let digest: [u8; 32] = digest.finalize().into();
        if self.is_known(&digest) {
            return Some(true);
        }
        if self.waiting.fetch_add(1, Ordering::AcqRel) > MOST_WAITING {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let is_right = tokio::task::block_in_place(|| {
            let _turn = self.turn.lock();
            // Requests come several at a time, with one password.
            self.is_known(&digest) || self.hash.is_of(told)
        });
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        if is_right {
            *self.known.lock() = Some(digest);
        }
        Some(is_right)
    }

    fn is_known(&self, digest: &[u8; 32]) -> bool {
        let known = *self.known.lock();
        known.is_some_and(|known| is_same(digest, &known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Instant;

    fn hashed(password: &str) -> Verifier {
        let hash = PasswordHash::new(password.as_bytes(), [3; 16], 20_000);
        Verifier::new(AdminPassword::Hashed(hash))
    }

    #[test]
    fn a_hash_lets_in_its_password_and_knows_it_again_at_once() {
        let verifier = hashed("secret");

        for wrong in ["", "Secret", "secret ", "$pbkdf2-sha256$"] {
            assert_eq!(verifier.look_at(wrong), Verdict::Wrong, "{wrong:?}");
        }
        let begun = Instant::now();
        assert_eq!(verifier.look_at("secret"), Verdict::Right);
        let first = begun.elapsed();
        let begun = Instant::now();
        assert_eq!(verifier.look_at("secret"), Verdict::Right);
        assert!(begun.elapsed() < first / 2, "it took {first:?} before");
        assert_eq!(verifier.look_at("Secret"), Verdict::Wrong);
    }

    #[test]
    fn many_who_guess_at_once_do_not_queue_for_ever() {
        let Verifier::Hashed(hashed) = hashed("secret") else {
            unreachable!("it is one")
        };
        let verifier = &Verifier::Hashed(hashed);
        let Verifier::Hashed(hashed) = verifier else {
            unreachable!("it is one")
        };
        let turn = hashed.turn.lock();
        thread::scope(|scope| {
            let guesses: Vec<_> = (0..10)
                .map(|number| scope.spawn(move || verifier.look_at(&number.to_string())))
                .collect();
            // All but those that wait are sent away while nobody gets a turn.
            while guesses.iter().filter(|it| it.is_finished()).count() < 10 - MOST_WAITING - 1 {
                thread::yield_now();
            }
            drop(turn);
            let verdicts = guesses.into_iter().map(|it| it.join().unwrap());
            let busy = verdicts.filter(|it| *it == Verdict::Busy).count();
            assert_eq!(busy, 10 - MOST_WAITING - 1);
        });
        assert_eq!(verifier.look_at("secret"), Verdict::Right, "they are gone");
    }
}
