//! StreamsGroupTopologyDescriptionUpdate (key 93), version 0 (KIP-1331, since Kafka 4.4).
//!
//! A member of a streams group tells the broker what its topology looks like, for people to see.

use crate::protocol::{ErrorCode, Str};

api!(StreamsGroupTopologyDescriptionUpdate: StreamsGroupTopologyDescriptionUpdateRequest -> StreamsGroupTopologyDescriptionUpdateResponse);

message! {
    StreamsGroupTopologyDescriptionUpdateRequest: versions 0, first flexible 0;

    pub struct StreamsGroupTopologyDescriptionUpdateRequest {
        group_id: Str,
        member_id: Str,
        topology_epoch: i32,
        topology_description: TopologyDescription,
    }

    pub struct TopologyDescription {
        subtopologies: Vec<TopologyDescriptionSubtopology>,
        global_stores: Vec<TopologyDescriptionGlobalStore>,
    }

    pub struct TopologyDescriptionSubtopology {
        subtopology_id: Str,
        nodes: Vec<TopologyDescriptionNode>,
    }

    pub struct TopologyDescriptionNode {
        name: Str,
        /// 1 source, 2 processor, 3 sink.
        node_type: i8,
        source_topics: Vec<Str>,
        sink_topic: Option<Str>,
        stores: Vec<Str>,
        successors: Vec<Str>,
    }

    pub struct TopologyDescriptionGlobalStore {
        source: TopologyDescriptionNode,
        processor: TopologyDescriptionNode,
    }
}

message! {
    StreamsGroupTopologyDescriptionUpdateResponse: versions 0, first flexible 0;

    pub struct StreamsGroupTopologyDescriptionUpdateResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
