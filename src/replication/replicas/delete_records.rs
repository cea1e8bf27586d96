//! Deleting records for the API: who counts as alive is what the newest image says.

use super::Replicas;
use crate::model::Offset;
use crate::replication::delayed::AckTicket;
use crate::replication::error::ReplicaError;
use crate::replication::hosted::is_alive;
use crate::replication::partition::Partition;

impl Replicas {
    /// Deletes the records below `offset`, see [`Partition::delete_records`]. The ticket is then to
    /// be waited for by [`super::wait_for_acks`].
    ///
    /// # Errors
    /// As [`Partition::delete_records`].
    pub fn delete_records(
        &self,
        partition: &Partition,
        offset: i64,
        ticket: AckTicket,
    ) -> Result<Offset, ReplicaError> {
        let image = self.hosted.image();
        partition.delete_records(offset, |id| is_alive(&image, id), Some(ticket))
    }
}
