//! DescribeCluster (key 60), versions 0-2.
//!
//! Tells the cluster id, the controller and the brokers (or controllers).

use crate::protocol::{ErrorCode, Str};

api!(DescribeCluster: DescribeClusterRequest -> DescribeClusterResponse);

message! {
    DescribeClusterRequest: versions 0-2, first flexible 0;

    pub struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool,
        endpoint_type: i8 [1+] = 1,
        include_fenced_brokers: bool [2+],
    }
}

message! {
    DescribeClusterResponse: versions 0-2, first flexible 0;

    pub struct DescribeClusterResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        endpoint_type: i8 [1+] = 1,
        cluster_id: Str,
        controller_id: i32 = -1,
        brokers: Vec<DescribeClusterBroker>,
        cluster_authorized_operations: i32 = i32::MIN,
    }

    pub struct DescribeClusterBroker {
        broker_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str>,
        is_fenced: bool [2+],
    }
}
