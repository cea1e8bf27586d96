//! A password's hash, for files that hold it in the password's place. It is written as a PHC string:
//! `$pbkdf2-sha256$i=600000$SALT$HASH`, salt and hash in base64 without padding.

use std::fmt;
use std::hint::black_box;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;

const SCHEME: &str = "pbkdf2-sha256";
/// How many rounds are taken: fewer are tried out too fast, more keep a node busy at each login.
const ITERATIONS: RangeInclusive<u32> = 1_000..=10_000_000;
const SALT_BYTES: RangeInclusive<usize> = 8..=64;
const HASH_BYTES: usize = 32;

/// The salted hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    iterations: u32,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl PasswordHash {
    /// The rounds that OWASP advises for this scheme.
    pub const ADVISED_ITERATIONS: u32 = 600_000;

    /// A new hash. `salt` are random bytes, `iterations` 1,000 to 10,000,000.
    pub fn new(password: &[u8], salt: [u8; 16], iterations: u32) -> Self {
        Self {
            iterations,
            salt: salt.to_vec(),
            hash: derive(password, &salt, iterations),
        }
    }

    /// Whether a text is meant to be a hash, and no password in the clear.
    pub fn is_meant_by(text: &str) -> bool {
        let scheme = text.strip_prefix('$').and_then(|it| it.split('$').next());
        scheme == Some(SCHEME)
    }

    /// Reads a hash; `None` if it is not one that is known here.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('$')?.split('$');
        let mut next = || parts.next();
        let (scheme, parameters, salt, hash) = (next()?, next()?, next()?, next()?);
        if scheme != SCHEME || next().is_some() {
            return None;
        }
        // The length is said by the hash itself; others write it down.
        let iterations = parameters.strip_suffix(",l=32").unwrap_or(parameters);
        let iterations = iterations.strip_prefix("i=")?.parse().ok()?;
        let salt = BASE64_STANDARD_NO_PAD.decode(salt).ok()?;
        let hash = BASE64_STANDARD_NO_PAD.decode(hash).ok()?;
        let is_usual = ITERATIONS.contains(&iterations) && SALT_BYTES.contains(&salt.len());
        is_usual.then_some(Self {
            iterations,
            salt,
            hash: hash.try_into().ok()?,
        })
    }

    /// Whether it was made of this password. It takes a good part of a second, however wrong the password is.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let derived = derive(password, &self.salt, self.iterations);
        is_same(&derived, &self.hash)
    }
}

/// Whether both are the same. How long it takes says nothing of where they differ, nor of how long the secret is.
pub fn is_same(told: &[u8], secret: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let mut differs = u8::from(told.len() != secret.len());
    for (told, secret) in told.iter().zip(secret.iter().cycle()) {
        differs |= black_box(told ^ secret);
    }
    black_box(differs) == 0
}

fn derive(password: &[u8], salt: &[u8], iterations: u32) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut hash);
    hash
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = BASE64_STANDARD_NO_PAD.encode(&self.salt);
        let hash = BASE64_STANDARD_NO_PAD.encode(self.hash);
        write!(formatter, "${SCHEME}$i={}${salt}${hash}", self.iterations)
    }
}

/// What is not for logs is hidden: a hash can be tried out elsewhere.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[a password's hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python: `hashlib.pbkdf2_hmac("sha256", b"open sesame", bytes(range(16)), 1000)`.
    const KNOWN: &str =
        "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw$BMM+2dChHJ08jvZzI01cu+RhUTAJqDHgYJFfx3n7t5s";

    #[test]
    fn a_hash_that_others_have_made_is_of_its_password_alone() {
        for text in [KNOWN.to_owned(), KNOWN.replace("i=1000", "i=1000,l=32")] {
            let hash = PasswordHash::parse(&text).unwrap();

            assert!(hash.is_of(b"open sesame"), "{text}");
            for wrong in ["", "open sesam", "open sesame ", "Open sesame"] {
                assert!(!hash.is_of(wrong.as_bytes()), "{wrong:?}");
            }
            assert_eq!(hash.to_string(), KNOWN);
        }
    }

    #[test]
    fn a_new_hash_is_read_again() {
        let hash = PasswordHash::new(b"secret", [7; 16], 1_000);

        let again = PasswordHash::parse(&hash.to_string()).unwrap();

        assert_eq!(again, hash);
        assert!(again.is_of(b"secret") && !again.is_of(b"Secret"));
        assert!(!format!("{hash:?}").contains("i="));
    }

    #[test]
    fn what_is_meant_to_be_a_hash_and_is_none_is_told_apart() {
        for wrong in [
            KNOWN.replace("i=1000", "i=999"),
            KNOWN.replace("i=1000", "i=10000001"),
            KNOWN.replace("i=1000", "i=-1"),
            KNOWN.replace("i=1000", "1000"),
            KNOWN.replace("AAECAwQFBgcICQoLDA0ODw", "AAEC"),
            format!("{KNOWN}$more"),
            KNOWN[..KNOWN.len() - 4].to_owned(),
            "$pbkdf2-sha256".to_owned(),
        ] {
            assert!(PasswordHash::is_meant_by(&wrong), "{wrong}");
            assert_eq!(PasswordHash::parse(&wrong), None, "{wrong}");
        }
        for clear in [
            "",
            "$",
            "secret",
            "pbkdf2-sha256$",
            "$pbkdf2-sha512$i=1$a$b",
        ] {
            assert!(!PasswordHash::is_meant_by(clear), "{clear}");
            assert_eq!(PasswordHash::parse(clear), None, "{clear}");
        }
    }
}
