//! How new the metadata is that was acted on, remembered in every directory: so that no older image is
//! ever believed about what lies there.

use super::Dirs;
use crate::model::Offset;
use crate::storage::applied_metadata::{self, APPLIED_METADATA_FILE};
use crate::storage::error::StorageError;

impl Dirs {
    /// Remembers in all directories, before anything is done by the word of an image, how new it is.
    pub fn remember_metadata(&self, offset: Offset) {
        for dir in self.online() {
            let disk = &**dir.log_dir.disk();
            let remembered = applied_metadata::remember(disk, dir.path(), offset);
            let remembered = remembered.map_err(|source| {
                StorageError::io("write", &dir.path().join(APPLIED_METADATA_FILE), source)
            });
            if let Err(error) = remembered {
                self.check_failure(dir, &error.into());
            }
        }
    }
}
