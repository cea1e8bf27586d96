//! Remembers in every directory how new the metadata is that was acted on, so that no older image is ever
//! acted on there.

use super::Dirs;
use crate::model::Offset;
use crate::storage::applied_metadata::{self, APPLIED_METADATA_FILE};
use crate::storage::error::StorageError;

impl Dirs {
    /// Remembers an image's offset in all directories. It must be called before the image is acted on.
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
