//! Deleting records for the API: who counts as alive is what the newest image says.

use super::delayed::AckTicket;
use super::driver::ReplicaManager;
use super::error::ReplicaError;
use super::partition::Partition;
use crate::model::Offset;

impl ReplicaManager {
    /// Deletes the records below `offset`, see [`Partition::delete_records`]. The ticket is then to
    /// be waited for by [`Self::wait_for_acks`].
    ///
    /// # Errors
    /// As [`Partition::delete_records`].
    pub fn delete_records(
        &self,
        partition: &Partition,
        offset: i64,
        ticket: AckTicket,
    ) -> Result<Offset, ReplicaError> {
        let image = self.shared.image.load();
        let is_alive = |id| super::metadata_driver::is_alive(&image, id);
        partition.delete_records(offset, is_alive, Some(ticket))
    }
}
