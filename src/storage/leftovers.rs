//! Clears up what a crash may have left in a partition folder: deleted files, half-done work of the
//! cleaner, indexes without their log. The rules are Kafka's, so that either broker can clear up after the
//! other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::batch_walk::{HeaderWalk, SCAN_CHUNK};
use super::disk::OpenMode;
use super::error::StorageError;
use super::folder::{FileKind, FileName, Folder, Stage};
use super::inventory::{INVENTORY_FILE, Inventory, Listed};
use crate::model::Offset;

/// What a folder holds after it was cleared up.
#[derive(Debug)]
pub(super) struct FolderContent {
    /// The segments in order.
    pub(super) segments: Vec<SegmentFiles>,
    /// The offsets of the producer snapshots.
    pub(super) snapshots: Vec<Offset>,
    /// What it had, if that is known: it has that still.
    pub(super) inventory: Option<Inventory>,
    /// There is a file that says so, or did.
    pub(super) has_inventory: bool,
    /// Above the recovery point of a compacted log: the first segment that is gone, or lacks batches. Nothing
    /// else tells, as offsets may be missing there for another reason.
    pub(super) lost_from: Option<Offset>,
}

/// The files of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentFiles {
    pub(super) base_offset: Offset,
    /// The size of the log in bytes.
    pub(super) size: u64,
    /// Whether both the offset index and the time index are there.
    pub(super) has_indexes: bool,
    /// Whether an index of aborted transactions is there.
    pub(super) has_aborts: bool,
}

/// What is known of a folder before anybody looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The log was closed in order.
    pub(super) clean: bool,
    /// A list of the segments holds if it has this generation; with 0 none does.
    pub(super) generation: u64,
    /// A list of this generation may be older than the files; with 0 there is none.
    pub(super) older_generation: u64,
    /// Where the log starts, as its checkpoint says.
    pub(super) log_start: Offset,
    /// Everything below was on stable storage, as its checkpoint says.
    pub(super) recovery_point: Offset,
    /// The log is compacted: nobody can tell a file that is missing from offsets that are.
    pub(super) compacted: bool,
}

impl Known {
    /// Whether recovery must be told where a compacted log ends. Where nothing is known of a recovery point,
    /// as for a log that was put here by hand, no list is believed.
    fn may_end_early(&self) -> bool {
        self.compacted && !self.clean && self.recovery_point > self.log_start
    }
}

/// Clears up, and returns what is left.
///
/// # Errors
/// [`StorageError::Inconsistent`] if batches are missing that no crash takes away. Nothing was removed
/// then.
pub(super) fn clear(folder: &Folder, known: Known) -> Result<FolderContent, StorageError> {
    let (mut names, mut has_inventory) = list(folder)?;
    // Before anything is removed: what is left may be the only trace of the batches that are missing.
    let unlogged = check_logs_are_there(folder, &names, known)?;
    // Whoever was compacting had not written down what comes of it.
    let is_swapping = names.iter().any(|name| name.stage == Stage::Swap);
    let read = |generation: u64| {
        if !has_inventory || generation == 0 || is_swapping {
            return Ok(None);
        }
        let path = folder.path();
        let read = Inventory::read(folder.disk(), &path, generation);
        read.map_err(|error| StorageError::io("read", &path, error))
    };
    let inventory = read(known.generation)?;
    let older = read(known.older_generation)?;
    let deleted: BTreeSet<Offset> = logs_in(&names, Stage::Deleted).collect();
    if let Some(inventory) = &inventory {
        check_listed_are_there(folder, &names, &deleted, inventory, known)?;
    }
    if names.iter().any(|name| name.stage != Stage::Live) {
        // A start that is killed from here on leaves no trace of the swap, nor of what was deleted.
        has_inventory &= !is_swapping;
        settle_list(folder, is_swapping)?;
        finish_swap(folder, &mut names)?;
        remove_where(folder, &mut names, |name| name.stage != Stage::Live)?;
    }
    let mut kinds: BTreeMap<Offset, Vec<FileKind>> = BTreeMap::new();
    for name in &names {
        kinds.entry(name.offset).or_default().push(name.kind);
    }
    let has = |offset: Offset, kind| kinds.get(&offset).is_some_and(|it| it.contains(&kind));
    remove_where(folder, &mut names, |name| {
        // Indexes can be made again from a log file; without one they index nothing.
        name.kind != FileKind::ProducerSnapshot && !has(name.offset, FileKind::Log)
    })?;
    let of_kind = |kind| {
        let wanted = names.iter().filter(move |name| name.kind == kind);
        wanted.map(|name| name.offset)
    };
    let mut segments = of_kind(FileKind::Log)
        .map(|base_offset| {
            Ok(SegmentFiles {
                base_offset,
                size: size(folder, &folder.file(base_offset, FileKind::Log))?,
                has_indexes: has(base_offset, FileKind::OffsetIndex)
                    && has(base_offset, FileKind::TimeIndex),
                has_aborts: has(base_offset, FileKind::TransactionIndex),
            })
        })
        .collect::<Result<Vec<_>, StorageError>>()?;
    segments.sort_unstable_by_key(|segment| segment.base_offset);
    if let Some(inventory) = &inventory {
        check_listed_sizes(folder, &segments, &deleted, inventory, known)?;
    }
    let list = inventory.as_ref().or(older.as_ref());
    let lacking = list.and_then(|list| first_lacking(&segments, &deleted, list, known));
    let lost_from = unlogged.into_iter().chain(lacking).min();
    Ok(FolderContent {
        lost_from: lost_from.filter(|_| known.may_end_early()),
        segments,
        inventory,
        has_inventory,
        snapshots: of_kind(FileKind::ProducerSnapshot).collect(),
    })
}

/// The first segment above the recovery point that is not what the list says, with others behind it.
fn first_lacking(
    segments: &[SegmentFiles],
    deleted: &BTreeSet<Offset>,
    list: &Inventory,
    known: Known,
) -> Option<Offset> {
    let listed = list.segments.iter();
    let mut listed = listed.filter(|it| it.log_bytes > 0 && !deleted.contains(&it.base_offset));
    let lacking = listed.find(|listed| {
        let base = listed.base_offset;
        let next = segments.partition_point(|segment| segment.base_offset <= base);
        let is_above = |offset: Offset| offset > known.recovery_point;
        // What ends below the recovery point is none of this: there the list need not be newer than the files.
        let is_inside = segments
            .get(next)
            .is_some_and(|next| is_above(next.base_offset));
        let found = segments.get(next.wrapping_sub(1));
        let found = found.filter(|segment| segment.base_offset == base);
        let is_gone = found.is_none() && base >= known.recovery_point;
        let is_short = found.is_some_and(|segment| segment.size < listed.log_bytes);
        is_inside && (is_gone || is_short)
    });
    lacking.map(|listed| listed.base_offset)
}

/// Checks that no index lacks its log, except where a crash leaves such: at an end of the log, where a
/// segment was being made or deleted, and above the recovery point, where new names need not be durable:
/// recovery ends the log there, and is told of the first one. After a stop in order there is none.
fn check_logs_are_there(
    folder: &Folder,
    names: &[FileName],
    known: Known,
) -> Result<Option<Offset>, StorageError> {
    // A swap was cut short: while it is not completed, logs may well be missing.
    if names.iter().any(|name| name.stage != Stage::Live) {
        return Ok(None);
    }
    let of_kind = |kind| names.iter().filter(move |name| name.kind == kind);
    let logs: BTreeSet<Offset> = of_kind(FileKind::Log).map(|name| name.offset).collect();
    let is_inside = |offset: &Offset| {
        logs.first().is_some_and(|first| first < offset)
            && logs.last().is_some_and(|last| offset < last)
    };
    let lost = of_kind(FileKind::OffsetIndex)
        .map(|name| name.offset)
        .filter(|offset| !logs.contains(offset) && (known.clean || is_inside(offset)));
    let lost: BTreeSet<Offset> = lost.collect();
    for &offset in &lost {
        let missing = StorageError::Inconsistent {
            path: folder.path().to_path_buf(),
            reason: format!(
                "{} is missing, and its index is there. Restore the file, or, to go on without what was \
                 in it, remove the index files of that name",
                folder.file(offset, FileKind::Log).display()
            ),
        };
        let is_seen = !known.compacted || known.may_end_early();
        judge(!is_seen || offset < known.recovery_point, missing)?;
    }
    Ok(lost.first().copied())
}

fn logs_in(names: &[FileName], stage: Stage) -> impl Iterator<Item = Offset> {
    let wanted = move |name: &&FileName| name.kind == FileKind::Log && name.stage == stage;
    names.iter().filter(wanted).map(|name| name.offset)
}

/// Has the list on the disk say nothing of what is about to be removed: a swap makes it untrue, and what was
/// deleted is not on it, but an older one may be durable.
fn settle_list(folder: &Folder, is_swapping: bool) -> Result<(), StorageError> {
    let path = folder.path();
    if is_swapping {
        let removed = Inventory::remove(folder.disk(), &path);
        return removed.map_err(|error| StorageError::io("delete", &path, error));
    }
    let synced = Inventory::sync(folder.disk(), &path);
    synced.map_err(|error| StorageError::io("sync", &path, error))
}

/// Refuses a folder that lacks a segment which it had: nobody deleted it, or there would be a file that
/// says so, or a list without it. Nothing was removed yet.
fn check_listed_are_there(
    folder: &Folder,
    names: &[FileName],
    deleted: &BTreeSet<Offset>,
    inventory: &Inventory,
    known: Known,
) -> Result<(), StorageError> {
    let there: BTreeSet<Offset> = logs_in(names, Stage::Live).collect();
    let is_lost = |base: &Offset| !there.contains(base) && !deleted.contains(base);
    let claims = inventory.claims(known.log_start, known.recovery_point, known.clean);
    for claim in claims.filter(|claim| is_lost(&claim.listed.base_offset)) {
        judge(
            claim.was_made,
            lost_batches(folder, claim.listed, "is missing"),
        )?;
    }
    Ok(())
}

/// Refuses a folder that lacks what was durable. What was not may be lost without a fault of the disk.
fn judge(was_durable: bool, lost: StorageError) -> Result<(), StorageError> {
    if was_durable {
        return Err(lost);
    }
    tracing::warn!(%lost, "above the recovery point: recovery cuts the log where its batches end");
    Ok(())
}

/// Refuses a folder in which a segment has another size than it had.
fn check_listed_sizes(
    folder: &Folder,
    segments: &[SegmentFiles],
    deleted: &BTreeSet<Offset>,
    inventory: &Inventory,
    known: Known,
) -> Result<(), StorageError> {
    for claim in inventory.claims(known.log_start, known.recovery_point, known.clean) {
        let listed = claim.listed;
        let place = segments.binary_search_by_key(&listed.base_offset, |it| it.base_offset);
        let Some(found) = place.ok().and_then(|place| segments.get(place)) else {
            continue;
        };
        let is_right = found.size == listed.log_bytes
            || claim.may_have_grown && found.size > listed.log_bytes
            // Another one has its name by now.
            || deleted.contains(&listed.base_offset);
        if !is_right {
            let found = format!("has {} bytes", found.size);
            judge(claim.was_whole, lost_batches(folder, listed, &found))?;
        }
    }
    Ok(())
}

fn lost_batches(folder: &Folder, listed: &Listed, found: &str) -> StorageError {
    let log = folder.file(listed.base_offset, FileKind::Log);
    StorageError::Inconsistent {
        path: folder.path().to_path_buf(),
        reason: format!(
            "{} {found}, and had {} bytes. Restore the file, or, to go on without what was in it, remove \
             {INVENTORY_FILE} from the folder",
            log.display(),
            listed.log_bytes
        ),
    }
}

/// The files of the log, and whether there is a list of them.
fn list(folder: &Folder) -> Result<(Vec<FileName>, bool), StorageError> {
    let path = folder.path();
    let entries = folder.disk().list(&path);
    let entries = entries.map_err(|error| StorageError::io("list", &path, error))?;
    let files = entries.iter().filter(|entry| !entry.is_dir);
    let names = files
        .clone()
        .filter_map(|entry| FileName::parse(&entry.name));
    let has_inventory = files.clone().any(|entry| entry.name == INVENTORY_FILE);
    Ok((names.collect(), has_inventory))
}

/// Puts complete output of the cleaner in the place of what it was made from. Output with incomplete output
/// at or below it is part of an incomplete whole, and is dropped.
fn finish_swap(folder: &Folder, names: &mut Vec<FileName>) -> Result<(), StorageError> {
    let in_stage = |names: &[FileName], stage| -> Vec<FileName> {
        let wanted = names.iter().filter(|name| name.stage == stage);
        wanted.copied().collect()
    };
    let lowest_cleaned = in_stage(names, Stage::Cleaned)
        .iter()
        .map(|name| name.offset)
        .min();
    remove_where(folder, names, |name| {
        name.stage == Stage::Swap && lowest_cleaned.is_some_and(|it| name.offset >= it)
    })?;
    let swap = in_stage(names, Stage::Swap);
    if swap.is_empty() {
        return Ok(());
    }
    let (mut start, mut end) = (Offset(i64::MAX), Offset::NONE);
    for name in swap.iter().filter(|name| name.kind == FileKind::Log) {
        start = start.min(name.offset);
        end = end.max(end_of(folder, name)?);
    }
    // A file that was renamed before the crash is output, too. The batches are renamed first, but a power
    // cut need not keep the order.
    let is_output = |name: &FileName| {
        let in_swap = |kind| {
            let same = |it: &FileName| it.offset == name.offset && it.kind == kind;
            swap.iter().any(same)
        };
        name.kind != FileKind::Log && in_swap(FileKind::Log) && !in_swap(name.kind)
    };
    remove_where(folder, names, |name| {
        let is_live = name.stage == Stage::Live;
        is_live && (start..end).contains(&name.offset) && !is_output(name)
    })?;
    sync(folder)?;
    for name in names.iter_mut().filter(|name| name.stage == Stage::Swap) {
        let from = folder.staged(name.offset, name.kind, Stage::Swap);
        let to = folder.file(name.offset, name.kind);
        let renamed = folder.disk().rename(&from, &to);
        renamed.map_err(|error| StorageError::io("rename", &from, error))?;
        name.stage = Stage::Live;
    }
    names.sort_unstable_by_key(|name| (name.offset, name.kind));
    names.dedup();
    sync(folder)
}

/// Syncs the folder's names, before the next step depends on them.
fn sync(folder: &Folder) -> Result<(), StorageError> {
    let path = folder.path();
    let synced = folder.disk().sync_dir(&path);
    synced.map_err(|error| StorageError::io("sync", &path, error))
}

/// The offset after the last batch of a file.
fn end_of(folder: &Folder, name: &FileName) -> Result<Offset, StorageError> {
    let path = folder.staged(name.offset, name.kind, name.stage);
    let failed = |error| StorageError::io("read", &path, error);
    let file = folder
        .disk()
        .open(&path, OpenMode::Existing)
        .map_err(failed)?;
    let mut walk = HeaderWalk::new(&*file, 0, size(folder, &path)?, SCAN_CHUNK);
    let mut end = name.offset;
    // The recovery of the segment deals with what cannot be read.
    while let Ok(Some(batch)) = walk.next() {
        end = batch.header.next_offset();
    }
    Ok(end)
}

fn size(folder: &Folder, path: &Path) -> Result<u64, StorageError> {
    let stat = folder.disk().stat(path);
    let stat = stat.map_err(|error| StorageError::io("read", path, error))?;
    Ok(stat.map_or(0, |stat| stat.size))
}

fn remove_where(
    folder: &Folder,
    names: &mut Vec<FileName>,
    unwanted: impl Fn(&FileName) -> bool,
) -> Result<(), StorageError> {
    for name in names.iter().filter(|name| unwanted(name)) {
        let path = folder.staged(name.offset, name.kind, name.stage);
        let removed = folder.disk().remove(&path);
        removed.map_err(|error| StorageError::io("delete", &path, error))?;
        tracing::info!(file = %path.display(), "removed what was left over");
    }
    names.retain(|name| !unwanted(name));
    Ok(())
}
