//! DescribeLogDirs (key 35), versions 1-5.
//!
//! Tells the log directories of a broker, and the size of each replica in them.
//!
//! Versions: 5 tells whether a directory is cordoned.

use crate::protocol::{ErrorCode, Str};

api!(DescribeLogDirs: DescribeLogDirsRequest -> DescribeLogDirsResponse);

message! {
    DescribeLogDirsRequest: versions 1-5, first flexible 2;

    pub struct DescribeLogDirsRequest {
        topics: Option<Vec<DescribableLogDirTopic>>,
    }

    pub struct DescribableLogDirTopic {
        topic: Str,
        partitions: Vec<i32>,
    }
}

message! {
    DescribeLogDirsResponse: versions 1-5, first flexible 2;

    pub struct DescribeLogDirsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode [3+],
        results: Vec<DescribeLogDirsResult>,
    }

    pub struct DescribeLogDirsResult {
        error_code: ErrorCode,
        log_dir: Str,
        topics: Vec<DescribeLogDirsTopic>,
        total_bytes: i64 [4+] = -1,
        usable_bytes: i64 [4+] = -1,
        is_cordoned: bool [5+],
    }

    pub struct DescribeLogDirsTopic {
        name: Str,
        partitions: Vec<DescribeLogDirsPartition>,
    }

    pub struct DescribeLogDirsPartition {
        partition_index: i32,
        partition_size: i64,
        offset_lag: i64,
        is_future_key: bool,
    }
}
