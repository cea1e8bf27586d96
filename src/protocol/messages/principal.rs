//! A principal as it travels in an Envelope. A version as int16 goes before it.

use crate::protocol::Str;

message! {
    DefaultPrincipalData: versions 0, first flexible 0;

    pub struct DefaultPrincipalData {
        kind: Str,
        name: Str,
        token_authenticated: bool,
    }
}
