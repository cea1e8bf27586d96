//! How far groups are behind that this broker coordinates, each as one number: for the charts of the admin pages.

use super::bounds::Told;
use super::end_offsets::EndOffsets;
use super::groups::Groups;
use crate::protocol::Str;
use crate::web::Serving;

/// The most groups and offsets that are read.
const MOST: usize = 20_000;

/// Reads lags now and then.
#[derive(Default)]
pub(in crate::web) struct Lags {
    groups: Told<Str>,
    ends: EndOffsets,
}

impl Lags {
    /// The lags. It waits for leaders elsewhere, on a thread that may.
    pub(in crate::web) fn read(&self, serving: &Serving) -> Vec<(String, i64)> {
        let parts = &serving.parts;
        let Some(broker) = &parts.broker else {
            return Vec::new();
        };
        let image = parts.metadata.image_full();
        let mut groups = Groups::gather(broker, &image, (&self.groups, MOST));
        if let Ok(address) = &serving.address {
            self.ends.meet(address);
        }
        groups.find_ends(parts, broker, &self.ends);
        groups.lags()
    }
}
