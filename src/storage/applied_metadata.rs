//! `.applied-metadata`: up to which offset of the metadata log the replicas of a log directory have acted,
//! and of which cluster. Folders are made, set aside and removed as the metadata says; a metadata log that
//! ends below this offset has lost records, and it and one of another cluster must not be acted on.
//!
//! ```text
//! 1 <offset, 20 digits> <CRC-32C of both others, 8 hexadecimal digits> <cluster id>
//! ```
//! The file is ours alone; Kafka passes over it. It is overwritten in place, and not synced each time: after
//! a power cut it may name an older offset, which makes the check weaker, never wrong. For the same reason a
//! damaged file counts as missing. Version 0 had no cluster.

use std::io::{self, IoSlice};
use std::path::Path;

use super::disk::{self, Disk, OpenMode};
use crate::model::Offset;

/// The file's name in a log directory.
pub const APPLIED_METADATA_FILE: &str = ".applied-metadata";

/// What a log directory remembers of the metadata that was acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMetadata {
    /// The last offset.
    pub offset: Offset,
    /// The cluster; `None`: not known.
    pub cluster_id: Option<String>,
}

/// The offset that a log directory remembers; `None` if it remembers none.
///
/// # Errors
/// The disk failed.
pub fn read(disk: &dyn Disk, log_dir: &Path) -> io::Result<Option<AppliedMetadata>> {
    let path = log_dir.join(APPLIED_METADATA_FILE);
    let Some(bytes) = disk::read_file(disk, &path)? else {
        return Ok(None);
    };
    let applied = parse(&bytes);
    if applied.is_none() {
        tracing::warn!(file = %path.display(), "damaged: a metadata log that lost its end is not noticed");
    }
    Ok(applied)
}

/// Remembers that the replicas act on the metadata up to an offset. It must be called before they do.
///
/// # Errors
/// The disk failed, or is full.
pub fn remember(disk: &dyn Disk, log_dir: &Path, applied: &AppliedMetadata) -> io::Result<()> {
    let path = log_dir.join(APPLIED_METADATA_FILE);
    let file = disk.open(&path, OpenMode::Create)?;
    let line = line(applied);
    file.write_at(&[IoSlice::new(line.as_bytes())], 0)?;
    // What is left of a longer file would make this one look damaged for ever.
    file.set_len(line.len() as u64)
}

fn line(applied: &AppliedMetadata) -> String {
    let offset = applied.offset.0;
    match &applied.cluster_id {
        Some(cluster_id) => {
            let checksum = crc32c::crc32c(format!("1 {offset:020} {cluster_id}").as_bytes());
            format!("1 {offset:020} {checksum:08x} {cluster_id}\n")
        }
        None => {
            let text = format!("0 {offset:020}");
            let checksum = crc32c::crc32c(text.as_bytes());
            format!("{text} {checksum:08x}\n")
        }
    }
}

fn parse(bytes: &[u8]) -> Option<AppliedMetadata> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.strip_suffix('\n')?.splitn(4, ' ');
    let _version = fields.next()?;
    let offset = fields.next()?.parse().ok().map(Offset)?;
    let _checksum = fields.next()?;
    let cluster_id = fields.next().map(str::to_owned);
    let applied = AppliedMetadata { offset, cluster_id };
    (line(&applied) == text).then_some(applied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{CrashDisk, Tear};

    const DIR: &str = "data";

    fn formatted() -> CrashDisk {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        disk
    }

    fn applied(offset: i64) -> AppliedMetadata {
        AppliedMetadata {
            offset: Offset(offset),
            cluster_id: Some("a cluster".to_owned()),
        }
    }

    #[test]
    fn the_newest_offset_is_remembered_with_its_cluster() {
        let disk = formatted();
        assert_eq!(read(&disk, Path::new(DIR)).unwrap(), None);

        for offset in [0, 7, i64::MAX] {
            remember(&disk, Path::new(DIR), &applied(offset)).unwrap();

            let found = read(&disk, Path::new(DIR)).unwrap();
            assert_eq!(found, Some(applied(offset)));
        }
    }

    #[test]
    fn a_file_without_a_cluster_is_read_and_replaced() {
        let disk = formatted();
        let old = AppliedMetadata {
            cluster_id: None,
            ..applied(1_000)
        };
        remember(&disk, Path::new(DIR), &old).unwrap();
        assert_eq!(line(&old)[..23], *"0 00000000000000001000 ");
        assert_eq!(read(&disk, Path::new(DIR)).unwrap(), Some(old));

        remember(&disk, Path::new(DIR), &applied(5)).unwrap();

        assert_eq!(read(&disk, Path::new(DIR)).unwrap(), Some(applied(5)));
    }

    #[test]
    fn what_is_left_of_a_longer_file_does_not_stay() {
        let disk = formatted();
        let path = Path::new(DIR).join(APPLIED_METADATA_FILE);
        let longer = format!("{}x\n", line(&applied(7)));
        disk::replace_file(&disk, &path, longer.as_bytes()).unwrap();
        assert_eq!(read(&disk, Path::new(DIR)).unwrap(), None);

        remember(&disk, Path::new(DIR), &applied(8)).unwrap();

        assert_eq!(read(&disk, Path::new(DIR)).unwrap(), Some(applied(8)));
    }

    #[test]
    fn a_power_cut_leaves_an_offset_that_was_remembered_or_none() {
        for tear in [Tear::Lost, Tear::Kept, Tear::Torn(1), Tear::Torn(7)] {
            let disk = formatted();
            remember(&disk, Path::new(DIR), &applied(5)).unwrap();
            remember(&disk, Path::new(DIR), &applied(1_000)).unwrap();

            let found = read(&disk.after_power_cut(tear), Path::new(DIR)).unwrap();

            assert!([None, Some(applied(5)), Some(applied(1_000))].contains(&found));
        }
    }

    #[test]
    fn no_flipped_bit_makes_another_offset_or_cluster() {
        let sound = applied(1_234);
        let old = AppliedMetadata {
            cluster_id: None,
            ..sound.clone()
        };
        for sound in [sound, old] {
            let line = line(&sound);
            assert_eq!(parse(line.as_bytes()), Some(sound));
            for bit in 0..line.len() * 8 {
                let mut bytes = line.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);

                assert_eq!(parse(&bytes), None, "bit {bit}");
            }
            for length in 0..line.len() {
                assert_eq!(parse(&line.as_bytes()[..length]), None, "{length} bytes");
            }
        }
    }
}
