//! What groups have committed, where partitions begin and end, and which partitions topics have.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::tools::exception::Exception;
use crate::client::{Cluster, ClusterError, PartitionKey, To, offset_commit, offsets_at};
use crate::protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use crate::protocol::{ErrorCode, Request, Str};

/// The last version of OffsetCommit and of OffsetFetch that names topics; later ones have ids.
const LAST_WITH_NAMES: i16 = 9;

/// The timestamps that stand for the beginning and the end of a partition.
pub(super) const EARLIEST: i64 = -2;
pub(super) const LATEST: i64 = -1;

/// An offset for each of some partitions.
pub(super) type Offsets = BTreeMap<PartitionKey, i64>;

/// What a group has committed of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) leader_epoch: Option<i32>,
}

/// Asks the coordinator of a group. What is worth another attempt is only that it is another one, or not ready.
///
/// # Errors
/// As [`Cluster::ask`].
pub(super) async fn ask_group<R: Request>(
    cluster: &mut Cluster,
    group: &str,
    request: &R,
    last_version: i16,
    codes: impl Fn(&R::Response) -> Vec<ErrorCode>,
) -> Result<R::Response, ClusterError> {
    let versions = R::KEY.valid_versions();
    let versions = *versions.start()..=last_version.min(*versions.end());
    let passing = |answer: &R::Response| {
        let mut codes = codes(answer).into_iter();
        let passes = |code: &ErrorCode| {
            [
                ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                ErrorCode::COORDINATOR_NOT_AVAILABLE,
                ErrorCode::NOT_COORDINATOR,
            ]
            .contains(code)
        };
        codes.find(passes).unwrap_or(ErrorCode::NONE)
    };
    let asked = cluster.ask_within(To::Group(group), request, &versions, passing);
    asked.await.map_err(|error| match error {
        // Kafka's client waits for the coordinator before it knows whom to ask.
        ClusterError::TimedOut { last, .. } => ClusterError::TimedOut {
            call: "findCoordinator".to_owned(),
            last,
        },
        error => error,
    })
}

/// What a group has committed; nothing if there is no such group.
pub(super) async fn committed(
    cluster: &mut Cluster,
    group: &str,
) -> Result<BTreeMap<PartitionKey, Committed>, Exception> {
    let group_id = Str::copy_from(group);
    let request = OffsetFetchRequest {
        group_id: group_id.clone(),
        topics: None,
        groups: vec![OffsetFetchRequestGroup {
            group_id,
            topics: None,
            ..OffsetFetchRequestGroup::default()
        }],
        require_stable: false,
    };
    let answer = ask_group(cluster, group, &request, LAST_WITH_NAMES, |answer| {
        let of_groups = answer.groups.iter().map(|group| group.error_code);
        std::iter::once(answer.error_code)
            .chain(of_groups)
            .collect()
    })
    .await?;
    let mut found = BTreeMap::new();
    let mut note = |topic: &Str, partition, code: ErrorCode, offset, epoch| {
        if !code.is_error() && offset >= 0 {
            let committed = Committed {
                offset,
                leader_epoch: Some(epoch).filter(|epoch| *epoch >= 0),
            };
            found.insert((topic.clone(), partition), committed);
        }
    };
    let mut code = answer.error_code;
    for topic in answer.topics {
        for it in topic.partitions {
            note(
                &topic.name,
                it.partition_index,
                it.error_code,
                it.committed_offset,
                it.committed_leader_epoch,
            );
        }
    }
    for group in answer.groups {
        code = group.error_code;
        for topic in group.topics {
            for it in topic.partitions {
                note(
                    &topic.name,
                    it.partition_index,
                    it.error_code,
                    it.committed_offset,
                    it.committed_leader_epoch,
                );
            }
        }
    }
    if code.is_error() {
        return Err(Exception::refused(code, None));
    }
    Ok(found)
}

/// Commits offsets for a group that has no members.
pub(super) async fn commit(
    cluster: &mut Cluster,
    group: &str,
    offsets: &Offsets,
) -> Result<(), Exception> {
    let request = offset_commit(Str::copy_from(group), offsets);
    let answer = ask_group(cluster, group, &request, LAST_WITH_NAMES, |answer| {
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|it| it.error_code).collect()
    })
    .await?;
    let mut failed = Vec::new();
    let mut first = None;
    for topic in answer.topics {
        for it in topic.partitions {
            if it.error_code.is_error() {
                failed.push(format!("{}-{}", topic.name, it.partition_index));
                first = first.or(Some(it.error_code));
            }
        }
    }
    match first {
        None => Ok(()),
        Some(code) => Err(Exception::refused(
            code,
            Some(Str::from(format!(
                "Failed altering consumer group offsets for the following partitions: [{}]",
                failed.join(", ")
            ))),
        )),
    }
}

/// The partitions of a topic, each with whether it has a leader.
pub(super) type Partitions = BTreeMap<i32, bool>;

/// The partitions of topics, or why one is not told of.
///
/// # Errors
/// The cluster does not answer.
pub(super) async fn topics(
    cluster: &mut Cluster,
    names: &BTreeSet<Str>,
) -> Result<BTreeMap<Str, Result<Partitions, Exception>>, Exception> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<Str> = names.iter().cloned().collect();
    let answer = cluster.refresh(Some(&names), false).await?;
    let topics = answer.topics.into_iter().map(|topic| {
        let name = topic.name.unwrap_or_default();
        if topic.error_code.is_error() {
            return (name, Err(Exception::refused(topic.error_code, None)));
        }
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|it| (it.partition_index, it.leader_id >= 0));
        (name, Ok(partitions.collect()))
    });
    Ok(topics.collect())
}

/// All partitions of the topics that these are of, each with whether it has a leader.
///
/// # Errors
/// One of the topics is not there, or the cluster does not answer.
pub(super) async fn siblings<'a>(
    cluster: &mut Cluster,
    keys: impl Iterator<Item = &'a PartitionKey>,
) -> Result<BTreeMap<PartitionKey, bool>, Exception> {
    let names = keys.map(|(topic, _)| topic.clone()).collect();
    let mut all = BTreeMap::new();
    for (topic, partitions) in topics(cluster, &names).await? {
        let partitions = partitions?.into_iter();
        all.extend(
            partitions.map(|(partition, has_leader)| ((topic.clone(), partition), has_leader)),
        );
    }
    Ok(all)
}

/// The offsets of partitions at a time, [`EARLIEST`] or [`LATEST`]; a partition without a record from that time on
/// has none.
pub(super) async fn offsets_of(
    cluster: &mut Cluster,
    keys: impl Iterator<Item = PartitionKey>,
    timestamp: i64,
) -> Result<Offsets, Exception> {
    let wanted: Offsets = keys.map(|key| (key, timestamp)).collect();
    let found = offsets_at(cluster, wanted, false).await?;
    match found.refused.into_iter().next() {
        None => Ok(found.found),
        Some(((topic, partition), ErrorCode::LEADER_NOT_AVAILABLE)) => Err(Exception::timeout(
            format!("Timed out waiting for a leader of {topic}-{partition}"),
        )),
        Some((_, code)) => Err(Exception::refused(code, None)),
    }
}
