//! By which nodes a cluster is entered: its brokers, or its controllers (KIP-919). Whoever talks to controllers
//! talks to the active one, unless a node is named.

use crate::client::cluster::{Cluster, ClusterError, not_connected, valid_versions};
use crate::client::connection::{AskError, Versions};
use crate::client::retry::ErrorClass;
use crate::config::host_and_port;
use crate::protocol::messages::describe_cluster::{
    DescribeClusterRequest, DescribeClusterResponse,
};
use crate::protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::{ApiKey, ErrorCode, Str};

/// Controllers, as DescribeCluster numbers the kinds of nodes.
const CONTROLLERS: i8 = 2;
/// The versions of DescribeCluster that tell of controllers.
const OF_CONTROLLERS: Versions = 1..=2;

/// What the nodes are that are asked first, and so all that are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// Brokers, `--bootstrap-server`.
    #[default]
    Brokers,
    /// Controllers, `--bootstrap-controller`.
    Controllers,
}

impl Entry {
    /// Checks that the nodes may be asked for this.
    ///
    /// # Errors
    /// Kafka's clients never ask controllers for it.
    pub(super) fn check(self, api: ApiKey) -> Result<(), ClusterError> {
        if self == Self::Brokers || is_for_controllers(api) {
            return Ok(());
        }
        let reason = "This Admin API is not yet supported when communicating directly with the controller quorum.";
        Err(ClusterError::Refused {
            code: ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            message: Some(Str::from_static(reason)),
        })
    }
}

/// What Kafka's clients ask controllers for.
fn is_for_controllers(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::AddRaftVoter
            | ApiKey::AlterPartitionReassignments
            | ApiKey::ApiVersions
            | ApiKey::CreateAcls
            | ApiKey::DeleteAcls
            | ApiKey::DescribeAcls
            | ApiKey::DescribeCluster
            | ApiKey::DescribeConfigs
            | ApiKey::DescribeQuorum
            | ApiKey::IncrementalAlterConfigs
            | ApiKey::ListPartitionReassignments
            | ApiKey::RemoveRaftVoter
            | ApiKey::UnregisterBroker
            | ApiKey::UnregisterController
            | ApiKey::UpdateFeatures
    )
}

impl Cluster {
    /// The id of the controller, -1 if there is none.
    pub(super) async fn controller(&mut self) -> Result<i32, AskError> {
        if self.controller < 0 {
            self.learn_nodes().await?;
        }
        Ok(self.controller)
    }

    /// Learns which nodes there are, and which is the controller.
    pub(super) async fn learn_nodes(&mut self) -> Result<(), AskError> {
        if self.options.entry == Entry::Controllers {
            return self.learn_controllers().await;
        }
        let request = MetadataRequest {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let answer = self.ask_any(&request, &valid_versions(&request)).await?;
        self.note_nodes(&answer);
        Ok(())
    }

    pub(super) fn note_nodes(&mut self, answer: &MetadataResponse) {
        let nodes = answer.brokers.iter();
        let nodes = nodes.map(|it| (it.node_id, address(&it.host, it.port)));
        self.nodes = nodes.collect();
        self.controller = answer.controller_id;
    }

    async fn learn_controllers(&mut self) -> Result<(), AskError> {
        let request = DescribeClusterRequest {
            endpoint_type: CONTROLLERS,
            ..DescribeClusterRequest::default()
        };
        let answer = self.ask_any(&request, &OF_CONTROLLERS).await?;
        check(&answer)?;
        let nodes = answer.brokers.iter();
        let nodes = nodes.map(|it| (it.broker_id, address(&it.host, it.port)));
        self.nodes = nodes.collect();
        self.controller = answer.controller_id;
        Ok(())
    }
}

/// Checks that an answer tells of controllers. Of a broker it does not, and no other node will tell more.
fn check(answer: &DescribeClusterResponse) -> Result<(), AskError> {
    let refused = |code, message| Err(AskError::Refused { code, message });
    match answer.error_code {
        ErrorCode::NONE if answer.endpoint_type == CONTROLLERS => Ok(()),
        ErrorCode::NONE => {
            let found = answer.endpoint_type;
            let message = format!(
                "Expected response from CONTROLLER endpoint, but got response from endpoint type {found}"
            );
            refused(ErrorCode::MISMATCHED_ENDPOINT_TYPE, Some(message.into()))
        }
        code if ErrorClass::of(code) == ErrorClass::Fatal => {
            refused(code, answer.error_message.clone())
        }
        code => Err(not_connected(format!("the controllers ({code})"))),
    }
}

fn address(host: &str, port: i32) -> String {
    host_and_port(host, u16::try_from(port).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_asked_only_for_what_is_theirs() {
        let of_controllers = |api| Entry::Controllers.check(api).map_err(|it| it.code());

        assert_eq!(of_controllers(ApiKey::DescribeQuorum), Ok(()));
        assert_eq!(
            of_controllers(ApiKey::Metadata),
            Err(Some(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE))
        );
        assert!(Entry::Brokers.check(ApiKey::Metadata).is_ok());
    }

    #[test]
    fn an_answer_of_a_broker_is_none_of_controllers() {
        let answer = DescribeClusterResponse::default();

        let refused = check(&answer).expect_err("it tells of brokers");

        assert_eq!(
            refused.to_string(),
            "Expected response from CONTROLLER endpoint, but got response from endpoint type 1"
        );
    }
}
