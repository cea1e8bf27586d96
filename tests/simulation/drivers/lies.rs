//! What a node's disk does beside what a disk does: it is slow at times, and lies where a fault is planted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use broker::doubles::SteppedClock;
use broker::storage::disk::{self, Disk, DiskFile};

use super::mutation::Mutation;
use crate::hooked_disk::Hooks;

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub struct Lies(Arc<Mutex<Told>>);

#[derive(Debug)]
struct Told {
    mutation: Option<Mutation>,
    clock: SteppedClock,
    /// How long the next sync takes.
    slow: Option<Duration>,
    /// What is to be synced once the messages have left.
    late: Vec<Late>,
    /// What was written to the mark of the last sync.
    mark: Option<i64>,
    /// The election state before the one on the disk.
    older: Option<(PathBuf, Vec<u8>)>,
}

#[derive(Debug)]
enum Late {
    File(Arc<dyn DiskFile>),
    Dir(PathBuf),
}

impl Lies {
    pub fn new(mutation: Option<Mutation>, clock: SteppedClock) -> Self {
        Self(Arc::new(Mutex::new(Told {
            mutation,
            clock,
            slow: None,
            late: Vec::new(),
            mark: None,
            older: None,
        })))
    }

    /// Lets the next sync take so long.
    pub fn slow_down(&self, duration: Duration) {
        self.told().slow = Some(duration);
    }

    /// A new process begins: nothing is under way.
    pub fn begin(&self) {
        let mut told = self.told();
        (told.slow, told.mark, told.older) = (None, None, None);
        told.late.clear();
    }

    /// The messages have left. A disk that fails now is noticed when it is used again.
    pub fn catch_up(&self, disk: &dyn Disk) {
        let late = std::mem::take(&mut self.told().late);
        for late in late {
            let _ = match late {
                Late::File(file) => file.sync(),
                Late::Dir(dir) => disk.sync_dir(&dir),
            };
        }
    }

    /// Writes the older election state late, if there is one.
    pub fn overwrite(&self, disk: &dyn Disk) {
        let older = self.told().older.take();
        if let Some((path, content)) = older {
            let _ = disk::replace_file(disk, &path, &content);
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().expect("nobody panics")
    }
}

impl Hooks for Lies {
    fn write(&self, path: &Path, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let mut told = self.told();
        match told.mutation {
            Some(Mutation::VoteNotPersisted) if path.ends_with("quorum-state.tmp") => {
                Some(without_vote(bytes))
            }
            Some(Mutation::CutWithoutMark) if path.ends_with("synced-offset") => {
                let offset = bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
                if offset < told.mark {
                    return None;
                }
                told.mark = offset;
                Some(bytes)
            }
            _ => Some(bytes),
        }
    }

    fn cut(&self, path: &Path) -> bool {
        !(is_log(path) && self.told().mutation == Some(Mutation::CutForgotten))
    }

    fn sync(&self, path: &Path, file: &Arc<dyn DiskFile>) -> bool {
        let mut told = self.told();
        if let Some(duration) = told.slow.take() {
            told.clock.pass(duration);
        }
        match told.mutation {
            Some(Mutation::LostFsync) => !is_log(path),
            Some(Mutation::ToldBeforeFlush) => {
                told.late.push(Late::File(Arc::clone(file)));
                false
            }
            _ => true,
        }
    }

    fn sync_dir(&self, dir: &Path) -> bool {
        let mut told = self.told();
        let is_late = told.mutation == Some(Mutation::ToldBeforeFlush);
        if is_late {
            told.late.push(Late::Dir(dir.to_owned()));
        }
        !is_late
    }

    fn rename(&self, disk: &dyn Disk, to: &Path) -> bool {
        let mut told = self.told();
        let is_state = to.ends_with("quorum-state");
        if is_state && told.mutation == Some(Mutation::OlderStateOverwrites) {
            let content = disk::read_file(disk, to).ok().flatten();
            told.older = content.map(|content| (to.to_owned(), content));
        }
        true
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

/// The same `quorum-state`, but for the vote; a leader's epoch needs none.
fn without_vote(bytes: Vec<u8>) -> Vec<u8> {
    const FIELD: &str = "\"votedId\":";
    let text = String::from_utf8(bytes).expect("it is JSON");
    let Some(start) = text.find(FIELD).map(|at| at + FIELD.len()) else {
        return text.into_bytes();
    };
    if !text.contains("\"leaderId\":-1") {
        return text.into_bytes();
    }
    let end = text[start..].find(',').map_or(text.len(), |at| start + at);
    format!("{}-1{}", &text[..start], &text[end..]).into_bytes()
}
