//! One member of a classic group.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::coordinator::group::timers::Deadline;
use crate::coordinator::shard::Token;
use crate::protocol::Str;
use crate::protocol::messages::join_group::JoinGroupRequestProtocol;

/// The bytes of a member in the group's record, besides its texts and byte strings.
const FIXED_RECORD_BYTES: usize = 64;
/// The bytes of a member in memory besides its texts and byte strings: the member itself, its entries in
/// the group's tables and among the timers, and the request that waits.
const FIXED_BYTES: usize = size_of::<Member>() + 320;
/// The bytes of a protocol in memory besides its name and metadata: the protocol itself, and its entry in
/// the count of supporters.
const PROTOCOL_BYTES: usize = size_of::<Protocol>() + 64;

/// A protocol that a member supports, with the member's metadata for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) name: Str,
    pub(super) metadata: Bytes,
}

/// One member of a classic group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: Str,
    /// The instance id of a static member (KIP-345), which keeps its place while its member id changes.
    pub(super) instance_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) client_host: Str,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// The protocols, in order of preference. After a reload only the chosen one is known.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,

    // The fields below are volatile.
    /// The member's JoinGroup that waits for the others.
    pub(super) join: Option<Token>,
    /// The member's SyncGroup that waits for the leader's.
    pub(super) sync: Option<Token>,
    /// Whether no JoinGroup of the member was answered yet: it does not know its id, and sends no
    /// heartbeats.
    pub(super) is_new: bool,
    /// Whether the member has joined the generation, and not asked for its assignment yet.
    pub(super) owes_sync: bool,
    /// When the member's session ends, unless it is heard from.
    pub(super) session: Deadline,
}

impl Member {
    /// The member's metadata for a protocol; `None` if it does not support that.
    pub(super) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        let mut protocols = self.protocols.iter();
        let found = protocols.find(|supported| supported.name == *protocol);
        found.map(|supported| &supported.metadata)
    }

    /// Whether the member joined with exactly these protocols.
    pub(super) fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        self.protocols.len() == protocols.len()
            && self
                .protocols
                .iter()
                .zip(protocols)
                .all(|(own, other)| own.name == other.name && own.metadata == other.metadata)
    }

    /// Whether a request of the member waits here, so that its silence is no reason to remove it.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }

    /// The most bytes that the member's memory grows by if it joins again with `protocols`.
    pub(super) fn growth(&self, protocols: &[JoinGroupRequestProtocol]) -> usize {
        let own = self.protocols.iter();
        let own = bytes_of(own.map(|it| (it.name.len(), it.metadata.len())));
        bytes_of(sizes_of(protocols)).saturating_sub(own)
    }

    /// The bytes that the member takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let protocols = self.protocols.iter();
        let sizes = protocols.map(|it| (it.name.len(), it.metadata.len()));
        // Tables and timers have the id, too.
        FIXED_BYTES
            + 2 * self.id.len()
            + self.text_bytes()
            + bytes_of(sizes)
            + self.assignment.len()
    }

    /// The most bytes that the member takes in the group's record, whichever protocol is chosen.
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

/// The bytes that protocols take in memory; `sizes` are the lengths of name and metadata of each.
fn bytes_of(sizes: impl Iterator<Item = (usize, usize)>) -> usize {
    let bytes = sizes.map(|(name, metadata)| PROTOCOL_BYTES + name + metadata);
    bytes.sum()
}

/// The most bytes that a member which joins with `protocols` takes in memory, without its texts.
pub(super) fn bytes_to_join(protocols: &[JoinGroupRequestProtocol]) -> usize {
    FIXED_BYTES + bytes_of(sizes_of(protocols))
}

/// The lengths of name and metadata of each protocol.
fn sizes_of(protocols: &[JoinGroupRequestProtocol]) -> impl Iterator<Item = (usize, usize)> {
    let protocols = protocols.iter();
    protocols.map(|it| (it.name.len(), it.metadata.len()))
}

/// Copies the protocols, which are slices of a frame. Of several with one name only the first is kept.
pub(super) fn copy_protocols(protocols: &[JoinGroupRequestProtocol]) -> Vec<Protocol> {
    let mut seen = BTreeSet::new();
    let first = protocols.iter().filter(|it| seen.insert(it.name.as_str()));
    let copies = first.map(|protocol| Protocol {
        name: Str::copy_from(&protocol.name),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    copies.collect()
}
