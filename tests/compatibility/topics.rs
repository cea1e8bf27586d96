//! Topics for a client that creates none, made with librdkafka.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const LIMIT: Duration = Duration::from_secs(30);

/// Creates the story's topics, with so many replicas; their names begin with `prefix`.
///
/// # Errors
/// The broker refused, or did not answer in time.
pub fn create(bootstrap: &str, prefix: &str, replicas: usize) -> Result<(), String> {
    let replicas = i32::try_from(replicas).expect("few nodes");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .map_err(|error| error.to_string())?;
    for (name, partitions) in [("orders", 4), ("codecs", 1), ("shared", 6)] {
        let name = format!("{prefix}-{name}");
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(replicas))
            .set("max.message.bytes", "20000");
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let created = runtime.block_on(admin.create_topics([&topic], &options));
        for result in created.map_err(|error| error.to_string())? {
            result.map_err(|(name, error)| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}
