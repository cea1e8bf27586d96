//! The values of control records: those of the KRaft quorum, and the marker that ends a
//! transaction. The keys, which tell the type, are with the batches in `records`.
//!
//! The field `version` repeats the version that the value is encoded in.

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    LeaderChangeMessage: versions 0-1, first flexible 0;

    /// The first record of each epoch of a KRaft log.
    pub struct LeaderChangeMessage {
        version: i16,
        leader_id: i32,
        voters: Vec<Voter>,
        granting_voters: Vec<Voter>,
    }

    pub struct Voter {
        voter_id: i32,
        voter_directory_id: Uuid [1+],
    }
}

message! {
    SnapshotHeaderRecord: versions 0, first flexible 0;

    /// The first record of a snapshot.
    pub struct SnapshotHeaderRecord {
        version: i16,
        last_contained_log_timestamp: i64,
    }
}

message! {
    SnapshotFooterRecord: versions 0, first flexible 0;

    /// The last record of a snapshot.
    pub struct SnapshotFooterRecord {
        version: i16,
    }
}

message! {
    KRaftVersionRecord: versions 0, first flexible 0;

    /// The version of the quorum: 1 allows its voters to change (KIP-853).
    pub struct KRaftVersionRecord {
        version: i16,
        kraft_version: i16,
    }
}

message! {
    VotersRecord: versions 0, first flexible 0;

    /// The voters of the quorum (KIP-853).
    pub struct VotersRecord {
        version: i16,
        voters: Vec<VotersRecordVoter>,
    }

    pub struct VotersRecordVoter {
        voter_id: i32,
        voter_directory_id: Uuid,
        endpoints: Vec<Endpoint>,
        kraft_version_feature: KRaftVersionFeature,
    }

    pub struct Endpoint {
        name: Str,
        host: Str,
        port: u16,
    }

    pub struct KRaftVersionFeature {
        min_supported_version: i16,
        max_supported_version: i16,
    }
}

message! {
    EndTxnMarker: versions 0, first flexible never;

    /// The value of a commit or abort marker.
    pub struct EndTxnMarker {
        coordinator_epoch: i32,
    }
}
