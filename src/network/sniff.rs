//! Guesses what protocol a foreign peer speaks, from its first four bytes, so that the log says "a TLS
//! client on a PLAINTEXT listener" and not "a length of 369296129".

/// What the first bytes of a connection look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A TLS handshake record.
    Tls,
    /// An HTTP/1 request, or the preface of HTTP/2.
    Http,
    /// An SSH version line.
    Ssh,
}

impl Foreign {
    /// Looks at the four bytes that would be a frame's length. Each of these would be a length
    /// above 350 MiB, which no client sends in a connection's first request.
    pub(super) fn recognise(first: [u8; 4]) -> Option<Self> {
        match &first {
            [0x16, 0x03, 0x00..=0x04, _] => Some(Self::Tls),
            b"GET " | b"POST" | b"HEAD" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"CONN"
            | b"TRAC" | b"PRI " => Some(Self::Http),
            b"SSH-" => Some(Self::Ssh),
            _ => None,
        }
    }

    /// The protocol and what to do about it, for a log line.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Tls => {
                "a TLS handshake on a listener without TLS; \
                 set security.protocol of the client to what the listener speaks"
            }
            Self::Http => "an HTTP request; this port speaks Kafka's protocol only",
            Self::Ssh => "an SSH client; this port speaks Kafka's protocol only",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_protocols_are_recognised_by_their_first_bytes() {
        assert_eq!(
            Foreign::recognise([0x16, 0x03, 0x01, 0x02]),
            Some(Foreign::Tls)
        );
        assert_eq!(Foreign::recognise(*b"GET "), Some(Foreign::Http));
        assert_eq!(Foreign::recognise(*b"PRI "), Some(Foreign::Http));
        assert_eq!(Foreign::recognise(*b"SSH-"), Some(Foreign::Ssh));
    }

    #[test]
    fn lengths_of_requests_are_not_mistaken_for_foreign_protocols() {
        for length in [8_u32, 43, 1 << 20, 100 << 20, 0x16_00_00_00] {
            assert_eq!(Foreign::recognise(length.to_be_bytes()), None);
        }
    }
}
