//! Error codes: what an answer says about a request, a topic or a partition.
//!
//! Codes and names are Kafka's. All 138 of Kafka 4.4 are here, also those that this broker never answers,
//! because it is a client of other brokers, too.

use std::fmt;

/// An error code as it is on the wire; any number is representable.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

struct Entry {
    name: &'static str,
    is_retriable: bool,
    message: &'static str,
}

/// Declares the codes, a row each: number, name, whether a client may retry, message.
macro_rules! error_codes {
    (@retriable retriable) => { true };
    (@retriable) => { false };
    ($($code:literal $name:ident $($retriable:ident)? = $message:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!($message, ".")]
                pub const $name: Self = Self($code);
            )*

            /// All codes that have a name, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn entry(self) -> Option<Entry> {
                match self.0 {
                    $(
                        $code => Some(Entry {
                            name: stringify!($name),
                            is_retriable: error_codes!(@retriable $($retriable)?),
                            message: $message,
                        }),
                    )*
                    _ => None,
                }
            }
        }
    };
}

impl ErrorCode {
    /// Kafka's name of the code; that of [`Self::UNKNOWN_SERVER_ERROR`] if it has none.
    pub fn name(self) -> &'static str {
        self.entry()
            .map_or("UNKNOWN_SERVER_ERROR", |entry| entry.name)
    }

    /// What the code means, for answers without a message of their own. Where Kafka has words for a code
    /// that clients show, these are they.
    pub fn message(self) -> &'static str {
        self.entry()
            .map_or("an error code that is not known here", |entry| {
                entry.message
            })
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.entry().is_some_and(|entry| entry.is_retriable)
    }

    /// Whether the code is anything but [`Self::NONE`].
    pub fn is_error(self) -> bool {
        self != Self::NONE
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some(entry) => formatter.pad(entry.name),
            None => write!(formatter, "error {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR = "the broker failed in a way that it did not expect";
    0 NONE = "no error";
    1 OFFSET_OUT_OF_RANGE = "The requested offset is not within the range of offsets maintained by the server.";
    2 CORRUPT_MESSAGE retriable =
        "the batch is damaged, too large, or has a null key where the topic is compacted";
    3 UNKNOWN_TOPIC_OR_PARTITION retriable = "This server does not host this topic-partition.";
    4 INVALID_FETCH_SIZE = "the fetch size is not valid";
    5 LEADER_NOT_AVAILABLE retriable = "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER retriable =
        "this broker is not the replica that the request is meant for";
    7 REQUEST_TIMED_OUT retriable = "the request took longer than allowed";
    8 BROKER_NOT_AVAILABLE = "the broker is not available";
    9 REPLICA_NOT_AVAILABLE retriable = "the replica is not available";
    10 MESSAGE_TOO_LARGE = "a batch is larger than the topic or the broker allows";
    11 STALE_CONTROLLER_EPOCH = "the controller has moved to another broker";
    12 OFFSET_METADATA_TOO_LARGE = "the metadata stored with an offset is too long";
    13 NETWORK_EXCEPTION retriable = "the connection ended before an answer came";
    14 COORDINATOR_LOAD_IN_PROGRESS retriable = "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE retriable = "the coordinator is not available";
    16 NOT_COORDINATOR retriable = "this broker does not coordinate the group or transactional id";
    17 INVALID_TOPIC_EXCEPTION = "The request attempted to perform an operation on an invalid topic.";
    18 RECORD_LIST_TOO_LARGE = "the batches are larger than a segment of the log";
    19 NOT_ENOUGH_REPLICAS retriable = "fewer replicas are in sync than the topic demands";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND retriable =
        "the batch was appended, but fewer replicas are in sync than the topic demands";
    21 INVALID_REQUIRED_ACKS = "acks is none of -1, 0 and 1";
    22 ILLEGAL_GENERATION = "the generation of the group is another one";
    23 INCONSISTENT_GROUP_PROTOCOL = "the member offers no protocol that the whole group supports";
    24 INVALID_GROUP_ID = "The group id is invalid.";
    25 UNKNOWN_MEMBER_ID = "the group has no such member";
    26 INVALID_SESSION_TIMEOUT = "the session timeout is outside the range that the broker allows";
    27 REBALANCE_IN_PROGRESS = "the group is rebalancing: join again";
    28 INVALID_COMMIT_OFFSET_SIZE = "the offsets to be stored are too large";
    29 TOPIC_AUTHORIZATION_FAILED = "Topic authorization failed.";
    30 GROUP_AUTHORIZATION_FAILED = "Group authorization failed.";
    31 CLUSTER_AUTHORIZATION_FAILED = "not authorised for this operation on the cluster";
    32 INVALID_TIMESTAMP = "the timestamp is outside the range that the topic allows";
    33 UNSUPPORTED_SASL_MECHANISM = "the SASL mechanism is not enabled";
    34 ILLEGAL_SASL_STATE = "the request does not fit the state of the SASL exchange";
    35 UNSUPPORTED_VERSION = "the version of the API is not supported";
    36 TOPIC_ALREADY_EXISTS = "a topic of this name exists";
    37 INVALID_PARTITIONS = "the number of partitions is not valid";
    38 INVALID_REPLICATION_FACTOR =
        "the replication factor is below 1, or above the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT = "the replica assignment is not valid";
    40 INVALID_CONFIG = "the configuration is not valid";
    41 NOT_CONTROLLER retriable = "this is not the active controller";
    42 INVALID_REQUEST = "the request contradicts itself or the protocol";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT = "the message format does not support the request";
    44 POLICY_VIOLATION = "the request violates a policy of the cluster";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER = "a sequence number is missing before that of the batch";
    46 DUPLICATE_SEQUENCE_NUMBER = "a batch of this sequence number has been appended already";
    47 INVALID_PRODUCER_EPOCH = "the epoch of the producer is old";
    48 INVALID_TXN_STATE = "the transaction is in a state that does not allow the operation";
    49 INVALID_PRODUCER_ID_MAPPING = "the producer id does not belong to the transactional id";
    50 INVALID_TRANSACTION_TIMEOUT = "the transaction timeout is longer than the broker allows";
    51 CONCURRENT_TRANSACTIONS retriable = "another change to the transaction is still under way";
    52 TRANSACTION_COORDINATOR_FENCED = "a newer coordinator has taken over the transaction";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED = "not authorised to use the transactional id";
    54 SECURITY_DISABLED = "security is not enabled";
    55 OPERATION_NOT_ATTEMPTED =
        "the operation was not attempted, as another one in the request failed";
    56 KAFKA_STORAGE_ERROR retriable = "the log directory of the partition has failed";
    57 LOG_DIR_NOT_FOUND = "the broker has no such log directory";
    58 SASL_AUTHENTICATION_FAILED = "SASL authentication failed";
    59 UNKNOWN_PRODUCER_ID = "nothing is known of the producer id any more";
    60 REASSIGNMENT_IN_PROGRESS = "a reassignment of the partition is under way";
    61 DELEGATION_TOKEN_AUTH_DISABLED = "delegation tokens are not enabled";
    62 DELEGATION_TOKEN_NOT_FOUND = "there is no such delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH = "the principal neither owns the token nor may renew it";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED =
        "delegation tokens cannot be managed over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED = "not authorised to use the delegation token";
    66 DELEGATION_TOKEN_EXPIRED = "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE = "the type of principal is not supported";
    68 NON_EMPTY_GROUP = "The group is not empty.";
    69 GROUP_ID_NOT_FOUND = "The group id does not exist.";
    70 FETCH_SESSION_ID_NOT_FOUND retriable = "there is no such fetch session";
    71 INVALID_FETCH_SESSION_EPOCH retriable = "the epoch of the fetch session is not the next one";
    72 LISTENER_NOT_FOUND retriable = "the leader has no listener like that of the request";
    73 TOPIC_DELETION_DISABLED = "topics cannot be deleted, as deletion is disabled";
    74 FENCED_LEADER_EPOCH retriable = "the leader epoch is older than that of the partition";
    75 UNKNOWN_LEADER_EPOCH retriable = "the leader epoch is newer than any the broker has seen";
    76 UNSUPPORTED_COMPRESSION_TYPE =
        "the client does not support the compression of the partition";
    77 STALE_BROKER_EPOCH = "the broker epoch is old";
    78 OFFSET_NOT_AVAILABLE retriable = "the high watermark of a new leader has not caught up yet";
    79 MEMBER_ID_REQUIRED = "join again with the member id in this answer";
    80 PREFERRED_LEADER_NOT_AVAILABLE retriable = "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED = "the group has as many members as it may have";
    82 FENCED_INSTANCE_ID = "another member has taken over the group instance id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE retriable = "no replica is eligible as leader";
    84 ELECTION_NOT_NEEDED retriable = "Leader election not needed for topic partition.";
    85 NO_REASSIGNMENT_IN_PROGRESS = "no reassignment of the partition is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC =
        "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.";
    87 INVALID_RECORD = "a record did not pass validation";
    88 UNSTABLE_OFFSET_COMMIT retriable = "offsets of open transactions have to be settled first";
    89 THROTTLING_QUOTA_EXCEEDED retriable = "a quota has been exceeded";
    90 PRODUCER_FENCED = "a newer producer uses the transactional id";
    91 RESOURCE_NOT_FOUND = "there is no such resource";
    92 DUPLICATE_RESOURCE = "a resource is named twice";
    93 UNACCEPTABLE_CREDENTIAL = "the credential does not meet the criteria";
    94 INCONSISTENT_VOTER_SET = "the voters of sender and receiver differ";
    95 INVALID_UPDATE_VERSION = "the update version is not valid";
    96 FEATURE_UPDATE_FAILED = "the features could not be updated";
    97 PRINCIPAL_DESERIALIZATION_FAILURE = "the forwarded principal could not be read";
    98 SNAPSHOT_NOT_FOUND = "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE = "the position is outside the snapshot";
    100 UNKNOWN_TOPIC_ID retriable = "This server does not host this topic ID.";
    101 DUPLICATE_BROKER_REGISTRATION = "another broker is registered under this id";
    102 BROKER_ID_NOT_REGISTERED = "no broker is registered under this id";
    103 INCONSISTENT_TOPIC_ID retriable = "the topic id is not that of the log";
    104 INCONSISTENT_CLUSTER_ID = "the cluster id is another one";
    105 TRANSACTIONAL_ID_NOT_FOUND = "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR retriable =
        "the fetch session mixes requests with and without topic ids";
    107 INELIGIBLE_REPLICA = "a replica cannot be in sync: it is fenced or shutting down";
    108 NEW_LEADER_ELECTED = "the partition was changed, and has another leader now";
    109 OFFSET_MOVED_TO_TIERED_STORAGE = "the offset has moved to tiered storage";
    110 FENCED_MEMBER_EPOCH = "the member epoch is fenced: give up all partitions and join again";
    111 UNRELEASED_INSTANCE_ID = "the group instance id is in use until its member leaves";
    112 UNSUPPORTED_ASSIGNOR = "the group does not support the assignor";
    113 STALE_MEMBER_EPOCH = "the member epoch is old: retry with the one from the next heartbeat";
    114 MISMATCHED_ENDPOINT_TYPE = "the request came to the wrong type of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE = "the type of endpoint is not supported";
    116 UNKNOWN_CONTROLLER_ID = "there is no such controller";
    117 UNKNOWN_SUBSCRIPTION_ID = "the telemetry subscription is not valid any more";
    118 TELEMETRY_TOO_LARGE = "the telemetry is larger than the broker accepts";
    119 INVALID_REGISTRATION = "the controller refuses the registration";
    120 TRANSACTION_ABORTABLE =
        "the transaction failed and has to be aborted; the transactional id stays usable";
    121 INVALID_RECORD_STATE = "the record is not in a state in which delivery can be acknowledged";
    122 SHARE_SESSION_NOT_FOUND retriable = "there is no such share session";
    123 INVALID_SHARE_SESSION_EPOCH retriable =
        "the epoch of the share session is not the next one";
    124 FENCED_STATE_EPOCH = "the state epoch is another one";
    125 INVALID_VOTER_KEY = "the voter key is not that of the receiver";
    126 DUPLICATE_VOTER = "the voter is in the set of voters already";
    127 VOTER_NOT_FOUND = "the voter is not in the set of voters";
    128 INVALID_REGULAR_EXPRESSION = "the regular expression is not valid";
    129 REBOOTSTRAP_REQUIRED = "the metadata of the client is stale: it has to bootstrap again";
    130 STREAMS_INVALID_TOPOLOGY = "the streams topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH = "the epoch of the streams topology is not valid";
    132 STREAMS_TOPOLOGY_FENCED = "a newer streams topology has taken over";
    133 SHARE_SESSION_LIMIT_REACHED retriable =
        "the broker has as many share sessions as it may have";
    134 GROUP_DELETION_FAILED = "the group could not be deleted";
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED =
        "the description of the streams topology could not be updated";
    136 CONTROLLER_ID_NOT_REGISTERED = "no controller is registered under this id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_contiguous_from_minus_one() {
        assert_eq!(ErrorCode::ALL.len(), 138);
        assert!(ErrorCode::ALL.iter().map(|code| code.0).eq(-1..=136));
    }

    #[test]
    fn a_code_of_a_later_kafka_can_be_passed_on() {
        let code = ErrorCode(9_999);

        assert!(code.is_error());
        assert!(!code.is_retriable());
        assert_eq!(code.to_string(), "error 9999");
    }
}
