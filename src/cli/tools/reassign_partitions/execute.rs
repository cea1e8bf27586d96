//! `--execute`: begins the moves that a file asks for, throttled if that is wanted.

use std::io::{self, Write as _};

use super::failure::Failure;
use super::throttles::plural;
use super::wanted::{Replicas, Wanted, as_json, distinct};
use super::{directories, moving, placed, throttles};
use crate::cli::tools::partitions_file::joined;
use crate::client::Cluster;

/// What is said of how the moves are begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Execution {
    /// Others may be under way.
    pub(super) is_additional: bool,
    /// Bytes a second between brokers; no limit if negative.
    pub(super) rate: i64,
    /// Bytes a second between directories; no limit if negative.
    pub(super) directory_rate: i64,
    /// How long moves between directories may take to begin.
    pub(super) timeout_ms: i64,
    /// Partitions may get more or fewer replicas.
    pub(super) allows_other_factor: bool,
}

/// Begins the moves.
pub(super) async fn execute(
    cluster: &mut Cluster,
    text: &str,
    execution: Execution,
) -> Result<(), Failure> {
    let file = Wanted::parse(text)?;
    let wanted = file.replicas()?;
    let moving = moving::find(cluster, None).await?;
    if !execution.is_additional && !moving.is_empty() {
        return Err(Failure::Plain(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and \
             create a new partition assignment in addition to the existing one. The --additional flag can also be \
             used to change the throttle by resubmitting the current reassignment."
                .to_owned(),
        ));
    }
    check_brokers(cluster, &wanted).await?;
    let current = placed::of_partitions(cluster, &wanted).await?;
    let current_directories = placed::current_directories(cluster, &current).await?;
    writeln!(
        io::stdout(),
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during \
         rollback",
        as_json(&current, &current_directories)
    )?;
    if execution.rate >= 0 || execution.directory_rate >= 0 {
        writeln!(
            io::stdout(),
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is \
             removed."
        )?;
    }
    if execution.rate >= 0 {
        let all = (&moving, &wanted, &current);
        throttles::set_between_brokers(cluster, all, execution.rate).await?;
    }
    let directories = file.directories;
    if execution.directory_rate >= 0 {
        let rate = execution.directory_rate;
        throttles::set_between_directories(cluster, &directories, rate).await?;
    }
    let targets = wanted.iter();
    let targets = targets.map(|(key, replicas)| (key.clone(), Some(replicas.clone())));
    let refused = moving::alter(cluster, targets, execution.allows_other_factor).await;
    if !refused.is_empty() {
        let lines = moving::lines(&refused);
        let reason = format!("Error reassigning partition(s):\n{lines}");
        return Err(Failure::Plain(reason));
    }
    writeln!(
        io::stdout(),
        "Successfully started partition reassignment{} for {}",
        plural(wanted.len()),
        joined(wanted.keys(), ",")
    )?;
    if directories.is_empty() {
        return Ok(());
    }
    directories::begin(cluster, directories, execution.timeout_ms).await
}

/// Checks that the brokers are there that replicas shall go to.
async fn check_brokers(cluster: &mut Cluster, wanted: &Replicas) -> Result<(), Failure> {
    let there = placed::brokers(cluster).await?;
    let is_there = |id: &i32| there.iter().any(|broker| broker.node_id == *id);
    let asked = distinct(wanted.values().flatten().copied());
    match asked.iter().find(|id| !is_there(id)) {
        None => Ok(()),
        Some(unknown) => Err(Failure::Error(format!("Unknown broker id {unknown}"))),
    }
}
