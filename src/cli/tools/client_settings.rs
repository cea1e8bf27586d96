//! What settings say of producers and consumers, by the names and with the defaults of Kafka's clients.

use std::time::Duration;

use regex::Regex;

use super::ending::Ending;
use super::options::Properties;
use crate::client::{
    Assignor, BatchLimits, ConsumerSettings, GroupSettings, ProducerSettings, Start, Subscription,
};
use crate::protocol::Str;
use crate::records::{Compression, CompressionSetting};

/// Batches of one partition in flight: a broker knows the last five of a producer again.
const IN_FLIGHT: u64 = 5;
const DELIVERY_TIMEOUT_MS: u64 = 120_000;
const MAX_REQUEST_SIZE: u64 = 1_048_576;
const MAX_WAIT_MS: u64 = 500;
const MAX_BYTES: u64 = 52_428_800;
const PARTITION_MAX_BYTES: u64 = 1_048_576;
const SESSION_TIMEOUT_MS: u64 = 45_000;
const HEARTBEAT_INTERVAL_MS: u64 = 3_000;
const MAX_POLL_INTERVAL_MS: u64 = 300_000;
const COMMIT_INTERVAL_MS: u64 = 5_000;
/// How soon new topics and partitions are seen, in ms.
pub(super) const METADATA_AGE_MS: u64 = 300_000;

/// What holds of a producer where settings do not say otherwise. Acks and codec are not asked of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProducerDefaults {
    pub(super) acks: i16,
    pub(super) compression: Compression,
    pub(super) retries: u64,
    pub(super) batch_size: u64,
    pub(super) linger_ms: u64,
    pub(super) buffer_memory: u64,
    pub(super) max_block_ms: u64,
    pub(super) retry_backoff_ms: u64,
}

/// How a producer works.
///
/// # Errors
/// A value is none, or contradicts another.
pub(super) fn producer(
    properties: &Properties,
    usual: &ProducerDefaults,
) -> Result<ProducerSettings, Ending> {
    let number =
        |key, usual| -> Result<u64, Ending> { Ok(properties.number(key)?.unwrap_or(usual)) };
    let time = |key, usual| milliseconds(properties, key, usual);
    let size =
        |key, usual| number(key, usual).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    let retries = number("retries", usual.retries)?;
    let wants_idempotence = properties.is_true("enable.idempotence");
    if wants_idempotence == Some(true) && usual.acks != -1 {
        return Err(Ending::Failed(
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."
                .to_owned(),
        ));
    }
    Ok(ProducerSettings {
        acks: usual.acks,
        is_idempotent: wants_idempotence.unwrap_or(usual.acks == -1 && retries > 0),
        limits: BatchLimits {
            batch_size: size("batch.size", usual.batch_size)?,
            linger: time("linger.ms", usual.linger_ms)?,
            in_flight: size("max.in.flight.requests.per.connection", IN_FLIGHT)?
                .clamp(1, IN_FLIGHT as usize),
            compression: CompressionSetting::new(usual.compression),
        },
        buffer_memory: size("buffer.memory", usual.buffer_memory)?,
        max_request_size: size("max.request.size", MAX_REQUEST_SIZE)?,
        max_block: time("max.block.ms", usual.max_block_ms)?,
        retries: u32::try_from(retries).unwrap_or(u32::MAX),
        retry_backoff: time("retry.backoff.ms", usual.retry_backoff_ms)?,
        delivery_timeout: time("delivery.timeout.ms", DELIVERY_TIMEOUT_MS)?,
        tells_arrivals: false,
    })
}

/// Who must have a batch: 0 nobody, 1 the leader, -1 or all every replica in sync.
///
/// # Errors
/// The text is none of these.
pub(super) fn acks(text: &str) -> Result<i16, Ending> {
    match text.trim() {
        "0" => Ok(0),
        "1" => Ok(1),
        "-1" | "all" => Ok(-1),
        other => Err(Ending::Failed(format!(
            "Invalid value {other} for configuration acks: String must be one of: all, -1, 0, 1"
        ))),
    }
}

/// How a consumer works; `isolation_level` goes before that of the settings.
///
/// # Errors
/// A value is none.
pub(super) fn consumer(
    properties: &Properties,
    isolation_level: Option<&str>,
    reset: Option<Start>,
) -> Result<ConsumerSettings, Ending> {
    let number = |key, usual| -> Result<i32, Ending> {
        let number = properties.number(key)?.unwrap_or(usual);
        Ok(i32::try_from(number).unwrap_or(i32::MAX))
    };
    let level = isolation_level.or(properties.get("isolation.level"));
    let is_committed_only = match level
        .unwrap_or("read_uncommitted")
        .to_ascii_lowercase()
        .as_str()
    {
        "read_uncommitted" => false,
        "read_committed" => true,
        other => {
            return Err(Ending::Failed(format!(
                "Invalid value {other} for configuration isolation.level: String must be one of: read_committed, \
                 read_uncommitted"
            )));
        }
    };
    Ok(ConsumerSettings {
        is_committed_only,
        reset,
        max_wait: milliseconds(properties, "fetch.max.wait.ms", MAX_WAIT_MS)?,
        min_bytes: number("fetch.min.bytes", 1)?,
        max_bytes: number("fetch.max.bytes", MAX_BYTES)?,
        partition_max_bytes: number("max.partition.fetch.bytes", PARTITION_MAX_BYTES)?,
    })
}

/// How a member of a group takes part.
///
/// # Errors
/// A value is none, or names an assignor that is not known.
pub(super) fn group(
    properties: &Properties,
    group: String,
    subscription: Subscription,
) -> Result<GroupSettings, Ending> {
    let time = |key, usual| milliseconds(properties, key, usual);
    let commits = properties.is_true("enable.auto.commit").unwrap_or(true);
    let interval = time("auto.commit.interval.ms", COMMIT_INTERVAL_MS)?;
    Ok(GroupSettings {
        group,
        instance: properties.get("group.instance.id").map(str::to_owned),
        session_timeout: time("session.timeout.ms", SESSION_TIMEOUT_MS)?,
        rebalance_timeout: time("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)?,
        heartbeat_interval: time("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS)?,
        commit_interval: commits.then_some(interval),
        metadata_age: time("metadata.max.age.ms", METADATA_AGE_MS)?,
        assignors: assignors(properties)?,
        subscription,
    })
}

fn assignors(properties: &Properties) -> Result<Vec<Assignor>, Ending> {
    let usual = "range,cooperative-sticky";
    let names = properties
        .get("partition.assignment.strategy")
        .unwrap_or(usual);
    let assignor = |name: &str| {
        let unknown = || {
            Ending::Failed(format!(
                "{name} is an assignor that this tool does not know"
            ))
        };
        Assignor::of(name).ok_or_else(unknown)
    };
    names.split(',').map(assignor).collect()
}

/// A topic, or those whose whole names match an expression.
///
/// # Errors
/// It is no expression.
pub(super) fn subscription(
    topic: Option<&str>,
    include: Option<&str>,
) -> Result<Subscription, Ending> {
    if let Some(topic) = topic {
        return Ok(Subscription::Topics(vec![Str::copy_from(topic)]));
    }
    let expression = include.unwrap_or_default();
    let pattern = Regex::new(&format!("^(?:{expression})$"));
    let invalid = |_| Ending::Failed(format!("{expression} is an invalid regex."));
    Ok(Subscription::Pattern(pattern.map_err(invalid)?))
}

/// A time.
///
/// # Errors
/// The text is no number.
pub(super) fn milliseconds(
    properties: &Properties,
    key: &str,
    usual: u64,
) -> Result<Duration, Ending> {
    Ok(Duration::from_millis(
        properties.number(key)?.unwrap_or(usual),
    ))
}
