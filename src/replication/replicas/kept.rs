//! Folders of damaged logs that were set aside when the logs were fetched anew. They are kept for an operator
//! as far as there is room: their leaders have the records. A folder that was set aside for any other reason
//! may be all there is, and stays.

use std::io;

use super::Replicas;
use crate::model::TopicPartition;
use crate::replication::dirs::{DataDir, SetAside};
use crate::replication::threads::now;
use crate::storage::disk::{read_file, replace_file_unsynced};
use crate::storage::partition_folder::{FolderMark, PartitionFolder};
use crate::telemetry::LogGate;

static NOT_KEPT: LogGate = LogGate::of_many(100);
static GIVEN_UP: LogGate = LogGate::of_many(100);

/// So many folders of a partition are kept when its log is made anew: the first ones, as what was made anew
/// and lost again has nothing that the leader lacks.
const MOST_KEPT: usize = 3;
/// So many are kept in a directory: a failing disk may damage all logs on it.
const MOST_KEPT_IN_DIR: usize = if cfg!(test) { 8 } else { 100 };

/// Only names that are longer than this are cut when a folder is set aside.
const LEAST_CUT_NAME: usize = 200;

/// The file in a folder that has the folder's name as of when a damaged log was set aside. It counts for
/// nothing once the folder has another name.
const HEALED_FILE: &str = "healed";

impl Replicas {
    /// Whether the damaged log of a partition, which is fetched anew, is to be kept.
    pub fn may_keep(&self, dir: &DataDir, name: &TopicPartition) -> io::Result<bool> {
        let mut set_aside = dir.set_aside_folders.lock();
        let known = known(dir, &mut set_aside)?;
        // Of a long name the folder has the beginning.
        let is_of_topic = |topic: &str| {
            let is_cut = topic.len() >= LEAST_CUT_NAME;
            *topic == *name.topic || is_cut && name.topic.starts_with(topic)
        };
        let is_of_partition = |it: &&SetAside| {
            it.may_go
                && it.partition.partition == name.partition
                && is_of_topic(&it.partition.topic)
        };
        let of_partition = known.iter().filter(is_of_partition).count();
        let of_dir = known.iter().filter(|it| it.may_go).count();
        let why = if dir.log_dir.is_full() {
            "the disk is full"
        } else if of_partition >= MOST_KEPT {
            "earlier ones of the partition are kept"
        } else if of_dir >= MOST_KEPT_IN_DIR {
            "many are kept in the directory: look at them, and remove them"
        } else {
            return Ok(true);
        };
        if let Some(suppressed) = NOT_KEPT.pass() {
            tracing::warn!(partition = %name, why, suppressed, "a damaged log is not kept");
        }
        Ok(false)
    }

    /// Notes that the folder of a damaged log was set aside whose records the leader has.
    pub fn note_kept(&self, dir: &DataDir, folder: String, partition: &TopicPartition) {
        let path = dir.path().join(&folder).join(HEALED_FILE);
        // Without it the folder is one more that stays.
        let noted = replace_file_unsynced(&**dir.log_dir.disk(), &path, folder.as_bytes());
        if let Some(known) = &mut *dir.set_aside_folders.lock() {
            known.push(SetAside {
                folder,
                partition: partition.clone(),
                may_go: noted.is_ok(),
            });
        }
    }

    /// Gives up the damaged logs that are kept in a directory, because its disk is full.
    pub fn give_up_kept(&self, dir: &DataDir) {
        let mut set_aside = dir.set_aside_folders.lock();
        let Ok(known) = known(dir, &mut set_aside) else {
            return;
        };
        for gone in known.extract_if(.., |it| it.may_go) {
            let path = dir.path().join(&gone.folder);
            if let Some(suppressed) = GIVEN_UP.pass() {
                let folder = path.display();
                tracing::warn!(%folder, suppressed, "removing a damaged log that was kept: the disk is full");
            }
            self.metrics.stray_partitions.dec();
            dir.remove_later(path, now().instant, std::time::Duration::ZERO);
        }
    }
}

/// The folders that were set aside in a directory: looked for once.
fn known<'a>(
    dir: &DataDir,
    set_aside: &'a mut Option<Vec<SetAside>>,
) -> io::Result<&'a mut Vec<SetAside>> {
    if set_aside.is_none() {
        *set_aside = Some(found(dir)?);
    }
    Ok(set_aside.get_or_insert_default())
}

fn found(dir: &DataDir) -> io::Result<Vec<SetAside>> {
    let disk = &**dir.log_dir.disk();
    let mut found = Vec::new();
    for entry in disk.list(dir.path())?.into_iter().filter(|it| it.is_dir) {
        let parsed = PartitionFolder::parse(&entry.name);
        let Some(parsed) = parsed.filter(|it| it.mark == Some(FolderMark::Stray)) else {
            continue;
        };
        let note = read_file(disk, &dir.path().join(&entry.name).join(HEALED_FILE))?;
        found.push(SetAside {
            may_go: note.is_some_and(|name| name == entry.name.as_bytes()),
            folder: entry.name,
            partition: parsed.partition,
        });
    }
    Ok(found)
}
