//! The table of all live APIs of Kafka 4.4: key, name, versions, first flexible version, listeners.
//!
//! This table says what each API is; the route table in `api` says what a listener advertises.

use std::fmt;
use std::ops::RangeInclusive;

use super::DecodeError;

/// The listeners that serve an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerSet {
    /// The listeners of brokers only.
    Broker,
    /// The listeners of controllers only.
    Controller,
    /// The listeners of brokers and of controllers.
    Both,
}

struct Entry {
    name: &'static str,
    versions: RangeInclusive<i16>,
    first_flexible: Option<i16>,
    listeners: ListenerSet,
    is_forwarded: bool,
}

/// Declares the APIs, a row each: key, name, versions, first flexible version, listeners, and
/// whether a broker forwards requests to the active controller.
macro_rules! api_keys {
    (@flexible never) => { None };
    (@flexible $version:literal) => { Some($version) };
    (@forwarded forwarded) => { true };
    (@forwarded) => { false };
    ($($key:literal $name:ident: $min:literal - $max:literal, $flexible:tt, $listeners:ident $(, $forwarded:ident)?;)*) => {
        /// An API of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[allow(missing_docs, reason = "each is described in the file of its messages")]
        pub enum ApiKey {
            $($name = $key,)*
        }

        impl ApiKey {
            /// All APIs in the order of their keys.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn entry(self) -> Entry {
                match self {
                    $(
                        Self::$name => Entry {
                            name: stringify!($name),
                            versions: $min..=$max,
                            first_flexible: api_keys!(@flexible $flexible),
                            listeners: ListenerSet::$listeners,
                            is_forwarded: api_keys!(@forwarded $($forwarded)?),
                        },
                    )*
                }
            }
        }

        impl TryFrom<i16> for ApiKey {
            type Error = DecodeError;

            fn try_from(key: i16) -> Result<Self, DecodeError> {
                match key {
                    $($key => Ok(Self::$name),)*
                    _ => Err(DecodeError::UnknownApiKey(key)),
                }
            }
        }
    };
}

impl ApiKey {
    /// Kafka's name of the API.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The versions that requests may have. (Produce is advertised from 0 on; see its messages.)
    pub fn valid_versions(self) -> RangeInclusive<i16> {
        self.entry().versions
    }

    /// The first version with compact lengths and tagged fields, if there is one.
    pub fn first_flexible(self) -> Option<i16> {
        self.entry().first_flexible
    }

    /// The listeners that serve the API.
    pub fn listeners(self) -> ListenerSet {
        self.entry().listeners
    }

    /// Whether a broker forwards the API's requests to the active controller, in an Envelope.
    pub fn is_forwarded(self) -> bool {
        self.entry().is_forwarded
    }

    /// Whether requests of this version are flexible.
    pub fn is_flexible(self, version: i16) -> bool {
        self.first_flexible().is_some_and(|first| version >= first)
    }

    /// The version of the header of responses: 1 in flexible versions. ApiVersions always has 0, because
    /// its client does not know yet what the broker understands.
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && self.is_flexible(version))
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

api_keys! {
    0 Produce: 3-13, 9, Broker;
    1 Fetch: 4-18, 12, Both;
    2 ListOffsets: 1-11, 6, Broker;
    3 Metadata: 0-13, 9, Broker;
    8 OffsetCommit: 2-10, 8, Broker;
    9 OffsetFetch: 1-10, 6, Broker;
    10 FindCoordinator: 0-6, 3, Broker;
    11 JoinGroup: 0-9, 6, Broker;
    12 Heartbeat: 0-4, 4, Broker;
    13 LeaveGroup: 0-5, 4, Broker;
    14 SyncGroup: 0-5, 4, Broker;
    15 DescribeGroups: 0-6, 5, Broker;
    16 ListGroups: 0-5, 3, Broker;
    17 SaslHandshake: 0-1, never, Both;
    18 ApiVersions: 0-5, 3, Both;
    19 CreateTopics: 2-7, 5, Both, forwarded;
    20 DeleteTopics: 1-6, 4, Both, forwarded;
    21 DeleteRecords: 0-2, 2, Broker;
    22 InitProducerId: 0-5, 2, Broker;
    23 OffsetForLeaderEpoch: 2-4, 4, Broker;
    24 AddPartitionsToTxn: 0-5, 3, Broker;
    25 AddOffsetsToTxn: 0-4, 3, Broker;
    26 EndTxn: 0-5, 3, Broker;
    27 WriteTxnMarkers: 1-2, 1, Broker;
    28 TxnOffsetCommit: 0-6, 3, Broker;
    29 DescribeAcls: 1-3, 2, Both;
    30 CreateAcls: 1-3, 2, Both, forwarded;
    31 DeleteAcls: 1-3, 2, Both, forwarded;
    32 DescribeConfigs: 1-4, 4, Both;
    33 AlterConfigs: 0-2, 2, Both, forwarded;
    34 AlterReplicaLogDirs: 1-2, 2, Broker;
    35 DescribeLogDirs: 1-5, 2, Broker;
    36 SaslAuthenticate: 0-2, 2, Both;
    37 CreatePartitions: 0-3, 2, Both, forwarded;
    38 CreateDelegationToken: 1-3, 2, Both, forwarded;
    39 RenewDelegationToken: 1-2, 2, Both, forwarded;
    40 ExpireDelegationToken: 1-2, 2, Both, forwarded;
    41 DescribeDelegationToken: 1-3, 2, Both;
    42 DeleteGroups: 0-3, 2, Broker;
    43 ElectLeaders: 0-2, 2, Both, forwarded;
    44 IncrementalAlterConfigs: 0-1, 1, Both, forwarded;
    45 AlterPartitionReassignments: 0-1, 0, Both, forwarded;
    46 ListPartitionReassignments: 0-0, 0, Both, forwarded;
    47 OffsetDelete: 0-0, never, Broker;
    48 DescribeClientQuotas: 0-1, 1, Broker;
    49 AlterClientQuotas: 0-1, 1, Both, forwarded;
    50 DescribeUserScramCredentials: 0-0, 0, Both;
    51 AlterUserScramCredentials: 0-0, 0, Both, forwarded;
    52 Vote: 0-2, 0, Controller;
    53 BeginQuorumEpoch: 0-1, 1, Controller;
    54 EndQuorumEpoch: 0-1, 1, Controller;
    55 DescribeQuorum: 0-2, 0, Both, forwarded;
    56 AlterPartition: 2-3, 0, Controller;
    57 UpdateFeatures: 0-2, 0, Both, forwarded;
    58 Envelope: 0-0, 0, Controller;
    59 FetchSnapshot: 0-1, 0, Controller;
    60 DescribeCluster: 0-2, 0, Both;
    61 DescribeProducers: 0-0, 0, Broker;
    62 BrokerRegistration: 0-4, 0, Controller;
    63 BrokerHeartbeat: 0-2, 0, Controller;
    64 UnregisterBroker: 0-0, 0, Both, forwarded;
    65 DescribeTransactions: 0-0, 0, Broker;
    66 ListTransactions: 0-2, 0, Broker;
    67 AllocateProducerIds: 0-0, 0, Controller, forwarded;
    68 ConsumerGroupHeartbeat: 0-1, 0, Broker;
    69 ConsumerGroupDescribe: 0-1, 0, Broker;
    70 ControllerRegistration: 0-0, 0, Controller;
    71 GetTelemetrySubscriptions: 0-0, 0, Broker;
    72 PushTelemetry: 0-0, 0, Broker;
    73 AssignReplicasToDirs: 0-0, 0, Controller;
    74 ListConfigResources: 0-1, 0, Broker;
    75 DescribeTopicPartitions: 0-0, 0, Broker;
    76 ShareGroupHeartbeat: 1-1, 0, Broker;
    77 ShareGroupDescribe: 1-1, 0, Broker;
    78 ShareFetch: 1-2, 0, Broker;
    79 ShareAcknowledge: 1-2, 0, Broker;
    80 AddRaftVoter: 0-1, 0, Both, forwarded;
    81 RemoveRaftVoter: 0-0, 0, Both, forwarded;
    82 UpdateRaftVoter: 0-0, 0, Controller;
    83 InitializeShareGroupState: 0-0, 0, Broker;
    84 ReadShareGroupState: 0-0, 0, Broker;
    85 WriteShareGroupState: 0-1, 0, Broker;
    86 DeleteShareGroupState: 0-0, 0, Broker;
    87 ReadShareGroupStateSummary: 0-1, 0, Broker;
    88 StreamsGroupHeartbeat: 0-1, 0, Broker;
    89 StreamsGroupDescribe: 0-1, 0, Broker;
    90 DescribeShareGroupOffsets: 0-1, 0, Broker;
    91 AlterShareGroupOffsets: 0-0, 0, Broker;
    92 DeleteShareGroupOffsets: 0-0, 0, Broker;
    93 StreamsGroupTopologyDescriptionUpdate: 0-0, 0, Broker;
    94 UnregisterController: 0-0, 0, Both, forwarded;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_zookeeper_needed_are_gone() {
        assert_eq!(ApiKey::ALL.len(), 91);
        for key in [-1, 4, 5, 6, 7, 95] {
            assert_eq!(ApiKey::try_from(key), Err(DecodeError::UnknownApiKey(key)));
        }
    }

    #[test]
    fn api_versions_is_answered_with_the_old_header() {
        assert_eq!(ApiKey::ApiVersions.response_header_version(3), 0);
        assert_eq!(ApiKey::Metadata.response_header_version(8), 0);
        assert_eq!(ApiKey::Metadata.response_header_version(9), 1);
        assert_eq!(ApiKey::SaslHandshake.response_header_version(1), 0);
    }
}
