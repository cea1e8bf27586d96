//! A disk in memory keeps what was synced, and tears the rest.

use super::*;
use crate::storage::disk::{read_file, replace_file};

fn write(disk: &CrashDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), OpenMode::Create).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
    file
}

fn content(disk: &CrashDisk, path: &str) -> Option<Vec<u8>> {
    read_file(disk, Path::new(path)).unwrap()
}

#[test]
fn only_what_was_synced_survives_a_power_cut() {
    let disk = CrashDisk::new();
    let file = write(&disk, "/synced", b"old");
    file.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[IoSlice::new(b"new")], 3).unwrap();
    write(&disk, "/nameless", b"content").sync().unwrap();

    let lost = disk.after_power_cut(Tear::Lost);
    let kept = disk.after_power_cut(Tear::Kept);

    assert_eq!(content(&lost, "/synced").unwrap(), b"old");
    assert_eq!(content(&lost, "/nameless"), None);
    assert_eq!(content(&kept, "/synced").unwrap(), b"oldnew");
    assert_eq!(content(&kept, "/nameless").unwrap(), b"content");
}

#[test]
fn a_torn_write_leaves_the_synced_bytes_alone() {
    let disk = CrashDisk::new();
    let file = write(&disk, "/file", &[7; 1000]);
    file.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[IoSlice::new(&[8; 3000])], 1000).unwrap();

    let images: Vec<_> = (0..20)
        .map(|seed| {
            let after = disk.after_power_cut(Tear::Torn(seed));
            content(&after, "/file").unwrap()
        })
        .collect();

    assert!(images.iter().all(|image| image[..1000] == [7; 1000]));
    assert!(images.iter().any(|image| image.len() < 4000));
    assert!(images.iter().any(|image| image[1000..].contains(&0)));
}

#[test]
fn a_replaced_file_is_old_or_new_wherever_the_power_is_cut() {
    let path = Path::new("/dir/file");
    for operation in 0.. {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new("/dir")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        replace_file(&disk, path, b"old").unwrap();
        disk.inject(disk.operations() + operation, Fault::PowerCut);

        let replaced = replace_file(&disk, path, b"new");

        for tear in [Tear::Lost, Tear::Kept, Tear::Torn(operation)] {
            let found = content(&disk.after_power_cut(tear), "/dir/file").unwrap();
            assert!(
                found == b"old" || found == b"new",
                "{found:?} after {tear:?}"
            );
            assert!(replaced.is_err() || found == b"new");
        }
        if replaced.is_ok() {
            break;
        }
    }
}

#[test]
fn a_failed_sync_loses_what_it_should_have_written() {
    let disk = CrashDisk::new();
    let file = write(&disk, "/file", b"content");
    disk.sync_dir(Path::new("/")).unwrap();

    disk.inject(disk.operations(), Fault::Io);

    assert!(file.sync().is_err());
    assert_eq!(
        content(&disk.after_power_cut(Tear::Torn(1)), "/file").unwrap(),
        b""
    );
}

#[test]
fn a_full_disk_refuses_to_grow_until_space_is_freed() {
    let disk = CrashDisk::new();
    let file = write(&disk, "/file", b"1234");
    disk.inject(disk.operations(), Fault::NoSpace);

    let refused = file.write_at(&[IoSlice::new(b"abcd")], 4).unwrap_err();

    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert_eq!(content(&disk, "/file").unwrap(), b"1234ab");
    file.set_len(4).unwrap();
    disk.heal();
    file.write_at(&[IoSlice::new(b"abcd")], 4).unwrap();
    assert_eq!(content(&disk, "/file").unwrap(), b"1234abcd");
}

#[test]
fn a_renamed_directory_takes_its_files_along() {
    let disk = CrashDisk::new();
    disk.create_dir(Path::new("/a/b")).unwrap();
    write(&disk, "/a/b/file", b"content");

    disk.rename(Path::new("/a/b"), Path::new("/a/c")).unwrap();

    assert_eq!(content(&disk, "/a/c/file").unwrap(), b"content");
    assert_eq!(content(&disk, "/a/b/file"), None);
    disk.remove(Path::new("/a")).unwrap();
    assert_eq!(disk.list(Path::new("/")).unwrap(), []);
}
