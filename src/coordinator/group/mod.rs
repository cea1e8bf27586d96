//! Groups and committed offsets: what one partition of `__consumer_offsets` holds, as a pure type.
//!
//! [`Shard`](super::shard::Shard) says how it runs.
//!
//! # State
//! * **Durable**: committed offsets, pending offsets of open transactions, and of each classic group
//!   what its last GroupMetadata record said: generation, protocol, leader, members, assignments.
//!   Only `replay` makes it so, when loading and when running.
//! * **Volatile**, known to this shard only: the generation in the making (who has joined it, under
//!   which number, until the leader's SyncGroup), all that members say (the log has it of the chosen
//!   protocol only), who waits (tokens of requests), and all timers. A new shard begins without these:
//!   the runtime answers those who waited, and members' session timers start anew when the shard
//!   [begins](super::shard::Shard::begin).
//!
//! # A classic group's states
//! ```text
//!            first join                 all joined, or time is up              leader's SyncGroup
//!   Empty ───────────────► PreparingRebalance ────────────► CompletingRebalance ───────────► Stable
//!     ▲                      │   ▲        ▲                    │                                │
//!     └── nobody joined ─────┘   │        └── join, leave, expired member, no SyncGroup in time ┘
//!         (record)               └─────────────────────────────┘                     (record)
//! ```
//! Records are written on the arrows marked so, when a first join creates the group (with tombstones for
//! what a group of another type has left under its name), and when a static member is replaced while the
//! group is Stable. "Dead" is a group that is not there.
//!
//! # Which answers wait for records
//! | answer | rests on |
//! | --- | --- |
//! | JoinGroup of a complete generation, errors, Heartbeat, LeaveGroup | nothing, as in Kafka |
//! | JoinGroup of a static member that replaced another while Stable | the group's record |
//! | SyncGroup, of all members | the record with the assignment |
//! | OffsetCommit, OffsetDelete, DeleteGroups | the decision's last record |
//! | OffsetFetch, DescribeGroups | the last record of that group |
//! | ListGroups | all records so far |
//!
//! # What is not here
//! Which shard a group belongs to, whether it is loaded (COORDINATOR_LOAD_IN_PROGRESS,
//! NOT_COORDINATOR), authorisation, and whether topics exist: the API handlers check topics and fill in
//! names or ids. Consumer, share
//! and streams groups that Apache Kafka has written are not served, but survive: see `foreign.rs`.
//!
//! # Failure cases
//! Every input is answered; none is an `Err`. A record of the log that does not decode, or has an
//! unknown type, is for the runtime to skip with a warning, as Kafka does. A group's record that
//! would not fit into a batch is never emitted: the members get UNKNOWN_SERVER_ERROR and the group
//! rebalances, as when Kafka's write fails.

mod admin;
mod answer;
mod classic;
mod common;
mod context;
mod effects;
mod foreign;
mod group_shard;
mod group_state;
mod memory;
mod offsets;
mod record_versions;
mod request;
mod settings;
mod survey;
mod tally;
mod timers;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use common::GroupCommon;
pub use effects::Effects;
pub use group_shard::GroupShard;
pub use memory::SpareBytes;
pub use request::{DeletedTopic, Request};
pub use settings::GroupSettings;
pub use survey::{GroupGlance, OffsetGlance};
pub use tally::Tally;
