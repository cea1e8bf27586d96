//! A classic group as DescribeGroups shows it.

use super::member::Member;
use super::{ClassicGroup, State};
use crate::protocol::messages::describe_groups::{DescribedGroup, DescribedGroupMember};

impl ClassicGroup {
    /// The group for DescribeGroups. Subscriptions are shown only if it is Stable, when all use one
    /// protocol.
    pub(in crate::coordinator::group) fn describe(&self) -> DescribedGroup {
        let protocol = self
            .protocol
            .as_ref()
            .filter(|_| self.state == State::Stable);
        let member = |member: &Member| DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: protocol
                .and_then(|protocol| member.metadata(protocol).cloned())
                .unwrap_or_default(),
            member_assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: self.state.name().into(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol.cloned().unwrap_or_default(),
            members: self.members.iter().map(member).collect(),
            ..DescribedGroup::default()
        }
    }
}
