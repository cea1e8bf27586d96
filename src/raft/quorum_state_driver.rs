//! The file `quorum-state` on its disk: replaced whole and synced, so that a vote or an epoch that
//! was told to anyone is never forgotten.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::election_state::{self, ElectionState, ElectionStateError, FILE_NAME};
use super::voters::Voters;
use crate::storage::disk::{self, Disk};

/// Why the election state can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum QuorumStateError {
    /// The disk failed.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The content is nothing that was ever written.
    #[error(
        "{} is damaged: {source}. With a single voter remove the file: its epoch is found again in \
         the log. With more, restore it from a backup or remove the node's metadata directory, so \
         that it is fetched again",
        path.display()
    )]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// What is wrong with the content.
        source: ElectionStateError,
    },
    /// The file is of a quorum with other voters.
    #[error(
        "{} is of a quorum whose voters are {found}, but controller.quorum.voters names {configured}. \
         The voters of a quorum are not changed by editing its config: a new majority could lack what \
         the old one has committed. Restore controller.quorum.voters as it was, on all nodes",
        path.display()
    )]
    OtherVoters {
        /// The file's path.
        path: PathBuf,
        /// The voters in the file.
        found: Voters,
        /// The voters of the config.
        configured: Voters,
    },
}

/// The file `quorum-state` of one metadata log.
#[derive(Debug)]
pub struct QuorumStateStore {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl QuorumStateStore {
    /// The store in `dir`, the folder of the metadata log.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        let path = dir.join(FILE_NAME);
        Self { disk, path }
    }

    /// The state that was saved last; `None` on the first start.
    pub fn load(&self) -> Result<Option<ElectionState>, QuorumStateError> {
        let content = disk::read_file(&*self.disk, &self.path).map_err(|source| self.io(source))?;
        let state = content.map(|content| ElectionState::from_json(&content));
        state.transpose().map_err(|source| self.damaged(source))
    }

    /// Checks that the file, if there is one, was written by a voter of this quorum.
    pub fn check_voters(&self, configured: &Voters) -> Result<(), QuorumStateError> {
        let content = disk::read_file(&*self.disk, &self.path).map_err(|source| self.io(source))?;
        let found = content.map(|content| election_state::voters_of(&content));
        let found = found.transpose().map_err(|source| self.damaged(source))?;
        match found.flatten() {
            Some(found) if found != *configured => Err(QuorumStateError::OtherVoters {
                path: self.path.clone(),
                found,
                configured: configured.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Saves the state, durably.
    pub fn save(&self, state: &ElectionState, voters: &Voters) -> Result<(), QuorumStateError> {
        let content = state.to_json(voters);
        disk::replace_file(&*self.disk, &self.path, content.as_bytes())
            .map_err(|source| self.io(source))
    }

    fn damaged(&self, source: ElectionStateError) -> QuorumStateError {
        QuorumStateError::Damaged {
            path: self.path.clone(),
            source,
        }
    }

    fn io(&self, source: io::Error) -> QuorumStateError {
        QuorumStateError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{CrashDisk, Fault, Tear};
    use crate::model::{BrokerId, LeaderEpoch};

    fn state(epoch: i32) -> ElectionState {
        ElectionState {
            epoch: LeaderEpoch(epoch),
            leader: Some(BrokerId(1)),
            voted: None,
        }
    }

    fn store(disk: &CrashDisk) -> QuorumStateStore {
        QuorumStateStore::new(Arc::new(disk.clone()), Path::new("log"))
    }

    #[test]
    fn a_power_cut_leaves_the_old_or_the_new_state_at_every_step() {
        let voters = Voters::new([BrokerId(1)]);
        for operation in 0.. {
            let disk = CrashDisk::new();
            disk.create_dir(Path::new("log")).unwrap();
            disk.sync_dir(Path::new("")).unwrap();
            store(&disk).save(&state(1), &voters).unwrap();
            let before = disk.operations();

            disk.inject(before + operation, Fault::PowerCut);
            let saved = store(&disk).save(&state(2), &voters);

            for tear in [Tear::Lost, Tear::Kept, Tear::Torn(operation)] {
                let found = store(&disk.after_power_cut(tear)).load().unwrap().unwrap();
                let allowed = if saved.is_ok() { 2..=2 } else { 1..=2 };
                assert!(
                    allowed.contains(&found.epoch.0),
                    "operation {operation}, {tear:?}"
                );
            }
            if saved.is_ok() {
                return;
            }
        }
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new("log")).unwrap();
        disk::replace_file(&disk, Path::new("log/quorum-state"), b"{}").unwrap();

        let message = store(&disk).load().unwrap_err().to_string();

        assert!(
            message.starts_with("log/quorum-state is damaged: not a quorum state"),
            "{message}"
        );
        assert!(message.contains("remove the file"), "{message}");
    }
}
