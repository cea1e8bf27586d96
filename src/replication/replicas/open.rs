//! Starts with what is on the disks: opens logs on several threads, gives them their roles, and goes on
//! with moves between directories that were under way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use super::find::{Found, FoundCopy};
use super::roles::all_local;
use super::topic_configs::TopicConfigs;
use crate::metadata::ReplicaDirectory;
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, TopicIdPartition};
use crate::replication::dirs::{CheckpointKind, Checkpoints, DataDir};
use crate::replication::hosted::{HostedPartition, Offline};
use crate::replication::threads::{now, on_threads, random_bytes};
use crate::storage::clean_shutdown::{self, CleanShutdown};
use crate::storage::error::StorageError;
use crate::storage::last_use;
use crate::storage::log::{Log, Opening};
use crate::storage::log_config::LogConfig;

/// The outcome of the start.
pub struct Opened {
    /// The broker epoch of the last stop, if all directories were closed in order then.
    pub previous_broker_epoch: Option<i64>,
    /// The directories of replicas that the controller does not know yet.
    pub replica_directories: Vec<ReplicaDirectory>,
}

impl Replicas {
    /// Opens the logs of all directories and gives each its role by `image`, but for that of the leader. It
    /// blocks until all are open, which after a crash includes reading everything that was not synced.
    ///
    /// An image that names this broker as a leader means the process before this one, which may have had
    /// more in its log: what this one wrote in the same epoch could be at the offsets of what others have.
    /// The broker leads once it is registered, which begins another epoch.
    ///
    /// # Errors
    /// The system gives no thread to go on with moves. A disk that fails costs only its directory.
    pub fn open(&self, image: &MetadataImage) -> io::Result<Opened> {
        self.dirs.remember_metadata(image.provenance().offset);
        let (marks, copies) = self.load_all(image);
        // A partition that is made from now on must not find the offsets of one that is gone.
        self.dirs.write_checkpoints(&CheckpointKind::ALL);
        let mut local = all_local(image, self.node_id);
        for replica in &mut local {
            if replica.state.leader == self.node_id {
                Arc::make_mut(&mut replica.state).leader = BrokerId::NONE;
            }
        }
        let configs = TopicConfigs::new(image, &self.settings.load());
        let replicas: Vec<_> = local.iter().collect();
        let replica_directories = self.take_roles(&replicas, &configs);
        self.resume_moves(copies)?;
        Ok(Opened {
            previous_broker_epoch: common_epoch(&marks),
            replica_directories,
        })
    }

    /// Opens the logs of all directories at once. Returns what the clean-stop marks said, and the copies.
    fn load_all(&self, image: &MetadataImage) -> (Vec<Option<CleanShutdown>>, Vec<FoundCopy>) {
        let dirs = self.dirs.all();
        let loaded = on_threads(dirs.len(), dirs, |dir| Some(self.load_dir(dir, image)));
        let (marks, copies): (_, Vec<_>) = loaded.into_iter().unzip();
        (marks, copies.into_iter().flatten().collect())
    }

    fn load_dir(
        &self,
        dir: &Arc<DataDir>,
        image: &MetadataImage,
    ) -> (Option<CleanShutdown>, Vec<FoundCopy>) {
        let started = now().instant;
        // The mark is taken first: a crash from here on must not look like a clean stop.
        let disk = &**dir.log_dir.disk();
        let mark = clean_shutdown::take(disk, dir.path()).map_err(|error| error.to_string());
        let prepared = mark.and_then(|mark| {
            keep_lists(dir, mark.as_ref()).map_err(|error| error.to_string())?;
            let checkpoints = dir.read_checkpoints().map_err(|error| error.to_string())?;
            let found = self.find(dir, image).map_err(|error| error.to_string())?;
            Ok((mark, checkpoints, found))
        });
        let (mark, checkpoints, found) = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => {
                self.dirs.fail(dir, &reason);
                return (None, Vec::new());
            }
        };
        self.open_logs(dir, &checkpoints, mark.is_some(), &found.logs);
        for (id, name) in found.unusable {
            dir.keep_entries(&name, &checkpoints);
            self.hosted
                .insert(id, HostedPartition::Offline(Offline::Unusable));
        }
        for (id, name) in found.damaged {
            dir.keep_entries(&name, &checkpoints);
            self.hosted
                .insert(id, HostedPartition::Offline(Offline::Damaged(None)));
        }
        tracing::info!(
            dir = %dir.path().display(),
            logs = found.logs.len(),
            clean = mark.is_some(),
            took_ms = started.elapsed().as_millis(),
            "opened the logs of a directory"
        );
        // A copy may lack the end of the log whose place it takes, which others count on after an orderly stop.
        let is_as_left = !found.logs.iter().any(|log| log.was_copy);
        (mark.filter(|_| is_as_left), found.copies)
    }

    /// Goes on with the moves that were under way. A copy is removed if its log is not here any more, or is
    /// already where the copy is.
    fn resume_moves(&self, copies: Vec<FoundCopy>) -> io::Result<()> {
        for copy in copies {
            let id = TopicIdPartition {
                topic_id: copy.topic_id,
                partition: copy.partition.partition,
            };
            match self.hosted.get(&id) {
                Some(HostedPartition::Online(partition))
                    if !partition.is_in(&copy.dir.log_dir) && self.moves.of(&id).is_none() =>
                {
                    self.moves.resume(&partition, &copy.dir, &copy.folder);
                    self.moves.ensure_threads()?;
                }
                Some(HostedPartition::Offline(_)) => {
                    let folder = copy.folder.display();
                    tracing::warn!(%folder, "leaving the copy of a log that is offline");
                }
                _ => {
                    let delay = Duration::ZERO;
                    copy.dir.remove_later(copy.folder, now().instant, delay);
                }
            }
        }
        Ok(())
    }

    fn open_logs(
        &self,
        dir: &Arc<DataDir>,
        checkpoints: &Checkpoints,
        clean: bool,
        found: &[Found],
    ) {
        let threads = self
            .settings
            .load()
            .storage
            .num_recovery_threads_per_data_dir;
        let threads = usize::try_from(threads)
            .unwrap_or(1)
            .clamp(1, found.len().max(1));
        on_threads(threads, found, |found| {
            self.open_one(dir, checkpoints, clean, found);
            None::<()>
        });
    }

    fn open_one(&self, dir: &Arc<DataDir>, checkpoints: &Checkpoints, clean: bool, found: &Found) {
        let offset_in = |offsets| DataDir::offset_in(offsets, &found.name);
        let unknown = Opening {
            generation: dir.log_dir.generation(),
            ..Opening::unknown(now().wall)
        };
        // Checkpoints and the clean mark are of the log that the copy replaces, which may have had other
        // batches.
        let opening = if found.was_copy {
            unknown
        } else {
            Opening {
                recovery_point: offset_in(&checkpoints.recovery_points),
                log_start_offset: offset_in(&checkpoints.log_starts),
                clean,
                older_generation: dir.log_dir.older_generation(),
                ..unknown
            }
        };
        // Its disk failed while others of the directory were opened: one error costs all of them.
        let opened = if dir.log_dir.is_offline() {
            Err(StorageError::Offline)
        } else {
            open_log(dir, found, &found.config.log, &opening)
        };
        match opened {
            Ok(mut log) => {
                let cleaned = checkpoints.cleaned.get(&found.name);
                log.set_cleaned_offset(cleaned.copied().filter(|_| !found.was_copy));
                let high_watermark = offset_in(&checkpoints.high_watermarks);
                let is_complete = has_all(&log, found, checkpoints);
                if found.is_lost && !is_complete {
                    self.refuse_lost(dir, found, checkpoints);
                    return;
                }
                let partition = self.adopt(
                    dir,
                    found.id,
                    &found.name,
                    log,
                    high_watermark,
                    &found.config,
                );
                if is_complete {
                    partition.note_complete();
                }
            }
            Err(error) => {
                tracing::error!(partition = %found.name, %error, "cannot open the log");
                self.dirs.count_damage(&error);
                // The entries must survive the next write of the checkpoints, or the damaged log would be
                // cut at the next start.
                dir.keep_entries(&found.name, checkpoints);
                let offline = HostedPartition::Offline(Offline::of(&error));
                self.hosted.insert(found.id, offline);
                if error.is_disk_failure() {
                    self.dirs.fail(dir, &error.to_string());
                }
            }
        }
    }

    /// Leaves a lost log alone that may lack what was committed. What the checkpoints say of it must survive
    /// this start: after the next one it would look as if nothing were missing.
    fn refuse_lost(&self, dir: &DataDir, found: &Found, checkpoints: &Checkpoints) {
        tracing::error!(partition = %found.name, folder = %found.folder.display(), "the log was lost, and opens again, but may lack what was committed: it stays offline. Put the whole log in its place and start again, or have another replica elected uncleanly");
        let is_the_log_of_the_checkpoints = !(found.was_copy || found.may_be_older);
        if is_the_log_of_the_checkpoints {
            dir.keep_entries(&found.name, checkpoints);
        }
        let offline = HostedPartition::Offline(Offline::Damaged(None));
        self.hosted.insert(found.id, offline);
    }
}

/// Has lists of segments kept, and finds out which of those that are there count.
fn keep_lists(dir: &DataDir, mark: Option<&CleanShutdown>) -> io::Result<()> {
    let (disk, path) = (&**dir.log_dir.disk(), dir.path());
    let generation = last_use::generation(disk, path, mark)?;
    let older = match mark {
        None => last_use::generation_before_power_cut(disk, path)?,
        Some(_) => None,
    };
    let generation = generation.unwrap_or_else(new_generation);
    dir.log_dir.keep_lists(generation, older);
    Ok(())
}

/// A generation that no list has, and that is not 0.
fn new_generation() -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = random_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1
}

/// Whether a log that opens goes as far as the checkpoints say that it did. Where they know nothing of it
/// nobody can tell: the disk may have been replaced, and the log been put there from somewhere else.
fn has_all(log: &Log, found: &Found, checkpoints: &Checkpoints) -> bool {
    let recovery_point = checkpoints.recovery_points.get(&found.name);
    let high_watermark = checkpoints.high_watermarks.get(&found.name);
    let end = log.end_offset();
    !(found.was_copy || found.may_be_older)
        && recovery_point.is_some_and(|offset| *offset <= end)
        && high_watermark.is_none_or(|offset| *offset <= end)
}

/// The broker epoch in which all directories were closed, if there is one.
fn common_epoch(marks: &[Option<CleanShutdown>]) -> Option<i64> {
    let mut epochs = marks
        .iter()
        .map(|mark| mark.and_then(|mark| mark.broker_epoch));
    let first = epochs.next()??;
    epochs.all(|epoch| epoch == Some(first)).then_some(first)
}

fn open_log(
    dir: &DataDir,
    found: &Found,
    config: &Arc<LogConfig>,
    opening: &Opening,
) -> Result<Log, StorageError> {
    let disk = Arc::clone(dir.log_dir.disk());
    Log::open(disk, &found.folder, Arc::clone(config), opening)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_were_closed_in_order_only_if_all_say_so_of_one_epoch() {
        let mark = |broker_epoch| Some(CleanShutdown { broker_epoch });
        let cases = [
            (vec![mark(Some(7)), mark(Some(7))], Some(7)),
            (vec![mark(Some(7)), mark(Some(6))], None),
            // A directory that is new, or was wiped.
            (vec![mark(Some(7)), None], None),
            (vec![None, mark(Some(7))], None),
            // Kafka before 3.7 has closed it.
            (vec![mark(None)], None),
            (vec![], None),
        ];
        for (marks, expected) in cases {
            assert_eq!(common_epoch(&marks), expected, "{marks:?}");
        }
    }
}
