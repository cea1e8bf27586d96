//! What the arguments of the console producer say of the producer. Where a flag and a setting mean the same, the
//! flag wins if it is given, then the setting, then the flag's default.

use super::ProducerArguments;
use crate::cli::tools::client_settings::{self, ProducerDefaults};
use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::client::{ClusterOptions, ProducerSettings};
use crate::records::Compression;

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

    let batch_size = arguments.max_partition_memory_bytes;
    let usual = ProducerDefaults {
        acks: acks(properties.get("acks"), &arguments.request_required_acks)?,
        compression: compression(arguments)?,
        retries: arguments.message_send_max_retries.into(),
        batch_size: batch_size.unwrap_or(arguments.batch_size).into(),
        linger_ms: arguments.timeout,
        buffer_memory: arguments.max_memory_bytes,
        max_block_ms: arguments.max_block_ms,
        retry_backoff_ms: arguments.retry_backoff_ms,
    };
    let servers = arguments.bootstrap_server.as_deref().unwrap_or_default();
    let mut options = properties.cluster(servers, "console-producer")?;
    let timeout = arguments.request_timeout_ms;
    options.request_timeout =
        client_settings::milliseconds(&properties, "request.timeout.ms", timeout)?;
    let settings = client_settings::producer(&properties, &usual)?;
    Ok((options, settings))
}

/// The flag's default is no choice.
fn acks(setting: Option<&str>, flag: &str) -> Result<i16, Ending> {
    let text = setting.filter(|_| flag == "-1").unwrap_or(flag);
    client_settings::acks(text)
}

fn compression(arguments: &ProducerArguments) -> Result<Compression, Ending> {
    let name = arguments.compression_codec.as_deref().unwrap_or("none");
    let unknown = |_| Ending::Failed(format!("Unknown compression name: {name}"));
    name.parse().map_err(unknown)
}
