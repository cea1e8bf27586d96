//! Whether the node serves: it answers, the cluster counts on it, and it hears what the cluster decides.

use super::Trouble;
use super::quorum::Quorum;
use crate::client::NodeConnection;
use crate::config::{Roles, host_and_port};
use crate::protocol::messages::describe_cluster::{
    DescribeClusterRequest, DescribeClusterResponse,
};

/// The endpoint types of DescribeCluster.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Asks the node itself, and the active controller through it. A node that is cut off from the controller
/// does not know whether the cluster still counts on it: it is not well.
pub(super) async fn check(
    node: &mut NodeConnection,
    roles: Roles,
    id: i32,
) -> Result<String, Trouble> {
    if !roles.is_broker() {
        return check_controller(node, id).await;
    }
    let cluster = describe(node, BROKERS).await?;
    let own = cluster.brokers.iter().find(|broker| broker.broker_id == id);
    match own {
        None => return no(format!("node {id} is not registered with the cluster")),
        Some(own) if own.is_fenced => {
            return no(format!(
                "node {id} is fenced: the cluster does not count on it"
            ));
        }
        Some(_) => {}
    }
    if !Quorum::describe(node).await?.keeps_up(id) {
        return no(format!("node {id} is behind with the cluster's metadata"));
    }
    let others = cluster.brokers.iter().filter(|broker| !broker.is_fenced);
    let count = others.count();
    Ok(format!(
        "node {id} serves clients, as one of {count} brokers that do"
    ))
}

async fn check_controller(node: &mut NodeConnection, id: i32) -> Result<String, Trouble> {
    let (active, _) = active_controller(node).await?;
    Ok(format!(
        "controller {id} is well; the active one is {active}"
    ))
}

/// The id and the address of the active controller, as a controller knows it.
pub(super) async fn active_controller(node: &mut NodeConnection) -> Result<(i32, String), Trouble> {
    let answer = describe(node, CONTROLLERS).await?;
    let mut controllers = answer.brokers.iter();
    let active = controllers.find(|it| it.broker_id == answer.controller_id);
    let port = active.and_then(|active| u16::try_from(active.port).ok());
    match (active, port) {
        (Some(active), Some(port)) => {
            let address = host_and_port(&active.host, port);
            Ok((active.broker_id, address))
        }
        _ => Err(Trouble::No(
            "the controller knows of no active one".to_owned(),
        )),
    }
}

async fn describe(
    node: &mut NodeConnection,
    endpoint_type: i8,
) -> Result<DescribeClusterResponse, Trouble> {
    let request = DescribeClusterRequest {
        endpoint_type,
        include_fenced_brokers: endpoint_type == BROKERS,
        ..DescribeClusterRequest::default()
    };
    let answer = node.ask(&request).await?;
    if answer.error_code.is_error() {
        return Err(Trouble::Refused(answer.error_code));
    }
    Ok(answer)
}

fn no(reason: String) -> Result<String, Trouble> {
    Err(Trouble::No(reason))
}
