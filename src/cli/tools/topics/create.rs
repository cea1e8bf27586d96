//! Creating topics, and adding partitions to them.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use super::TopicsArguments;
use crate::cli::tools::admin::{accepted, not_controller, timeout_ms};
use crate::cli::tools::ending::Ending;
use crate::client::{Cluster, To};
use crate::protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::{ErrorCode, Str};

const COLLISION: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore \
    ('_') could collide. To avoid issues it is best to use either, but not both.";

/// Creates the topic.
pub(super) async fn create(
    arguments: &TopicsArguments,
    cluster: &mut Cluster,
) -> Result<(), Ending> {
    let name = arguments.topic.as_deref().unwrap_or_default();
    let topic = new_topic(arguments, name)?;
    if name.contains(['.', '_']) {
        writeln!(io::stdout(), "{COLLISION}")?;
    }
    check_counts(arguments)?;
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: timeout_ms(cluster),
        validate_only: false,
    };
    let answer = cluster
        .ask_until(To::Controller, &request, |answer| {
            not_controller(answer.topics.iter().map(|topic| topic.error_code))
        })
        .await?;
    for result in answer.topics {
        let is_there = result.error_code == ErrorCode::TOPIC_ALREADY_EXISTS;
        if is_there && arguments.if_not_exists {
            continue;
        }
        accepted(result.error_code, result.error_message)?;
        writeln!(io::stdout(), "Created topic {name}.")?;
    }
    Ok(())
}

fn check_counts(arguments: &TopicsArguments) -> Result<(), Ending> {
    let is_factor = |factor| (1..=i32::from(i16::MAX)).contains(&factor);
    if arguments
        .replication_factor
        .is_some_and(|it| !is_factor(it))
    {
        return Err(Ending::Failed(format!(
            "The replication factor must be between 1 and {} inclusive",
            i16::MAX
        )));
    }
    if arguments.partitions.is_some_and(|count| count < 1) {
        let reason = "The partitions must be greater than 0";
        return Err(Ending::Failed(reason.to_owned()));
    }
    Ok(())
}

fn new_topic(arguments: &TopicsArguments, name: &str) -> Result<CreatableTopic, Ending> {
    let assignments = assignment(arguments)?;
    let has_assignment = !assignments.is_empty();
    let unless_assigned = |count: Option<i32>| match count {
        Some(count) if !has_assignment => count,
        _ => -1,
    };
    let factor = unless_assigned(arguments.replication_factor);
    let assignments = assignments.into_iter().zip(0..);
    let configs = configs(arguments)?.into_iter();
    Ok(CreatableTopic {
        name: Str::copy_from(name),
        num_partitions: unless_assigned(arguments.partitions),
        // Beyond the range it is refused before it is sent.
        replication_factor: i16::try_from(factor).unwrap_or(-1),
        assignments: assignments
            .map(|(broker_ids, partition_index)| CreatableReplicaAssignment {
                partition_index,
                broker_ids,
            })
            .collect(),
        configs: configs
            .map(|(name, value)| CreatableTopicConfig {
                name: name.into(),
                value: Some(value.into()),
            })
            .collect(),
    })
}

fn configs(arguments: &TopicsArguments) -> Result<BTreeMap<String, String>, Ending> {
    let mut configs = BTreeMap::new();
    for pair in &arguments.config {
        let (name, value) = pair
            .split_once('=')
            .filter(|(_, value)| !value.trim().is_empty() && !value.contains('='))
            .ok_or_else(|| {
                Ending::Failed(
                    "requirement failed: Invalid topic config: all configs to be added must be in the format \
                     \"key=val\"."
                        .to_owned(),
                )
            })?;
        configs.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(configs)
}

/// The brokers of each partition, in order; none without an assignment.
fn assignment(arguments: &TopicsArguments) -> Result<Vec<Vec<i32>>, Ending> {
    let Some(text) = arguments.replica_assignment.as_deref() else {
        return Ok(Vec::new());
    };
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (index, brokers) in text.split(',').filter(|part| !part.is_empty()).enumerate() {
        let mut ids: Vec<i32> = Vec::new();
        for id in brokers.split(':') {
            let no_id = |_| Ending::Failed(format!("For input string: \"{}\"", id.trim()));
            let id = id.trim().parse().map_err(no_id)?;
            if ids.contains(&id) {
                return Err(Ending::Failed(format!(
                    "Partition replica lists may not contain duplicate entries: {id}"
                )));
            }
            ids.push(id);
        }
        if partitions
            .first()
            .is_some_and(|first| first.len() != ids.len())
        {
            return Err(Ending::Failed(format!(
                "Partition {index} has different replication factor: {ids:?}"
            )));
        }
        partitions.push(ids);
    }
    Ok(partitions)
}

/// Makes topics have as many partitions as the arguments say.
pub(super) async fn add_partitions(
    arguments: &TopicsArguments,
    cluster: &mut Cluster,
    topics: &[Str],
) -> Result<(), Ending> {
    let all = assignment(arguments)?;
    let count = arguments.partitions.unwrap_or_default();
    let topic = |name: &Str| {
        let there = cluster
            .known(name)
            .map_or(0, |topic| topic.partitions.len());
        let new = all.iter().skip(there).cloned();
        let new = new.map(|broker_ids| CreatePartitionsAssignment { broker_ids });
        CreatePartitionsTopic {
            name: name.clone(),
            count,
            assignments: (!all.is_empty()).then(|| new.collect()),
        }
    };
    let request = CreatePartitionsRequest {
        topics: topics.iter().map(topic).collect(),
        timeout_ms: timeout_ms(cluster),
        validate_only: false,
    };
    let answer = cluster
        .ask_until(To::Controller, &request, |answer| {
            not_controller(answer.results.iter().map(|topic| topic.error_code))
        })
        .await?;
    for result in answer.results {
        accepted(result.error_code, result.error_message)?;
    }
    Ok(())
}
