//! One member of a classic group.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::coordinator::group::timers::Deadline;
use crate::coordinator::shard::Token;
use crate::protocol::Str;
use crate::protocol::messages::join_group::JoinGroupRequestProtocol;

/// What a member takes in the group's record besides its texts and bytes.
const FIXED_RECORD_BYTES: usize = 64;
/// What a member takes in memory besides its texts and bytes: itself, its places in the group's
/// tables and among the timers, and whoever waits for its answer.
const FIXED_BYTES: usize = size_of::<Member>() + 320;
/// What a protocol takes in memory besides its name and metadata: itself, and where supporters of it
/// are counted.
const PROTOCOL_BYTES: usize = size_of::<Protocol>() + 64;

/// A protocol that a member supports, and what it has to say in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) name: Str,
    pub(super) metadata: Bytes,
}

/// One member of a classic group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: Str,
    /// Of a static member (KIP-345): it keeps its place while its id changes.
    pub(super) instance_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) client_host: Str,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// In the order of preference; after a reload only the one that was chosen.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,

    // What follows is volatile.
    /// Its JoinGroup that waits for the others.
    pub(super) join: Option<Token>,
    /// Its SyncGroup that waits for the leader's.
    pub(super) sync: Option<Token>,
    /// Whether no JoinGroup of it has been answered: it does not know its id, and sends no
    /// heartbeats.
    pub(super) is_new: bool,
    /// Whether it has joined the generation, and not asked for its assignment.
    pub(super) owes_sync: bool,
    /// When it is gone, unless it is heard of.
    pub(super) session: Deadline,
}

impl Member {
    /// What it says in a protocol; nothing if it does not support that.
    pub(super) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        let mut protocols = self.protocols.iter();
        let found = protocols.find(|supported| supported.name == *protocol);
        found.map(|supported| &supported.metadata)
    }

    /// Whether `protocols` are the ones it has joined with.
    pub(super) fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        self.protocols.len() == protocols.len()
            && self
                .protocols
                .iter()
                .zip(protocols)
                .all(|(own, other)| own.name == other.name && own.metadata == other.metadata)
    }

    /// Whether its silence is no reason to remove it: a request of it waits here.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }

    /// How many more bytes it takes in memory if it joins again with `protocols`, at most.
    pub(super) fn growth(&self, protocols: &[JoinGroupRequestProtocol]) -> usize {
        let own = self.protocols.iter();
        let own = bytes_of(own.map(|it| (it.name.len(), it.metadata.len())));
        bytes_of(sizes_of(protocols)).saturating_sub(own)
    }

    /// The bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let protocols = self.protocols.iter();
        let sizes = protocols.map(|it| (it.name.len(), it.metadata.len()));
        // The id is in the tables and the timers, too.
        FIXED_BYTES
            + 2 * self.id.len()
            + self.text_bytes()
            + bytes_of(sizes)
            + self.assignment.len()
    }

    /// The most bytes it takes in the group's record, whatever the protocol.
    pub(super) fn record_bytes(&self) -> usize {
        let protocols = self.protocols.iter();
        let metadata = protocols.map(|protocol| protocol.metadata.len()).max();
        FIXED_RECORD_BYTES + self.text_bytes() + metadata.unwrap_or(0) + self.assignment.len()
    }

    fn text_bytes(&self) -> usize {
        let instance_id = self.instance_id.as_ref().map_or(0, |id| id.len());
        self.id.len() + instance_id + self.client_id.len() + self.client_host.len()
    }
}

/// The bytes that protocols take in memory, of which the lengths of name and metadata are `sizes`.
fn bytes_of(sizes: impl Iterator<Item = (usize, usize)>) -> usize {
    let bytes = sizes.map(|(name, metadata)| PROTOCOL_BYTES + name + metadata);
    bytes.sum()
}

/// The most bytes that a member takes in memory that joins with `protocols`, texts aside.
pub(super) fn bytes_to_join(protocols: &[JoinGroupRequestProtocol]) -> usize {
    FIXED_BYTES + bytes_of(sizes_of(protocols))
}

/// The lengths of name and metadata.
fn sizes_of(protocols: &[JoinGroupRequestProtocol]) -> impl Iterator<Item = (usize, usize)> {
    let protocols = protocols.iter();
    protocols.map(|it| (it.name.len(), it.metadata.len()))
}

/// Copies of protocols, which are slices of a frame; of those with one name only the first.
pub(super) fn copy_protocols(protocols: &[JoinGroupRequestProtocol]) -> Vec<Protocol> {
    let mut seen = BTreeSet::new();
    let first = protocols.iter().filter(|it| seen.insert(it.name.as_str()));
    let copies = first.map(|protocol| Protocol {
        name: Str::copy_from(&protocol.name),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    copies.collect()
}
