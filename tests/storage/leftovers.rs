//! What a crash leaves of deletions and of the cleaner's work is cleared up as Kafka does it.

use std::path::{Path, PathBuf};

use broker::doubles::CrashDisk;
use broker::model::Offset;
use broker::storage::disk::Disk;

use crate::support::{
    FOLDER, after_crash, batches, config, content, files, filled, new_disk, open_log, read_file,
    write_file,
};

const SEGMENT: [&str; 3] = [".log", ".index", ".timeindex"];

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Copies the files of the segment at `index` under names with `suffix`.
fn copy_segment(disk: &CrashDisk, index: usize, suffix: &str) {
    for kind in SEGMENT {
        let file = files(disk, kind)[index].clone();
        write_file(disk, &with_suffix(&file, suffix), &read_file(disk, &file));
    }
}

#[test]
fn deleted_and_half_cleaned_files_are_removed() {
    let (disk, log) = filled(83);
    copy_segment(&disk, 1, ".deleted");
    copy_segment(&disk, 2, ".cleaned");
    let foreign = Path::new(FOLDER).join("00000000000000000010-0000000001.checkpoint.deleted");
    write_file(&disk, &foreign, b"of the metadata log");

    let opened = open_log(&disk, &after_crash(Offset(0))).unwrap();

    assert_eq!(content(&opened), content(&log));
    assert_eq!(files(&disk, ".cleaned").len(), 0);
    assert_eq!(files(&disk, ".deleted"), [foreign]);
}

#[test]
fn indexes_without_their_log_are_removed() {
    let (disk, log) = filled(83);
    let index = files(&disk, ".index").pop().unwrap();
    let orphan = Path::new(FOLDER).join("00000000000000099999.index");
    write_file(&disk, &orphan, &read_file(&disk, &index));

    let opened = open_log(&disk, &after_crash(Offset(0))).unwrap();

    assert_eq!(content(&opened), content(&log));
    assert!(disk.stat(&orphan).unwrap().is_none());
}

/// A power cut keeps some of the names that were made since the last sync, and loses others.
#[test]
fn a_log_that_is_missing_above_the_recovery_point_ends_what_is_left() {
    let lost = |recovery_point: fn(Offset) -> Offset| {
        let (disk, log) = filled(83);
        let logs = files(&disk, ".log");
        let middle = &logs[logs.len() / 2];
        let base = middle.file_stem().and_then(|it| it.to_str());
        let base = Offset(base.expect("a name").parse().expect("an offset"));
        disk.remove(middle).expect("it is there");
        let opened = open_log(&disk, &after_crash(recovery_point(base)));
        (opened, content(&log), base)
    };

    let (opened, before, base) = lost(|base| base);
    let opened = opened.unwrap();
    assert!(before.batches.starts_with(&content(&opened).batches));
    assert_eq!(opened.end_offset(), base);

    let (refused, ..) = lost(|base| Offset(base.0 + 1));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("is missing"), "{refused}");
}

#[test]
fn complete_output_of_the_cleaner_replaces_what_it_was_made_from() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let logs = files(&disk, ".log");
    // The first two segments become one, of which only the very last batch is left.
    let size: usize = logs[..2]
        .iter()
        .map(|file| read_file(&disk, file).len())
        .sum();
    let (mut position, mut count) = (0, 0);
    while position < size {
        position += whole[count].len();
        count += 1;
    }
    for kind in SEGMENT {
        let content: &[u8] = if kind == ".log" {
            &whole[count - 1]
        } else {
            &[]
        };
        let file = files(&disk, kind)[0].clone();
        write_file(&disk, &with_suffix(&file, ".swap"), content);
    }

    let opened = open_log(&disk, &after_crash(log.end_offset())).unwrap();

    assert!(batches(&opened) == whole[count - 1..]);
    assert_eq!(files(&disk, ".swap").len(), 0);
    assert_eq!(files(&disk, ".log").len(), logs.len() - 1);
    assert_eq!(opened.log_start_offset(), Offset(0));
}

#[test]
fn output_of_the_cleaner_with_an_unfinished_part_is_dropped() {
    let (disk, log) = filled(83);
    copy_segment(&disk, 0, ".cleaned");
    let first = files(&disk, ".log")[0].clone();
    let batch = batches(&log)[0].clone();
    write_file(&disk, &with_suffix(&first, ".swap"), &batch);

    let opened = open_log(&disk, &after_crash(Offset(0))).unwrap();

    assert_eq!(content(&opened), content(&log));
    assert_eq!(files(&disk, ".swap").len(), 0);
}

#[test]
fn a_swap_that_was_interrupted_is_finished() {
    let (disk, log) = filled(83);
    let whole = content(&log);
    for kind in [".index", ".timeindex"] {
        let file = files(&disk, kind)[1].clone();
        disk.rename(&file, &with_suffix(&file, ".swap")).unwrap();
    }

    let opened = open_log(&disk, &after_crash(log.end_offset())).unwrap();

    assert_eq!(content(&opened), whole);
    assert_eq!(files(&disk, ".swap").len(), 0);
    assert_eq!(files(&disk, ".index").len(), files(&disk, ".log").len());
}

#[test]
fn an_empty_folder_becomes_a_log_at_its_start_offset() {
    let disk = new_disk();
    let mut opening = after_crash(Offset(0));
    opening.log_start_offset = Offset(1_000);

    let opened = open_log(&disk, &opening).unwrap();

    assert_eq!(opened.log_start_offset(), Offset(1_000));
    assert_eq!(opened.end_offset(), Offset(1_000));
    assert_eq!(opened.config().segment_bytes, config().segment_bytes);
    assert_eq!(files(&disk, ".log").len(), 1);
}
