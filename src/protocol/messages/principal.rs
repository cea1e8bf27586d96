//! A principal as an Envelope carries it (KIP-590), after its version as an int16.

use crate::protocol::Str;

message! {
    DefaultPrincipalData: versions 0, first flexible 0;

    pub struct DefaultPrincipalData {
        kind: Str,
        name: Str,
        token_authenticated: bool,
    }
}
