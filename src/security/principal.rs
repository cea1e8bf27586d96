//! A principal: who acts on a connection. Quotas are set for its name, and the controller is told of it
//! with each request, since a request may have come by another broker.

use std::fmt;

use crate::protocol::Str;

/// Who acts: the fields of Kafka's `DefaultPrincipalData` (KIP-590), as brokers tell each other of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The type, such as `User`.
    pub kind: Str,
    /// The name among the principals of the type.
    pub name: Str,
    /// Whether a delegation token stood for the login: with one, no further tokens can be had (KIP-48).
    pub token_authenticated: bool,
}

impl Principal {
    /// Whoever has not logged in: `User:ANONYMOUS`, as Kafka calls it.
    pub const ANONYMOUS: Self = Self {
        kind: Str::from_static("User"),
        name: Str::from_static("ANONYMOUS"),
        token_authenticated: false,
    };
}

/// Kafka's way to write a principal: the type, a colon, the name.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", &*self.kind, &*self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_written_as_kafka_writes_it() {
        assert_eq!(Principal::ANONYMOUS.to_string(), "User:ANONYMOUS");
    }
}
