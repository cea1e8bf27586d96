//! What the arguments of the console producer say of the producer. Where a flag and a setting mean the same, the
//! flag wins if it is given, then the setting, then the flag's default.

use std::time::Duration;

use super::ProducerArguments;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::client::{BatchLimits, ClusterOptions, ProducerSettings};
use crate::records::{Compression, CompressionSetting};

/// Batches of one partition in flight: a broker knows the last five of a producer again.
const IN_FLIGHT: u64 = 5;
const DELIVERY_TIMEOUT_MS: u64 = 120_000;
const MAX_REQUEST_SIZE: u64 = 1_048_576;

/// Where the cluster is, and how the producer works.
pub(super) fn of(
    arguments: &ProducerArguments,
) -> Result<(ClusterOptions, ProducerSettings), Ending> {
    let files = [&arguments.command_config, &arguments.producer_config];
    let file = files.into_iter().flatten().next();
    let mut properties = match file {
        Some(file) => Properties::of_file(file)?,
        None => Properties::default(),
    };
    properties.add(&arguments.producer_property);
    properties.add(&arguments.command_property);

    let number =
        |key, usual| -> Result<u64, Ending> { Ok(properties.number(key)?.unwrap_or(usual)) };
    let time = |key, usual| number(key, usual).map(Duration::from_millis);
    let size =
        |key, usual| number(key, usual).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    let batch_size = arguments.max_partition_memory_bytes;
    let batch_size = u64::from(batch_size.unwrap_or(arguments.batch_size));
    let acks = acks(properties.get("acks"), &arguments.request_required_acks)?;
    let retries = number("retries", u64::from(arguments.message_send_max_retries))?;
    let wants_idempotence = properties.is_true("enable.idempotence");
    if wants_idempotence == Some(true) && acks != -1 {
        return Err(Ending::Failed(
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."
                .to_owned(),
        ));
    }
    let servers = arguments.bootstrap_server.as_deref().unwrap_or_default();
    let mut options = properties.cluster(servers, "console-producer")?;
    options.request_timeout = time("request.timeout.ms", arguments.request_timeout_ms)?;
    let settings = ProducerSettings {
        acks,
        is_idempotent: wants_idempotence.unwrap_or(acks == -1 && retries > 0),
        limits: BatchLimits {
            batch_size: size("batch.size", batch_size)?,
            linger: time("linger.ms", arguments.timeout)?,
            in_flight: size("max.in.flight.requests.per.connection", IN_FLIGHT)?
                .clamp(1, IN_FLIGHT as usize),
            compression: compression(arguments)?,
        },
        buffer_memory: size("buffer.memory", arguments.max_memory_bytes)?,
        max_request_size: size("max.request.size", MAX_REQUEST_SIZE)?,
        max_block: time("max.block.ms", arguments.max_block_ms)?,
        retries: u32::try_from(retries).unwrap_or(u32::MAX),
        retry_backoff: time("retry.backoff.ms", arguments.retry_backoff_ms)?,
        delivery_timeout: time("delivery.timeout.ms", DELIVERY_TIMEOUT_MS)?,
    };
    Ok((options, settings))
}

fn acks(setting: Option<&str>, flag: &str) -> Result<i16, Ending> {
    // The flag's default is no choice.
    let text = setting.filter(|_| flag == "-1").unwrap_or(flag);
    match text.trim() {
        "0" => Ok(0),
        "1" => Ok(1),
        "-1" | "all" => Ok(-1),
        other => Err(Ending::Failed(format!(
            "Invalid value {other} for configuration acks: String must be one of: all, -1, 0, 1"
        ))),
    }
}

fn compression(arguments: &ProducerArguments) -> Result<CompressionSetting, Ending> {
    let name = arguments.compression_codec.as_deref().unwrap_or("none");
    let codec: Compression = name
        .parse()
        .map_err(|_| Ending::Failed(format!("Unknown compression name: {name}")))?;
    Ok(CompressionSetting::new(codec))
}
