//! `.last-use` in a log directory: how we left it, so that the next start knows whether somebody else has
//! used it since. Apache Kafka may have had it in between: it makes, deletes and compacts segments
//! without a word to our lists of them (see `inventory`).
//!
//! It holds a generation, which our lists carry; in which run of the machine we used the directory, or
//! with which broker epoch we closed it; and when the four checkpoints were written last, which every
//! user does. If anything of that is not as it was, the generation is over. So it is, too, when the power
//! was cut: then lists may be older than the files, and tell less ([`generation_before_power_cut`]).

use std::io;
use std::path::Path;

use super::checkpoint::{CLEANER_FILE, HIGH_WATERMARK_FILE, LOG_START_FILE, RECOVERY_POINT_FILE};
use super::clean_shutdown::CleanShutdown;
use super::disk::{self, Disk};

/// The file's name in a log directory.
pub const LAST_USE_FILE: &str = ".last-use";

const VERSION: &str = "0";
const CHECKPOINTS: [&str; 4] = [
    RECOVERY_POINT_FILE,
    HIGH_WATERMARK_FILE,
    LOG_START_FILE,
    CLEANER_FILE,
];

/// The generation that goes on; `None`: somebody else has used the directory, or the power was cut, or
/// nothing is known. `mark` is what the last stop in order left.
///
/// # Errors
/// The disk failed.
pub fn generation(
    disk: &dyn Disk,
    log_dir: &Path,
    mark: Option<&CleanShutdown>,
) -> io::Result<Option<u64>> {
    let Some(content) = disk::read_file(disk, &log_dir.join(LAST_USE_FILE))? else {
        return Ok(None);
    };
    let state = match mark {
        Some(mark) => Some(stopped(mark.broker_epoch.unwrap_or(-1))),
        None => running(disk),
    };
    let Some(state) = state else { return Ok(None) };
    let text = String::from_utf8_lossy(&content);
    let generation = text.split(' ').nth(1).and_then(|it| it.parse().ok());
    let Some(generation) = generation else {
        return Ok(None);
    };
    let is_ours = line(disk, log_dir, generation, &state)? == text;
    Ok((is_ours && generation != 0).then_some(generation))
}

/// The generation that the end of the machine's run has ended, if nobody else has used the directory since: the power
/// was cut while we used it, and lists of that generation may be older than the files, but not newer.
///
/// # Errors
/// The disk failed.
pub fn generation_before_power_cut(disk: &dyn Disk, log_dir: &Path) -> io::Result<Option<u64>> {
    let Some(content) = disk::read_file(disk, &log_dir.join(LAST_USE_FILE))? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&content);
    let mut fields = text.split(' ').skip(1);
    let generation = fields.next().and_then(|it| it.parse().ok());
    let (Some(generation), Some("running"), Some(boot)) =
        (generation, fields.next(), fields.next())
    else {
        return Ok(None);
    };
    let is_over = disk.boot_id().is_some_and(|now| now != boot);
    let is_ours = is_over && line(disk, log_dir, generation, &running_in(boot))? == text;
    Ok((is_ours && generation != 0).then_some(generation))
}

/// Notes that we use the directory: after each change of one of its checkpoints. Durable when this returns, so that
/// it is known after a power cut, too.
///
/// # Errors
/// The disk failed, or is full.
pub fn note_running(disk: &dyn Disk, log_dir: &Path, generation: u64) -> io::Result<()> {
    match running(disk) {
        Some(state) => {
            let text = line(disk, log_dir, generation, &state)?;
            disk::replace_file(disk, &log_dir.join(LAST_USE_FILE), text.as_bytes())
        }
        // What an earlier run noted is not true any more, and must not look so.
        None => disk.remove(&log_dir.join(LAST_USE_FILE)),
    }
}

/// Notes that we closed the directory in order, right before it is marked so with this broker epoch.
/// Durable when this returns: the mark is, too.
///
/// # Errors
/// The disk failed, or is full.
pub fn note_stopped(
    disk: &dyn Disk,
    log_dir: &Path,
    generation: u64,
    broker_epoch: i64,
) -> io::Result<()> {
    let text = line(disk, log_dir, generation, &stopped(broker_epoch))?;
    disk::replace_file(disk, &log_dir.join(LAST_USE_FILE), text.as_bytes())
}

fn running(disk: &dyn Disk) -> Option<String> {
    Some(running_in(&disk.boot_id()?))
}

fn running_in(boot_id: &str) -> String {
    format!("running {boot_id}")
}

fn stopped(broker_epoch: i64) -> String {
    format!("stopped {broker_epoch}")
}

fn line(disk: &dyn Disk, log_dir: &Path, generation: u64, state: &str) -> io::Result<String> {
    let mut text = format!("{VERSION} {generation} {state}");
    for name in CHECKPOINTS {
        let stat = disk.stat(&log_dir.join(name))?;
        let stat = stat.map_or((0, 0), |stat| (stat.modified.0, stat.size));
        text.push_str(&format!(" {} {}", stat.0, stat.1));
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    Ok(format!("{text} {checksum:08x}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{CrashDisk, Tear};

    const DIR: &str = "data";

    fn used() -> CrashDisk {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        checkpoint(&disk, "0\n0\n");
        disk
    }

    fn checkpoint(disk: &CrashDisk, text: &str) {
        let path = Path::new(DIR).join(RECOVERY_POINT_FILE);
        disk::replace_file(disk, &path, text.as_bytes()).unwrap();
    }

    fn found(disk: &CrashDisk, mark: Option<i64>) -> Option<u64> {
        let mark = mark.map(|epoch| CleanShutdown {
            broker_epoch: Some(epoch),
        });
        generation(disk, Path::new(DIR), mark.as_ref()).unwrap()
    }

    #[test]
    fn a_generation_goes_on_after_a_kill_and_after_our_own_stop() {
        let disk = used();
        assert_eq!(found(&disk, None), None, "nothing is known");

        note_running(&disk, Path::new(DIR), 7).unwrap();
        assert_eq!(found(&disk, None), Some(7));
        assert_eq!(found(&disk, Some(5)), None, "somebody else has closed it");

        note_stopped(&disk, Path::new(DIR), 7, 5).unwrap();
        assert_eq!(found(&disk, Some(5)), Some(7));
        assert_eq!(found(&disk, Some(6)), None, "somebody else has closed it");
        assert_eq!(found(&disk, None), None, "somebody else has opened it");
    }

    #[test]
    fn a_checkpoint_that_somebody_else_wrote_ends_a_generation() {
        let disk = used();
        note_running(&disk, Path::new(DIR), 7).unwrap();

        checkpoint(&disk, "0\n0\n");

        assert_eq!(found(&disk, None), None);
    }

    #[test]
    fn a_power_cut_ends_a_generation_unless_the_directory_was_closed() {
        let disk = used();
        note_running(&disk, Path::new(DIR), 7).unwrap();
        disk.sync_dir(Path::new(DIR)).unwrap();
        for tear in [Tear::Lost, Tear::Torn(1), Tear::Torn(2)] {
            assert_eq!(found(&disk.after_power_cut(tear), None), None);
        }
        assert_eq!(found(&disk.after_power_cut(Tear::Kept), None), Some(7));

        note_stopped(&disk, Path::new(DIR), 7, 5).unwrap();

        assert_eq!(found(&disk.after_power_cut(Tear::Lost), Some(5)), Some(7));
    }

    #[test]
    fn the_generation_that_a_power_cut_ended_is_known_unless_somebody_else_had_the_directory_since()
    {
        let before = |disk: &CrashDisk| generation_before_power_cut(disk, Path::new(DIR)).unwrap();
        let disk = used();
        assert_eq!(before(&disk.after_power_cut(Tear::Lost)), None);
        note_running(&disk, Path::new(DIR), 7).unwrap();
        assert_eq!(before(&disk), None, "the machine runs on");

        let survivor = disk.after_power_cut(Tear::Lost);
        assert_eq!(before(&survivor), Some(7));
        checkpoint(&survivor, "0\n0\n");
        assert_eq!(before(&survivor), None, "somebody else wrote a checkpoint");

        note_stopped(&disk, Path::new(DIR), 7, 5).unwrap();
        let survivor = disk.after_power_cut(Tear::Lost);
        assert_eq!(before(&survivor), None, "somebody else has opened it");
    }

    #[test]
    fn what_is_damaged_is_no_generation() {
        let disk = used();
        note_running(&disk, Path::new(DIR), 7).unwrap();
        let path = Path::new(DIR).join(LAST_USE_FILE);
        let sound = disk::read_file(&disk, &path).unwrap().unwrap();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            disk::replace_file(&disk, &path, &bytes).unwrap();

            assert_eq!(found(&disk, None), None, "bit {bit}");
        }
    }
}
