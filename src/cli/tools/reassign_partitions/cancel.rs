//! `--cancel`: ends the moves that a file asks for, as far as they are under way. Replicas stay where they were.

use std::io::{self, Write as _};

use super::directories::{self, State};
use super::failure::Failure;
use super::throttles::plural;
use super::wanted::{Directories, Wanted};
use super::{moving, throttles};
use crate::cli::tools::partitions_file::joined;
use crate::client::{Cluster, PartitionKey};

/// Ends the moves, and their throttles unless these are to be preserved.
pub(super) async fn cancel(
    cluster: &mut Cluster,
    text: &str,
    preserves_throttles: bool,
    timeout_ms: i64,
) -> Result<(), Failure> {
    let wanted = Wanted::parse(text)?;
    cancel_between_brokers(cluster, &wanted).await?;
    let states = directories::states(cluster, &wanted.directories).await?;
    let back = states
        .into_iter()
        .filter_map(|(replica, state)| match state {
            State::Active { current, .. } => Some((replica, current)),
            _ => None,
        });
    let back: Directories = back.collect();
    if back.is_empty() {
        // Kafka's tool begins no new line after this.
        write!(
            io::stdout(),
            "None of the specified partition moves are active."
        )?;
        io::stdout().flush()?;
    } else {
        directories::begin(cluster, back, timeout_ms).await?;
    }
    if !preserves_throttles {
        throttles::clear(cluster, &wanted).await?;
    }
    Ok(())
}

async fn cancel_between_brokers(cluster: &mut Cluster, wanted: &Wanted) -> Result<(), Failure> {
    let partitions = wanted.partitions().iter().map(|(key, _)| key.clone());
    let mut partitions: Vec<PartitionKey> = partitions.collect();
    partitions.sort();
    partitions.dedup();
    let moving = moving::find(cluster, Some(&partitions)).await?;
    let active = moving
        .into_iter()
        .filter(|(_, it)| !(it.adding_replicas.is_empty() && it.removing_replicas.is_empty()));
    let active: Vec<PartitionKey> = active.map(|(key, _)| key).collect();
    if active.is_empty() {
        writeln!(
            io::stdout(),
            "None of the specified partition reassignments are active."
        )?;
        return Ok(());
    }
    let targets = active.iter().map(|key| (key.clone(), None));
    let refused = moving::alter(cluster, targets, true).await;
    if !refused.is_empty() {
        return Err(Failure::Plain(format!(
            "Error cancelling partition reassignment{} for:\n{}",
            plural(refused.len()),
            moving::lines(&refused)
        )));
    }
    writeln!(
        io::stdout(),
        "Successfully cancelled partition reassignment{} for: {}",
        plural(active.len()),
        joined(&active, ",")
    )?;
    Ok(())
}
