//! What a broker tells of topics, partitions and groups.

use std::fmt;

use super::bounds::Told;
use super::end_offsets::EndOffsets;
use super::groups::Groups;
use super::partitions::{Partitions, write_left_out};
use super::recent::Recent;
use super::requests::Requests;
use crate::model::TopicId;
use crate::protocol::Str;
use crate::telemetry::Exposition;
use crate::web::{Node, Serving, Stage};

/// What is remembered from scrape to scrape.
#[derive(Default)]
pub(super) struct Details {
    topics: Told<TopicId>,
    groups: Told<Str>,
    ends: EndOffsets,
}

impl Details {
    /// Writes all of it. It may wait a little for leaders elsewhere.
    pub(super) fn write(
        &self,
        node: &Node,
        recent: &Recent,
        out: &mut Exposition<'_>,
    ) -> fmt::Result {
        Requests::of(&node.metrics.request_times, recent).write_detailed(out)?;
        match &*node.stage() {
            Stage::Serving(serving) => self.write_broker(serving, out),
            Stage::Starting | Stage::Stopping => Ok(()),
        }
    }

    fn write_broker(&self, serving: &Serving, out: &mut Exposition<'_>) -> fmt::Result {
        let parts = &serving.parts;
        let Some(broker) = &parts.broker else {
            return Ok(());
        };
        let config = &parts.config.admin;
        let most = |count: i32| usize::try_from(count).unwrap_or(0);
        let image = parts.metadata.image_full();
        let bounds = (&self.topics, most(config.admin_metrics_partitions_max));
        let partitions = Partitions::gather(parts, broker, &image, bounds);
        partitions.write(out)?;
        let bounds = (&self.groups, most(config.admin_metrics_groups_max));
        let mut groups = Groups::gather(broker, &image, bounds);
        if let Ok(address) = &serving.address {
            self.ends.meet(address);
        }
        groups.find_ends(parts, broker, &self.ends);
        groups.write(out)?;
        let left_out = [
            ("partitions", partitions.left_out),
            ("groups", groups.left_out),
        ];
        write_left_out(&left_out, out)
    }
}
