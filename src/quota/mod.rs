//! Quotas: how much a client may use, how much it has used, and how long it has to wait (KIP-13,
//! KIP-124, KIP-599).
//!
//! PURE: the time is an argument, and a wait is a return value. `api::throttle` decides what is counted,
//! and makes clients wait. Where no quota is set, asking costs one relaxed load.

mod clients;
mod limits;
mod mutation;
mod rate;
mod token_bucket;
mod usage;

pub use clients::{ClientQuotas, QuotaWindows, Window};
pub use limits::{
    CLIENT_ID, CONNECTION_CREATION_RATE, IP, Limits, QuotaKind, USER, connection_rates,
};
pub use mutation::{MutationQuota, QuotaExceeded};
