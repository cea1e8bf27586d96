//! Serving a Fetch: take the partitions that may have news, plan and read them, and wait for more if
//! there is too little. With a session only marked partitions are looked at.
//!
//! Owns: the fetch sessions. Handed: the table of partitions with the image, the directories (to be
//! told of logs that cannot be read), the listener.
//!
//! The files, each using only those before it: `request`, `answer`: what comes and goes; `item`: one
//! partition of a Fetch; `job`: a read that is to be carried out; `round`: decides what is to be read,
//! waited for, and answered, given the time; `read` and `serve` carry that out, and are not pure.

mod answer;
mod item;
mod job;
mod read;
mod request;
mod round;
mod serve;

pub use answer::{FetchAnswer, PartitionAnswer};
pub use request::{FetchParams, FollowerIdentity, SessionRequest};
pub use serve::{Fetch, Fetches};
