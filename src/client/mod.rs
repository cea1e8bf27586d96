//! A client of any Kafka cluster, from Apache's 3.0 on: for the tools, for `health`, and for whatever
//! else of this program talks to a cluster from outside.
//!
//! The rooms, bottom-up; each uses only those above it:
//!
//! - `retry`: what becomes of a request that was answered with an error, and when it is sent again. PURE.
//! - `connection`: one node; each request in the newest version that both sides speak.
//! - `line`: one node for requests of one kind, several of them in flight; a task of its own.
//! - `cluster`: who leads and who coordinates; requests go where they belong, until a deadline.
//! - `requests`: what requests for changes have in common.
//! - `producer`: records become batches; they arrive in order and once. `partitioner` and `accumulator` are
//!   PURE.
//! - `consumer`: partitions are read from a position on; `group` says which, if members share them.
//!   `assignor` and `fetched` are PURE.
//!
//! All of it runs on a runtime of one thread. A call that is dropped before it has ended loses the connection
//! that it waited for, and nothing else: every caller may put it in a `select!`.

mod cluster;
mod connection;
mod consumer;
mod line;
mod producer;
mod requests;
mod retry;

pub use cluster::{Cluster, ClusterError, ClusterOptions, Entry, PartitionKey, To};
pub use connection::{AskError, NodeConnection};
pub use consumer::{
    Assignor, Consumed, Consumer, ConsumerSettings, GroupConsumer, GroupSettings, Polled, Start,
    Subscription, Wanted, offsets_at, read_fetched,
};
pub use producer::{
    BatchLimits, Lost, Producer, ProducerCounts, ProducerSettings, partition_of_key,
};
pub use requests::{not_controller, offset_commit, reassignments, timeout_ms};
pub use retry::{Attempts, ErrorClass};
