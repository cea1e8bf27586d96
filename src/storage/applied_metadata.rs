//! `.applied-metadata`: up to which offset of the metadata log the replicas of a log directory have acted.
//! Folders are made, set aside and removed as the metadata says; a metadata log that ends below this offset
//! has lost records, and must not be acted on.
//!
//! The file is ours alone; Kafka passes over it. It is 32 bytes, overwritten in place, and not synced each
//! time: after a power cut it may name an older offset, which makes the check weaker, never wrong. For the
//! same reason a damaged file counts as missing.

use std::io::{self, IoSlice};
use std::path::Path;

use super::disk::{self, Disk, OpenMode};
use crate::model::Offset;

/// The file's name in a log directory.
pub const APPLIED_METADATA_FILE: &str = ".applied-metadata";

const VERSION: &str = "0";

/// The offset that a log directory remembers; `None` if it remembers none.
///
/// # Errors
/// The disk failed.
pub fn read(disk: &dyn Disk, log_dir: &Path) -> io::Result<Option<Offset>> {
    let path = log_dir.join(APPLIED_METADATA_FILE);
    let Some(bytes) = disk::read_file(disk, &path)? else {
        return Ok(None);
    };
    let offset = parse(&bytes);
    if offset.is_none() {
        tracing::warn!(file = %path.display(), "damaged: a metadata log that lost its end is not noticed");
    }
    Ok(offset)
}

/// Remembers that the replicas act on the metadata up to this offset. It must be called before they do.
///
/// # Errors
/// The disk failed, or is full.
pub fn remember(disk: &dyn Disk, log_dir: &Path, offset: Offset) -> io::Result<()> {
    let path = log_dir.join(APPLIED_METADATA_FILE);
    let file = disk.open(&path, OpenMode::Create)?;
    file.write_at(&[IoSlice::new(line(offset).as_bytes())], 0)
}

fn line(offset: Offset) -> String {
    let text = format!("{VERSION} {:020}", offset.0);
    let checksum = crc32c::crc32c(text.as_bytes());
    format!("{text} {checksum:08x}\n")
}

fn parse(bytes: &[u8]) -> Option<Offset> {
    let text = std::str::from_utf8(bytes).ok()?;
    let offset = text.split(' ').nth(1)?.parse().ok().map(Offset)?;
    (line(offset) == text).then_some(offset)
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

    #[test]
    fn the_newest_offset_is_remembered() {
        let disk = formatted();
        assert_eq!(read(&disk, Path::new(DIR)).unwrap(), None);

        for offset in [0, 7, i64::MAX] {
            remember(&disk, Path::new(DIR), Offset(offset)).unwrap();

            let found = read(&disk, Path::new(DIR)).unwrap();
            assert_eq!(found, Some(Offset(offset)));
        }
    }

    #[test]
    fn a_power_cut_leaves_an_offset_that_was_remembered_or_none() {
        for tear in [Tear::Lost, Tear::Kept, Tear::Torn(1), Tear::Torn(7)] {
            let disk = formatted();
            remember(&disk, Path::new(DIR), Offset(5)).unwrap();
            remember(&disk, Path::new(DIR), Offset(1_000)).unwrap();

            let found = read(&disk.after_power_cut(tear), Path::new(DIR)).unwrap();

            assert!([None, Some(Offset(5)), Some(Offset(1_000))].contains(&found));
        }
    }

    #[test]
    fn no_flipped_bit_makes_another_offset() {
        let line = line(Offset(1_234));
        assert_eq!(parse(line.as_bytes()), Some(Offset(1_234)));
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
