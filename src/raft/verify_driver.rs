//! Checks the metadata log when it is opened: every batch must be where it belongs, whole, and of an epoch
//! that may be there. Checksums do not cover offsets and epochs, so these are checked against their
//! neighbours.

use super::driver::RaftError;
use super::log_driver::{MAX_DECOMPRESSED_BYTES, MetadataLog};
use crate::model::{LeaderEpoch, Offset};
use crate::records::control::ControlType;
use crate::records::{Batch, Batches, Scratch};

impl MetadataLog {
    /// Reads the log from an offset on and checks every batch of it. Before that offset the log, or the
    /// snapshot in its place, ended in `last_epoch`; [`LeaderEpoch::NONE`] if that is not known.
    pub(super) fn verify(
        &self,
        from: Offset,
        mut last_epoch: LeaderEpoch,
    ) -> Result<(), RaftError> {
        let mut next = from;
        while next < self.end_offset() {
            let content = self.read_bytes(next, self.end_offset())?;
            let before = next;
            for batch in Batches::new(&content) {
                let batch = batch.map_err(|error| self.damaged_at(next, error))?;
                self.check_batch(&batch, next, last_epoch)?;
                last_epoch = batch.partition_leader_epoch();
                next = batch.next_offset();
            }
            if next == before {
                return Err(self.damaged(format!("nothing can be read at offset {next}")));
            }
        }
        Ok(())
    }

    fn check_batch(
        &self,
        batch: &Batch<'_>,
        expected: Offset,
        last_epoch: LeaderEpoch,
    ) -> Result<(), RaftError> {
        batch
            .check_crc()
            .map_err(|error| self.damaged_at(expected, error))?;
        let found = batch.base_offset();
        if found != expected {
            return Err(self.damaged(format!(
                "offset {expected} is missing: {found} is in its place"
            )));
        }
        let kinds = self.control_types(batch)?;
        self.check_epoch(batch, &kinds, last_epoch)?;
        let is_of_voters = |kind: &ControlType| {
            matches!(kind, ControlType::KraftVersion | ControlType::KraftVoters)
        };
        if kinds.iter().any(is_of_voters) {
            return Err(RaftError::DynamicQuorum(self.dir.clone()));
        }
        Ok(())
    }

    /// Checks a batch's epoch, which its checksum does not cover: epochs grow exactly where a leader's
    /// control record begins one.
    fn check_epoch(
        &self,
        batch: &Batch<'_>,
        kinds: &[ControlType],
        last_epoch: LeaderEpoch,
    ) -> Result<(), RaftError> {
        let (epoch, at) = (batch.partition_leader_epoch(), batch.base_offset());
        let begins_epoch = kinds.first() == Some(&ControlType::LeaderChange);
        let is_known = last_epoch != LeaderEpoch::NONE;
        let is_right = if !is_known {
            epoch >= LeaderEpoch(0)
        } else if begins_epoch {
            epoch > last_epoch
        } else {
            epoch == last_epoch
        };
        if is_right {
            return Ok(());
        }
        let reason = format!("epoch {epoch} at offset {at} cannot follow {last_epoch} before it");
        Err(self.damaged(reason))
    }

    /// The types of a control batch's records; none for any other batch.
    fn control_types(&self, batch: &Batch<'_>) -> Result<Vec<ControlType>, RaftError> {
        if !batch.is_control() {
            return Ok(Vec::new());
        }
        let mut scratch = Scratch::with_limit(MAX_DECOMPRESSED_BYTES);
        let at = batch.base_offset();
        let records = batch
            .records(&mut scratch)
            .map_err(|error| self.damaged_at(at, error))?;
        let mut kinds = Vec::new();
        for record in records {
            let record = record.map_err(|error| self.damaged_at(at, error))?;
            kinds.extend(ControlType::of(&record));
        }
        Ok(kinds)
    }

    /// Refuses a log that ends in an epoch which this node has never seen by its election state. That state
    /// is always saved before anything is written in an epoch.
    pub(super) fn check_last_epoch(&self, seen: LeaderEpoch) -> Result<(), RaftError> {
        match self.log.epochs().latest() {
            Some(last) if last.epoch > seen => Err(self.damaged(format!(
                "it ends in epoch {}, but quorum-state knows of none after {seen}, so one of them is \
                 wrong; if that is quorum-state, and this is the only voter, remove it",
                last.epoch
            ))),
            _ => Ok(()),
        }
    }
}
