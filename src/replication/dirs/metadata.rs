//! Remembers in every directory how new the metadata is that was acted on, and of which cluster, so that no
//! older image, and no other cluster's, is ever acted on there.

use std::sync::Arc;

use super::{DataDir, Dirs};
use crate::model::Offset;
use crate::storage::applied_metadata::{self, APPLIED_METADATA_FILE, AppliedMetadata};
use crate::storage::error::StorageError;

impl Dirs {
    /// Remembers an image's offset in all directories but those that lag. It must be called before the image
    /// is acted on.
    pub fn remember_metadata(self: &Arc<Self>, offset: Offset) {
        self.probe(Self::remember_metadata_in, offset);
    }

    /// As [`Self::remember_metadata`], in one directory.
    pub fn remember_metadata_in(&self, dir: &DataDir, offset: Offset) {
        let applied = AppliedMetadata {
            offset,
            cluster_id: Some(self.cluster_id.clone()),
        };
        let disk = &**dir.log_dir.disk();
        let remembered = applied_metadata::remember(disk, dir.path(), &applied);
        let remembered = remembered.map_err(|source| {
            StorageError::io("write", &dir.path().join(APPLIED_METADATA_FILE), source)
        });
        if let Err(error) = remembered {
            self.check_failure(dir, &error.into());
        }
    }
}
