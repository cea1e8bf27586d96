//! A reserve of a volume's room for when the disk is full: a file of allocated blocks, given back when the
//! metadata log or a checkpoint finds no room, so that topics and records can still be deleted.
//!
//! While the reserve is given back the volume counts as full: writes of clients are refused, or they would
//! take the room. The reserve is taken again, whole, as soon as there is room for it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::disk::{Disk, OpenMode};
use super::error::is_full;

/// The file's name in a log directory.
pub const RESERVE_FILE: &str = "reserved-space";

/// The reserve of one volume.
#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: u64,
    /// Held while the file is made or removed: a writer that needs the room waits for the outcome.
    changing: Mutex<()>,
    is_lent: AtomicBool,
}

impl Reserve {
    /// The reserve in a log directory, of so many bytes; 0 for none. If an earlier run left its file, the
    /// room is given back for the start, until [`Self::retake`], and the disk does not count as full.
    pub fn for_start(disk: Arc<dyn Disk>, log_dir: &Path, bytes: u64) -> Self {
        let reserve = Self {
            disk,
            path: log_dir.join(RESERVE_FILE),
            bytes,
            changing: Mutex::default(),
            is_lent: AtomicBool::new(false),
        };
        reserve.give_way();
        reserve
    }

    /// Gives the room back for a start or a stop, which write many small files, until [`Self::retake`].
    /// Clients are not refused anything because of it.
    pub fn give_way(&self) {
        let _changing = self.changing.lock();
        self.give_back();
    }

    /// Whether the room is given back because the disk is full: writes that can be refused are.
    pub fn is_lent(&self) -> bool {
        self.is_lent.load(Ordering::Relaxed)
    }

    /// Gives the room back, because something that must be written found none.
    pub fn lend(&self) {
        let _changing = self.changing.lock();
        if self.bytes > 0 && !self.is_lent.swap(true, Ordering::AcqRel) {
            let path = self.path.display();
            tracing::error!(file = %path, "the disk is full: living on what was reserved");
            self.give_back();
        }
    }

    /// Takes the room again, if the volume has it. Costs nothing while the reserve is there.
    pub fn retake(&self) {
        let _changing = self.changing.lock();
        let is_kept = self.disk.stat(&self.path);
        if self.bytes == 0 || matches!(is_kept, Ok(Some(_))) {
            return;
        }
        let path = self.path.display();
        match self.take() {
            Ok(()) => {
                if self.is_lent.swap(false, Ordering::AcqRel) {
                    tracing::info!(file = %path, "there is room on the disk again");
                }
            }
            Err(error) => {
                self.give_back();
                let was_lent = self.is_lent.swap(is_full(&error), Ordering::AcqRel);
                if !was_lent {
                    tracing::warn!(file = %path, %error, "no room is reserved for a full disk");
                }
            }
        }
    }

    fn take(&self) -> io::Result<()> {
        let file = self.disk.open(&self.path, OpenMode::Truncate)?;
        file.reserve(0, self.bytes)?;
        // The size makes the file visible as what it is: blocks beyond a file's end look as if they could
        // be trimmed.
        file.set_len(self.bytes)
    }

    fn give_back(&self) {
        if let Err(error) = self.disk.remove(&self.path) {
            tracing::error!(file = %self.path.display(), %error, "cannot give room back");
        }
    }

    /// Runs a write that must succeed on a full disk, too: if there is no room, once more after the reserve
    /// was given back.
    pub fn spend<T, E>(
        &self,
        found_no_room: impl Fn(&E) -> bool,
        mut write: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let written = write();
        match &written {
            Err(error) if self.bytes > 0 && found_no_room(error) => {
                self.lend();
                write()
            }
            _ => written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{CrashDisk, Fault};

    fn reserve(disk: &CrashDisk, bytes: u64) -> Reserve {
        disk.create_dir(Path::new("/d")).unwrap();
        Reserve::for_start(Arc::new(disk.clone()), Path::new("/d"), bytes)
    }

    fn kept(disk: &CrashDisk) -> Option<u64> {
        let stat = disk.stat(Path::new("/d/reserved-space")).unwrap();
        stat.map(|stat| stat.size)
    }

    fn no_room() -> io::Error {
        rustix::io::Errno::NOSPC.into()
    }

    #[test]
    fn room_is_given_back_when_it_is_needed_and_taken_again_when_there_is_some() {
        let disk = CrashDisk::new();
        let reserve = reserve(&disk, 4096);
        reserve.retake();
        assert_eq!((kept(&disk), reserve.is_lent()), (Some(4096), false));

        let mut tries = 0;
        let written = reserve.spend(is_full, || {
            tries += 1;
            if kept(&disk).is_some() {
                Err(no_room())
            } else {
                Ok(tries)
            }
        });

        assert_eq!(written.unwrap(), 2);
        assert_eq!((kept(&disk), reserve.is_lent()), (None, true));
        disk.inject(disk.operations(), Fault::NoSpace);
        reserve.retake();
        assert_eq!((kept(&disk), reserve.is_lent()), (None, true));
        disk.heal();
        reserve.retake();
        assert_eq!((kept(&disk), reserve.is_lent()), (Some(4096), false));
    }

    #[test]
    fn the_next_start_has_the_room_that_was_kept() {
        let disk = CrashDisk::new();
        reserve(&disk, 4096).retake();
        assert_eq!(kept(&disk), Some(4096));

        let again = reserve(&disk, 4096);

        assert_eq!((kept(&disk), again.is_lent()), (None, false));
    }

    #[test]
    fn without_a_reserve_nothing_is_kept_and_nothing_tried_again() {
        let disk = CrashDisk::new();
        let reserve = reserve(&disk, 0);
        reserve.retake();
        let mut tries = 0;

        let written: Result<(), _> = reserve.spend(is_full, || {
            tries += 1;
            Err(no_room())
        });

        assert!(written.is_err());
        assert_eq!((tries, kept(&disk), reserve.is_lent()), (1, None, false));
    }

    #[test]
    fn another_error_is_not_tried_again() {
        let disk = CrashDisk::new();
        let reserve = reserve(&disk, 4096);
        reserve.retake();

        let written: Result<(), _> = reserve.spend(is_full, || Err(io::ErrorKind::Other.into()));

        assert!(written.is_err());
        assert_eq!((kept(&disk), reserve.is_lent()), (Some(4096), false));
    }
}
