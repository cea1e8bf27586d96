//! One fault in the metadata log or in a file beside it, after a kill: what was synced is never cut
//! away in silence, and what was not is cut without a word from the operator.
//!
//! | file                   | flipped bit      | cut, zeros, empty | missing           |
//! | ---------------------- | ---------------- | ----------------- | ----------------- |
//! | segment, synced        | refused          | refused           | refused           |
//! | segment, behind that   | cut off          | cut off           |                   |
//! | `synced-offset`        | by the recovery point ||                                |
//! | recovery point         | by `synced-offset` |||                                  |
//! | `quorum-state`         | refused, or harmless | refused       | from the log      |
//! | snapshot, log has all  | from the log     | from the log      | from the log      |
//! | snapshot, log has not  | refused          | refused           | refused           |
//! | `partition.metadata`   | refused, or written again | written again | written again |

use super::*;

const FOLDER: &str = "data/__cluster_metadata-0";
const SEGMENT: &str = "data/__cluster_metadata-0/00000000000000000000.log";

/// What a kill leaves of a quorum that lived twice and committed some batches each time, and the
/// records of these.
fn killed() -> (CrashDisk, Vec<Bytes>) {
    let disk = formatted_disk();
    for name in ["first", "second"] {
        let (raft, recorder, epoch) = lead(&config(), &disk);
        for number in 0..3 {
            let records = vec![record(&format!("{name}{number}")); number + 1];
            let last = raft.append(epoch, records).unwrap();
            assert!(recorder.wait_for_commit(last));
        }
        if name == "second" {
            let left = disk.after_power_cut(Tear::Kept);
            raft.close();
            return (left, recorder.records());
        }
        raft.close();
    }
    unreachable!("the second life returns");
}

fn bytes_of(disk: &CrashDisk, path: &str) -> Vec<u8> {
    disk::read_file(disk, Path::new(path)).unwrap().unwrap()
}

/// Writes a file in place; its length is that of `bytes` then.
fn overwrite(disk: &CrashDisk, path: &str, bytes: &[u8]) {
    let file = disk.open(Path::new(path), OpenMode::Create).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_at(&[std::io::IoSlice::new(bytes)], 0).unwrap();
}

/// Why the quorum does not start.
fn refusal(disk: &CrashDisk, what: &str) -> String {
    match open(&config(), disk) {
        Err(error) => error.to_string(),
        Ok((raft, recorder)) => {
            let records = recorder.records();
            raft.close();
            panic!("{what}: started with {records:?}");
        }
    }
}

fn starts_with(disk: &CrashDisk, expected: &[Bytes], what: &str) {
    let (raft, recorder) = open(&config(), disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    recorder.wait_for_leadership().expect("the disk is well");
    raft.close();
    assert_eq!(recorder.records(), expected, "{what}");
}

#[test]
fn each_flipped_bit_of_the_synced_log_is_refused_and_changes_nothing_that_is_remembered() {
    let (disk, records) = killed();
    let whole = bytes_of(&disk, SEGMENT);
    assert!(whole.len() > 500, "only {} bytes", whole.len());
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        overwrite(&disk, SEGMENT, &flipped);

        let what = format!("bit {} of byte {}", bit % 8, bit / 8);
        let message = refusal(&disk, &what);

        assert!(message.contains("is damaged"), "{what}: {message}");
        assert!(
            message.contains("restore the folder from a backup"),
            "{what}: {message}"
        );
        assert!(
            message.contains("remove synced-offset and"),
            "{what}: {message}"
        );
    }
    overwrite(&disk, SEGMENT, &whole);
    starts_with(&disk, &records, "the log as it was");
}

#[test]
fn a_synced_log_that_was_cut_anywhere_or_is_gone_is_refused() {
    let (disk, records) = killed();
    let whole = bytes_of(&disk, SEGMENT);
    for length in 0..whole.len() {
        overwrite(&disk, SEGMENT, &whole[..length]);

        let message = refusal(&disk, &format!("cut to {length} bytes"));

        assert!(message.contains("is damaged"), "{length}: {message}");
    }
    disk.remove(Path::new(SEGMENT)).unwrap();
    for start in 1..=2 {
        let message = refusal(&disk, "no segment");
        assert!(message.contains("is damaged"), "start {start}: {message}");
    }
    overwrite(&disk, SEGMENT, &vec![0; whole.len()]);
    assert!(refusal(&disk, "zeros").contains("is damaged"));

    overwrite(&disk, SEGMENT, &whole);
    starts_with(&disk, &records, "the log as it was");
}

#[test]
fn half_a_batch_behind_what_was_synced_is_cut_off() {
    let (disk, records) = killed();
    let whole = bytes_of(&disk, SEGMENT);
    // The batch that was about to be written, as far as the kill let it.
    let batch = whole[whole.len() - 90..].to_vec();
    for length in 1..batch.len() {
        for torn in [batch[..length].to_vec(), vec![0; length]] {
            let disk = disk.after_power_cut(Tear::Kept);
            overwrite(&disk, SEGMENT, &[&whole[..], &torn].concat());

            starts_with(&disk, &records, &format!("{length} bytes more"));
        }
    }
}

#[test]
fn without_what_was_remembered_the_log_is_cut_at_the_damage_as_the_operator_asked() {
    let (disk, records) = killed();
    let mut bytes = bytes_of(&disk, SEGMENT);
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    overwrite(&disk, SEGMENT, &bytes);
    refusal(&disk, "damaged");
    for name in ["synced-offset", "recovery-point-offset-checkpoint"] {
        disk.remove(&Path::new(FOLDER).join(name)).unwrap();
    }

    // The last batch had three records.
    starts_with(&disk, &records[..records.len() - 3], "cut");
}

#[test]
fn a_fault_in_what_is_remembered_of_the_log_neither_stops_the_node_nor_loses_records() {
    let (disk, records) = killed();
    for name in ["synced-offset", "recovery-point-offset-checkpoint"] {
        let path = format!("{FOLDER}/{name}");
        let whole = bytes_of(&disk, &path);
        for bit in 0..8 * whole.len() {
            let disk = disk.after_power_cut(Tear::Kept);
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            overwrite(&disk, &path, &flipped);

            starts_with(&disk, &records, &format!("{name}, bit {bit}"));
        }
        for (left, what) in [(&whole[..whole.len() - 1], "cut"), (&[], "empty")] {
            let disk = disk.after_power_cut(Tear::Kept);
            overwrite(&disk, &path, left);

            starts_with(&disk, &records, &format!("{name}, {what}"));
        }
        let disk = disk.after_power_cut(Tear::Kept);
        overwrite(&disk, &path, &vec![0; whole.len()]);
        starts_with(&disk, &records, &format!("{name}, zeros"));
        disk.remove(Path::new(&path)).unwrap();
        starts_with(&disk, &records, &format!("{name}, missing"));
    }
}

/// What may become of a file: one flipped bit each, one byte cut off, zeros, nothing.
fn faults(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let flipped = (0..8 * whole.len()).map(|bit| {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {} of byte {}", bit % 8, bit / 8), bytes)
    });
    let others = [
        ("cut".to_owned(), whole[..whole.len() - 1].to_vec()),
        ("zeros".to_owned(), vec![0; whole.len()]),
        ("empty".to_owned(), Vec::new()),
    ];
    flipped.chain(others).collect()
}

/// Either the quorum starts with all that was committed, or it does not and says about which file.
fn starts_whole_or_names(disk: &CrashDisk, name: &str, records: &[Bytes], what: &str) -> bool {
    let config = RaftConfig {
        timeouts: Timeouts {
            fetch: Duration::from_millis(20),
            election: Duration::from_millis(20),
            election_backoff_max: Duration::from_millis(20),
            ..Timeouts::default()
        },
        ..config()
    };
    match open(&config, disk) {
        Ok((raft, recorder)) => {
            recorder.wait_for_leadership().expect("the disk is well");
            raft.close();
            assert_eq!(recorder.records(), records, "{what}");
            true
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(name), "{what}: {message}");
            assert!(
                message.contains("emove") || message.contains("estore"),
                "{what}: {message}"
            );
            false
        }
    }
}

#[test]
fn a_damaged_election_state_is_refused_or_harmless_and_a_missing_one_is_found_in_the_log() {
    let (disk, records) = killed();
    let path = format!("{FOLDER}/quorum-state");
    for (what, bytes) in faults(&bytes_of(&disk, &path)) {
        let disk = disk.after_power_cut(Tear::Kept);
        overwrite(&disk, &path, &bytes);

        let started = starts_whole_or_names(&disk, "quorum-state", &records, &what);

        let is_flip = what.starts_with("bit");
        assert!(is_flip || !started, "{what}");
    }
    disk.remove(Path::new(&path)).unwrap();
    starts_with(&disk, &records, "missing");
}

/// A quorum that wrote a snapshot and went on, killed; the snapshot's path.
fn killed_after_snapshot() -> (CrashDisk, Vec<Bytes>, String) {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    let first = raft.append(epoch, vec![record("first")]).unwrap();
    assert!(recorder.wait_for_commit(first));
    let end = recorder.committed().last().unwrap().end();
    let batches = [recorder.records()].into_iter();
    assert!(raft.write_snapshot(end, Timestamp(1), batches).unwrap());
    let last = raft.append(epoch, vec![record("second")]).unwrap();
    assert!(recorder.wait_for_commit(last));
    let left = disk.after_power_cut(Tear::Kept);
    raft.close();
    let name = crate::raft::snapshot::file_name(end);
    (left, recorder.records(), format!("{FOLDER}/{name}"))
}

/// The batches below the snapshot are not read again, so a fault in them may be passed over; it must
/// not take away what follows the snapshot.
#[test]
fn a_flipped_bit_below_a_snapshot_takes_nothing_away_that_follows_it() {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    let first = raft.append(epoch, vec![record("first")]).unwrap();
    assert!(recorder.wait_for_commit(first));
    raft.close();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    let second = raft.append(epoch, vec![record("second")]).unwrap();
    assert!(recorder.wait_for_commit(second));
    let end = recorder.committed().last().unwrap().end();
    let batches = [recorder.records()].into_iter();
    assert!(raft.write_snapshot(end, Timestamp(1), batches).unwrap());
    let last = raft.append(epoch, vec![record("third")]).unwrap();
    assert!(recorder.wait_for_commit(last));
    raft.close();
    // After a stop in order: a start after a kill reads all of the segment again, and finds more.
    let left = disk.after_power_cut(Tear::Kept);
    let whole = bytes_of(&left, SEGMENT);
    let mut refused = 0;
    for bit in 0..8 * whole.len() {
        let disk = left.after_power_cut(Tear::Kept);
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        overwrite(&disk, SEGMENT, &flipped);
        match open(&config(), &disk) {
            Ok((raft, started)) => {
                started.wait_for_leadership().expect("the disk is well");
                raft.close();
                let what = format!("bit {} of byte {}", bit % 8, bit / 8);
                assert_eq!(started.records(), recorder.records(), "{what}");
            }
            Err(error) => {
                assert!(error.to_string().contains("is damaged"), "{bit}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "nothing was refused");
}

#[test]
fn a_damaged_snapshot_is_made_good_from_the_log_if_that_still_has_it_all() {
    let (disk, records, path) = killed_after_snapshot();
    for (what, bytes) in faults(&bytes_of(&disk, &path)) {
        let disk = disk.after_power_cut(Tear::Kept);
        overwrite(&disk, &path, &bytes);

        starts_with(&disk, &records, &what);
    }
    disk.remove(Path::new(&path)).unwrap();
    starts_with(&disk, &records, "missing");
}

#[test]
fn a_damaged_or_missing_snapshot_without_the_log_below_it_is_refused() {
    let disk = formatted_disk();
    let told = live(&disk, "x");
    let names = disk.list(Path::new(FOLDER)).unwrap();
    let snapshots = names.iter().map(|entry| entry.name.clone());
    let newest = snapshots
        .filter(|name| name.ends_with(".checkpoint"))
        .max()
        .unwrap();
    let path = format!("{FOLDER}/{newest}");
    for (what, bytes) in faults(&bytes_of(&disk, &path)) {
        let disk = disk.after_power_cut(Tear::Kept);
        overwrite(&disk, &path, &bytes);

        starts_whole_or_names(&disk, &newest, &told, &what);
    }
    for name in names
        .iter()
        .filter(|entry| entry.name.ends_with(".checkpoint"))
    {
        disk.remove(&Path::new(FOLDER).join(&name.name)).unwrap();
    }
    assert!(refusal(&disk, "missing").contains("there is no snapshot"));
}

#[test]
fn the_topic_id_of_the_metadata_log_is_written_again_unless_it_is_that_of_another_topic() {
    let (disk, records) = killed();
    let path = format!("{FOLDER}/partition.metadata");
    for (what, bytes) in faults(&bytes_of(&disk, &path)) {
        let disk = disk.after_power_cut(Tear::Kept);
        overwrite(&disk, &path, &bytes);

        let started = starts_whole_or_names(&disk, "partition.metadata", &records, &what);

        assert!(started || what.starts_with("bit"), "{what}");
    }
    disk.remove(Path::new(&path)).unwrap();
    starts_with(&disk, &records, "missing");
}
