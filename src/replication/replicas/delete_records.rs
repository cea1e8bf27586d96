//! Deletes records for the API. The newest image says which brokers are alive.

use super::Replicas;
use crate::model::Offset;
use crate::replication::delayed::AckTicket;
use crate::replication::error::ReplicaError;
use crate::replication::hosted::is_alive;
use crate::replication::partition::Partition;

impl Replicas {
    /// Deletes the records below `offset`, see [`Partition::delete_records`]. The ticket must be waited for
    /// by [`super::wait_for_acks`] afterwards.
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
        partition.delete_records(
            offset,
            |id| is_alive(&image, &partition.id(), id),
            Some(ticket),
        )
    }
}
