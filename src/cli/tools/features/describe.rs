//! The levels of features that a node serves, and those that the cluster is at.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use crate::cli::tools::admin::api_versions;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::exception::Exception;
use crate::cli::tools::releases;
use crate::client::{Cluster, ClusterError, To};
use crate::protocol::messages::api_versions::{ApiVersionsResponse, SupportedFeatureKey};

/// Tells them, a line for each feature.
pub(super) async fn describe(cluster: &mut Cluster, node: Option<i32>) -> Result<(), Ending> {
    let to = match node {
        Some(id) if id < 0 => {
            let reason = format!("Invalid node id {id}: must be non-negative.");
            return Err(Ending::Failed(reason));
        }
        Some(id) => To::Node(id),
        None => To::Any,
    };
    let failed = |error: ClusterError| Ending::Failed(Exception::from(error).to_string());
    let answer = cluster.ask(to, &api_versions()).await.map_err(failed)?;
    ClusterError::check(answer.error_code, None).map_err(failed)?;
    io::stdout().write_all(table(&answer).as_bytes())?;
    Ok(())
}

fn table(answer: &ApiVersionsResponse) -> String {
    let supported = answer.supported_features.iter();
    let supported: BTreeMap<&str, _> = supported.map(|it| (&*it.name, it)).collect();
    let finalized = |name: &str| {
        let mut features = answer.finalized_features.iter();
        let found = features.find(|feature| &*feature.name == name);
        found.map_or(0, |feature| feature.max_version_level)
    };
    let epoch = match answer.finalized_features_epoch {
        ..0 => "-".to_owned(),
        epoch => epoch.to_string(),
    };
    let line = |(name, range): (&str, &SupportedFeatureKey)| {
        let shown = |level| releases::shown_level(name, level);
        let (min, max) = (shown(range.min_version), shown(range.max_version));
        let level = shown(finalized(name));
        format!(
            "Feature: {name:<40}  SupportedMinVersion: {min:<15}  SupportedMaxVersion: {max:<15}  \
             FinalizedVersionLevel: {level:<15}  Epoch: {epoch}\n"
        )
    };
    supported.into_iter().map(line).collect()
}
