//! Every message there is, so that a test can go through them all.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use broker::protocol::messages::metadata_records as metadata;
use broker::protocol::messages::offsets_records as offsets;
use broker::protocol::messages::{
    consumer_protocol, principal, raft_records as raft, share_state_records as share,
    transaction_records as transaction,
};
use broker::protocol::schema::Schema;
use broker::protocol::{ApiKey, DecodeError, Message, Request, decode_whole, encode_whole};
use bytes::Bytes;

/// Calls `$callback!` with the messages of all APIs.
#[macro_export]
macro_rules! for_each_api {
    ($callback:ident) => {
        $crate::for_each_api_of_the_crate!($callback);
        $callback! {
            streams_group_topology_description_update::{StreamsGroupTopologyDescriptionUpdateRequest, StreamsGroupTopologyDescriptionUpdateResponse},
            unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse},
        }
    };
}

/// Calls `$callback!` with the messages of the APIs that the `kafka-protocol` crate has too.
#[macro_export]
macro_rules! for_each_api_of_the_crate {
    ($callback:ident) => {
        $callback! {
            produce::{ProduceRequest, ProduceResponse},
            fetch::{FetchRequest, FetchResponse},
            list_offsets::{ListOffsetsRequest, ListOffsetsResponse},
            metadata::{MetadataRequest, MetadataResponse},
            offset_commit::{OffsetCommitRequest, OffsetCommitResponse},
            offset_fetch::{OffsetFetchRequest, OffsetFetchResponse},
            find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
            join_group::{JoinGroupRequest, JoinGroupResponse},
            heartbeat::{HeartbeatRequest, HeartbeatResponse},
            leave_group::{LeaveGroupRequest, LeaveGroupResponse},
            sync_group::{SyncGroupRequest, SyncGroupResponse},
            describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
            list_groups::{ListGroupsRequest, ListGroupsResponse},
            sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse},
            api_versions::{ApiVersionsRequest, ApiVersionsResponse},
            create_topics::{CreateTopicsRequest, CreateTopicsResponse},
            delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse},
            delete_records::{DeleteRecordsRequest, DeleteRecordsResponse},
            init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
            offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse},
            add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse},
            add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
            end_txn::{EndTxnRequest, EndTxnResponse},
            write_txn_markers::{WriteTxnMarkersRequest, WriteTxnMarkersResponse},
            txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse},
            describe_acls::{DescribeAclsRequest, DescribeAclsResponse},
            create_acls::{CreateAclsRequest, CreateAclsResponse},
            delete_acls::{DeleteAclsRequest, DeleteAclsResponse},
            describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse},
            alter_configs::{AlterConfigsRequest, AlterConfigsResponse},
            alter_replica_log_dirs::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse},
            describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse},
            sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse},
            create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse},
            create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse},
            renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse},
            expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse},
            describe_delegation_token::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse},
            delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
            elect_leaders::{ElectLeadersRequest, ElectLeadersResponse},
            incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
            alter_partition_reassignments::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse},
            list_partition_reassignments::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse},
            offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
            describe_client_quotas::{DescribeClientQuotasRequest, DescribeClientQuotasResponse},
            alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse},
            describe_user_scram_credentials::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse},
            alter_user_scram_credentials::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse},
            vote::{VoteRequest, VoteResponse},
            begin_quorum_epoch::{BeginQuorumEpochRequest, BeginQuorumEpochResponse},
            end_quorum_epoch::{EndQuorumEpochRequest, EndQuorumEpochResponse},
            describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse},
            alter_partition::{AlterPartitionRequest, AlterPartitionResponse},
            update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse},
            envelope::{EnvelopeRequest, EnvelopeResponse},
            fetch_snapshot::{FetchSnapshotRequest, FetchSnapshotResponse},
            describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
            describe_producers::{DescribeProducersRequest, DescribeProducersResponse},
            broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse},
            broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse},
            unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse},
            describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse},
            list_transactions::{ListTransactionsRequest, ListTransactionsResponse},
            allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse},
            consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
            consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse},
            controller_registration::{ControllerRegistrationRequest, ControllerRegistrationResponse},
            get_telemetry_subscriptions::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse},
            push_telemetry::{PushTelemetryRequest, PushTelemetryResponse},
            assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse},
            list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse},
            describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse},
            add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse},
            remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse},
            update_raft_voter::{UpdateRaftVoterRequest, UpdateRaftVoterResponse},
        }
    };
}

/// A message and what can be done with it.
pub struct Case {
    pub name: &'static str,
    /// Where Kafka has it.
    pub java_package: &'static str,
    pub schema: &'static Schema,
    pub versions: RangeInclusive<i16>,
    pub first_flexible: i16,
    /// Only decodes.
    pub decode: fn(Bytes, i16) -> Result<(), DecodeError>,
    /// Decodes from the first version, and encodes in the second.
    pub convert: fn(Bytes, i16, i16) -> Result<Bytes, DecodeError>,
    /// Decodes, and writes the value for people.
    pub text: fn(Bytes, i16) -> Result<String, DecodeError>,
}

impl Case {
    /// Decodes, and encodes the value in the same version.
    pub fn recode(&self, bytes: Bytes, version: i16) -> Result<Bytes, DecodeError> {
        (self.convert)(bytes, version, version)
    }

    /// Java's name of the class.
    pub fn java_class(&self) -> String {
        let is_api = self.name.ends_with("Request") || self.name.ends_with("Response");
        let suffix = if is_api { "Data" } else { "" };
        format!("{}.{}{suffix}", self.java_package, self.name)
    }
}

fn case<T: Message + Debug>(java_package: &'static str) -> Case {
    Case {
        name: T::SCHEMA.name,
        java_package,
        schema: T::SCHEMA,
        versions: T::MIN_VERSION..=T::MAX_VERSION,
        first_flexible: T::FIRST_FLEXIBLE,
        decode: |bytes, version| decode_whole::<T>(bytes, version).map(drop),
        convert: |bytes, from, to| {
            decode_whole::<T>(bytes, from).map(|value| encode_whole(&value, to))
        },
        text: |bytes, version| decode_whole::<T>(bytes, version).map(|value| format!("{value:?}")),
    }
}

/// The package of the messages that clients know.
const MESSAGES: &str = "org.apache.kafka.common.message";

/// A request and its response.
pub struct Api {
    pub key: ApiKey,
    pub request: Case,
    pub response: Case,
}

fn api<R: Request<Response: Debug> + Debug>() -> Api {
    Api {
        key: R::KEY,
        request: case::<R>(MESSAGES),
        response: case::<R::Response>(MESSAGES),
    }
}

/// All requests and responses.
pub fn apis() -> Vec<Api> {
    let mut all = Vec::new();
    macro_rules! push {
        ($($module:ident::{$request:ident, $response:ident},)*) => {
            $(all.push(api::<broker::protocol::messages::$module::$request>());)*
        };
    }
    for_each_api!(push);
    all
}

/// Messages that are embedded in others, and the values of control records.
pub fn embedded() -> Vec<Case> {
    vec![
        case::<consumer_protocol::ConsumerProtocolSubscription>(MESSAGES),
        case::<consumer_protocol::ConsumerProtocolAssignment>(MESSAGES),
        case::<principal::DefaultPrincipalData>(MESSAGES),
        case::<raft::LeaderChangeMessage>(MESSAGES),
        case::<raft::SnapshotHeaderRecord>(MESSAGES),
        case::<raft::SnapshotFooterRecord>(MESSAGES),
        case::<raft::KRaftVersionRecord>(MESSAGES),
        case::<raft::VotersRecord>(MESSAGES),
        case::<raft::EndTxnMarker>(MESSAGES),
    ]
}

/// The records of the metadata log, each with the number of its type.
pub fn metadata_records() -> Vec<(u32, Case)> {
    macro_rules! list {
        ($($number:literal $record:ident,)*) => {
            vec![$(($number, case::<metadata::$record>("org.apache.kafka.common.metadata")),)*]
        };
    }
    list! {
        0 RegisterBrokerRecord,
        1 UnregisterBrokerRecord,
        2 TopicRecord,
        3 PartitionRecord,
        4 ConfigRecord,
        5 PartitionChangeRecord,
        7 FenceBrokerRecord,
        8 UnfenceBrokerRecord,
        9 RemoveTopicRecord,
        10 DelegationTokenRecord,
        11 UserScramCredentialRecord,
        12 FeatureLevelRecord,
        14 ClientQuotaRecord,
        15 ProducerIdsRecord,
        17 BrokerRegistrationChangeRecord,
        18 AccessControlEntryRecord,
        19 RemoveAccessControlEntryRecord,
        20 NoOpRecord,
        21 ZkMigrationStateRecord,
        22 RemoveUserScramCredentialRecord,
        23 BeginTransactionRecord,
        24 EndTransactionRecord,
        25 AbortTransactionRecord,
        26 RemoveDelegationTokenRecord,
        27 RegisterControllerRecord,
        28 ClearElrRecord,
        29 UnregisterControllerRecord,
    }
}

/// The keys and values of `__consumer_offsets`, each pair with the number of its type.
pub fn offsets_records() -> Vec<(i16, Case, Case)> {
    macro_rules! list {
        ($($number:literal $key:ident $value:ident,)*) => {
            vec![$((
                $number,
                case::<offsets::$key>("org.apache.kafka.coordinator.group.generated"),
                case::<offsets::$value>("org.apache.kafka.coordinator.group.generated"),
            ),)*]
        };
    }
    list! {
        0 LegacyOffsetCommitKey LegacyOffsetCommitValue,
        1 OffsetCommitKey OffsetCommitValue,
        2 GroupMetadataKey GroupMetadataValue,
        3 ConsumerGroupMetadataKey ConsumerGroupMetadataValue,
        4 ConsumerGroupPartitionMetadataKey ConsumerGroupPartitionMetadataValue,
        5 ConsumerGroupMemberMetadataKey ConsumerGroupMemberMetadataValue,
        6 ConsumerGroupTargetAssignmentMetadataKey ConsumerGroupTargetAssignmentMetadataValue,
        7 ConsumerGroupTargetAssignmentMemberKey ConsumerGroupTargetAssignmentMemberValue,
        8 ConsumerGroupCurrentMemberAssignmentKey ConsumerGroupCurrentMemberAssignmentValue,
        10 ShareGroupMemberMetadataKey ShareGroupMemberMetadataValue,
        11 ShareGroupMetadataKey ShareGroupMetadataValue,
        12 ShareGroupTargetAssignmentMetadataKey ShareGroupTargetAssignmentMetadataValue,
        13 ShareGroupTargetAssignmentMemberKey ShareGroupTargetAssignmentMemberValue,
        14 ShareGroupCurrentMemberAssignmentKey ShareGroupCurrentMemberAssignmentValue,
        15 ShareGroupStatePartitionMetadataKey ShareGroupStatePartitionMetadataValue,
        16 ConsumerGroupRegularExpressionKey ConsumerGroupRegularExpressionValue,
        17 StreamsGroupMetadataKey StreamsGroupMetadataValue,
        19 StreamsGroupMemberMetadataKey StreamsGroupMemberMetadataValue,
        20 StreamsGroupTargetAssignmentMetadataKey StreamsGroupTargetAssignmentMetadataValue,
        21 StreamsGroupTargetAssignmentMemberKey StreamsGroupTargetAssignmentMemberValue,
        22 StreamsGroupCurrentMemberAssignmentKey StreamsGroupCurrentMemberAssignmentValue,
        23 StreamsGroupTopologyKey StreamsGroupTopologyValue,
    }
}

/// The keys and values of `__transaction_state` and `__share_group_state`.
pub fn state_records() -> Vec<(Case, Case)> {
    const TRANSACTION: &str = "org.apache.kafka.coordinator.transaction.generated";
    const SHARE: &str = "org.apache.kafka.coordinator.share.generated";
    vec![
        (
            case::<transaction::TransactionLogKey>(TRANSACTION),
            case::<transaction::TransactionLogValue>(TRANSACTION),
        ),
        (
            case::<share::ShareSnapshotKey>(SHARE),
            case::<share::ShareSnapshotValue>(SHARE),
        ),
        (
            case::<share::ShareUpdateKey>(SHARE),
            case::<share::ShareUpdateValue>(SHARE),
        ),
    ]
}

/// All of the above.
pub fn all() -> Vec<Case> {
    let mut all = embedded();
    for api in apis() {
        all.extend([api.request, api.response]);
    }
    all.extend(metadata_records().into_iter().map(|(_, record)| record));
    for (_, key, value) in offsets_records() {
        all.extend([key, value]);
    }
    for (key, value) in state_records() {
        all.extend([key, value]);
    }
    all
}
