//! DescribeLogDirs (key 35), versions 1-5: the log directories, and what lies in them.
//!
//! A null list asks for all partitions. Version 3 adds an error for the whole, 4 the size of the
//! volume (KIP-827), 5 tells cordoned directories (KIP-1066), where metadata.version knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::protocol::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::protocol::{ErrorCode, Str};
use crate::replication::manager::{DirDescription, LogDescription};

/// The partitions that are asked for, by topic.
type Wanted = BTreeMap<Str, BTreeSet<i32>>;

/// Answers with all directories. The file system is asked on a thread that may block.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let replicas = api.replicas().clone();
    let described = tokio::task::spawn_blocking(move || replicas.describe_log_dirs()).await;
    let Ok(dirs) = described else {
        return DescribeLogDirsResponse {
            error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
            ..DescribeLogDirsResponse::default()
        };
    };
    let wanted = request.topics.map(|topics| {
        let mut wanted = Wanted::new();
        for asked in topics {
            wanted
                .entry(asked.topic)
                .or_default()
                .extend(asked.partitions);
        }
        wanted
    });
    let knows_cordons = api.image().metadata_version().cordons_directories();
    let results = dirs.into_iter().map(|dir| DescribeLogDirsResult {
        is_cordoned: dir.is_cordoned && knows_cordons,
        ..result(dir, wanted.as_ref())
    });
    DescribeLogDirsResponse {
        results: results.collect(),
        ..DescribeLogDirsResponse::default()
    }
}

fn result(dir: DirDescription, wanted: Option<&Wanted>) -> DescribeLogDirsResult {
    let error_code = match dir.failure {
        Some(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        None => ErrorCode::NONE,
    };
    let is_wanted = |log: &LogDescription| {
        let partitions = wanted.map(|wanted| wanted.get(&*log.name.topic));
        partitions.is_none_or(|it| it.is_some_and(|it| it.contains(&log.name.partition)))
    };
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for log in dir.logs.into_iter().filter(is_wanted) {
        topics
            .entry(log.name.topic)
            .or_default()
            .push(DescribeLogDirsPartition {
                partition_index: log.name.partition,
                partition_size: i64::try_from(log.size).unwrap_or(i64::MAX),
                offset_lag: log.offset_lag,
                is_future_key: log.is_future,
            });
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| DescribeLogDirsTopic {
            name: Str::copy_from(&name),
            partitions,
        });
    DescribeLogDirsResult {
        error_code,
        log_dir: Str::from(dir.path.to_string_lossy().into_owned()),
        topics: topics.collect(),
        total_bytes: dir.total_bytes,
        usable_bytes: dir.usable_bytes,
        ..DescribeLogDirsResult::default()
    }
}
