//! Immutable strings that share their frame: decoding one neither copies nor allocates.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use super::DecodeError;

/// UTF-8 text in shared bytes; a clone costs a reference count.
///
/// A decoded string keeps its whole frame alive: copy with [`Str::copy_from`] what outlives the request.
#[derive(Clone, Default)]
pub struct Str(ByteString);

impl Str {
    /// The empty string.
    pub const EMPTY: Self = Self(ByteString::new());

    /// A string that is part of the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// A copy of `text` that shares nothing with it.
    pub fn copy_from(text: &str) -> Self {
        Self(ByteString::from(text))
    }

    /// The text in `bytes`, which it shares.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, DecodeError> {
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(DecodeError::InvalidUtf8),
        }
    }

    /// The text in `bytes`. If they are not UTF-8, it is a copy with U+FFFD in place of what is not.
    pub fn from_utf8_lossy(bytes: &Bytes) -> Self {
        Self::from_utf8(bytes.clone())
            .unwrap_or_else(|_| Self::copy_from(&String::from_utf8_lossy(bytes)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes of the text, shared with it.
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&'static str> for Str {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<&Arc<str>> for Str {
    fn from(text: &Arc<str>) -> Self {
        Self::copy_from(text)
    }
}

impl From<&Str> for Arc<str> {
    fn from(text: &Str) -> Self {
        Self::from(text.as_str())
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Str {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), formatter)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_map_of_them_is_searched_by_str() {
        let map = HashMap::from([(Str::from("topic"), 1)]);

        assert_eq!(map.get("topic"), Some(&1));
        assert_eq!(map.get("other"), None);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        let error = Str::from_utf8(Bytes::from_static(&[0xc3, 0x28])).unwrap_err();

        assert_eq!(error, DecodeError::InvalidUtf8);
    }
}
