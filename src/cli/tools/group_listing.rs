//! The groups of a cluster, from all brokers: each tells those that it coordinates.

use super::exception::Exception;
use crate::client::{Cluster, To};
use crate::protocol::messages::list_groups::{ListGroupsRequest, ListedGroup};
use crate::protocol::{ErrorCode, Str};

/// Asks all brokers for their groups of these types and in these states; of all where there are none.
///
/// # Errors
/// A broker does not answer, or tells of an error that does not pass.
pub(super) async fn listing(
    cluster: &mut Cluster,
    types_filter: Vec<Str>,
    states_filter: Vec<Str>,
) -> Result<Vec<ListedGroup>, Exception> {
    let nodes = cluster.refresh(Some(&[]), false).await;
    nodes.map_err(|_| {
        let reason = "Failed to find brokers to send ListGroups";
        Exception::new("org.apache.kafka.common.KafkaException", reason.to_owned())
    })?;
    let request = ListGroupsRequest {
        states_filter,
        types_filter,
    };
    let mut listing = Vec::new();
    let nodes: Vec<i32> = cluster.node_ids().collect();
    for node in nodes {
        let passing = |code: ErrorCode| match code {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::COORDINATOR_NOT_AVAILABLE => code,
            _ => ErrorCode::NONE,
        };
        let answer = cluster
            .ask_until(To::Node(node), &request, |answer| {
                passing(answer.error_code)
            })
            .await?;
        let code = answer.error_code;
        if code.is_error() {
            let words = format!("Error listing groups on {node}: {}", code.message());
            return Err(Exception::refused(code, Some(Str::from(words))));
        }
        listing.extend(answer.groups);
    }
    Ok(listing)
}
