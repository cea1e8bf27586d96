//! The descriptors of the real disk, a bounded cache. A handle opens its file at the first use, and loses
//! the descriptor when others need it more.
//!
//! Answers hold the descriptors of the records that they send, for as long as a peer takes to read them:
//! these are *lent*, and closing their files would free nothing. Therefore half of the descriptors is the
//! most that answers may hold, as distinct files ([`FileHandle::may_lend`]), and the hand passes lent
//! files by. So the broker's own work always finds one to close, and opens no file twice. The last quarter of
//! what is lent is for replicas on other brokers: with none left for them they would fall out of sync.
//!
//! Invariant: each open descriptor is counted, and is in the queue of those to be closed.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Borrower;
use super::volumes::{Volumes, sync_volume};
use crate::protocol::payload::SharedFile;
use crate::storage::error::is_out_of_descriptors;

/// The part of the descriptors that answers may hold.
const PART_TO_LEND: usize = 2;
/// The part of those that only replicas get.
const PART_FOR_REPLICAS: usize = 4;
/// The last part of those that clients get, in eighths of all: when it is begun, others wait for descriptors, or soon will.
const LAST_PART: usize = 8;

/// An open descriptor; it counts as long as it lives.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    cache: Arc<DescriptorCache>,
    /// How many parts of the file are on their way to sockets.
    lent: AtomicUsize,
}

impl SharedFile for OpenFile {
    fn lend(&self) {
        if self.lent.fetch_add(1, Ordering::Relaxed) == 0 {
            self.cache.lent_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take_back(&self) {
        if self.lent.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cache.lent_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn is_wanted(&self) -> bool {
        let most = self.cache.most_lent(Borrower::Client);
        let last_part = self.cache.most_lent(Borrower::Replica) / LAST_PART;
        self.cache.lent_count.load(Ordering::Relaxed) >= most - last_part
    }
}

impl OpenFile {
    fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed) > 0
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.cache.open_count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file by its path, open or not.
#[derive(Debug)]
pub(super) struct FileHandle {
    /// The handle as the cache refers to it.
    this: Weak<Self>,
    pub(super) cache: Arc<DescriptorCache>,
    pub(super) path: Mutex<Box<Path>>,
    open: Mutex<Option<Arc<OpenFile>>>,
    /// How often the hand of the cache passes this file by before it closes it.
    chances: AtomicU8,
}

/// The chances after a read: a reader may come back soon.
pub(super) const CHANCES_AFTER_READ: u8 = 1;
/// The chances after a write. A descriptor with unsynced writes stays longer, because the kernel reports a
/// failed write-back only to descriptors that were open then.
pub(super) const CHANCES_AFTER_WRITE: u8 = 2;

impl FileHandle {
    /// A handle on a file that is not open.
    pub(super) fn new(cache: &Arc<DescriptorCache>, path: &Path) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            cache: Arc::clone(cache),
            path: Mutex::new(path.into()),
            open: Mutex::new(None),
            chances: AtomicU8::new(0),
        })
    }

    /// Says that no unsynced write needs the descriptor any more.
    pub(super) fn synced(&self) {
        self.chances.store(CHANCES_AFTER_READ, Ordering::Relaxed);
    }

    /// The descriptor, opened if need be.
    pub(super) fn descriptor(&self, chances: u8) -> io::Result<Arc<OpenFile>> {
        self.chances.fetch_max(chances, Ordering::Relaxed);
        if let Some(open) = &*self.open.lock() {
            return Ok(Arc::clone(open));
        }
        // The path stays locked until the file is open, so that no rename comes in between.
        let path = self.path.lock();
        let mut options = File::options();
        options.read(true).write(true);
        let file = self.cache.with_room(|| options.open(&*path))?;
        Ok(self.keep(file))
    }

    /// Whether a part of the file may be lent to an answer: it is lent already, or not too many others are.
    /// As many readers as ask at the same moment may each exceed that by one.
    pub(super) fn may_lend(&self, to: Borrower) -> bool {
        let cache = &self.cache;
        cache.lent_count.load(Ordering::Relaxed) < cache.most_lent(to)
            || self.open.lock().as_ref().is_some_and(|open| open.is_lent())
    }

    fn take_unless_lent(&self) -> Taken {
        let mut slot = self.open.lock();
        match slot.take_if(|open| !open.is_lent()) {
            Some(_) => Taken::Closed,
            None if slot.is_some() => Taken::Lent,
            None => Taken::Nothing,
        }
    }

    /// Gives the handle an opened file, unless another thread has opened one first.
    pub(super) fn keep(&self, file: File) -> Arc<OpenFile> {
        let mut slot = self.open.lock();
        if let Some(open) = &*slot {
            return Arc::clone(open);
        }
        self.cache.open_count.fetch_add(1, Ordering::Relaxed);
        let open = Arc::new(OpenFile {
            file,
            cache: Arc::clone(&self.cache),
            lent: AtomicUsize::new(0),
        });
        *slot = Some(Arc::clone(&open));
        drop(slot);
        self.cache.register(Weak::clone(&self.this));
        open
    }
}

/// What became of the descriptor of a handle.
enum Taken {
    Closed,
    /// Answers hold it.
    Lent,
    /// It was not open.
    Nothing,
}

/// The open files, and which is closed next.
#[derive(Debug)]
pub(super) struct DescriptorCache {
    limit: usize,
    open_count: AtomicUsize,
    /// How many of them are lent.
    lent_count: AtomicUsize,
    volumes: Volumes,
    /// The open files in the order in which the hand passes them; some may have been dropped since.
    hand: Mutex<VecDeque<Weak<FileHandle>>>,
}

impl DescriptorCache {
    /// A cache that keeps at most `limit` descriptors open, beside those in use.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open_count: AtomicUsize::new(0),
            lent_count: AtomicUsize::new(0),
            volumes: Volumes::default(),
            hand: Mutex::new(VecDeque::new()),
        })
    }

    /// How many descriptors are open now.
    pub(super) fn open_count(&self) -> usize {
        self.open_count.load(Ordering::Relaxed)
    }

    /// How many files may be lent in all when one more is lent to such a reader: 1 or above.
    fn most_lent(&self, to: Borrower) -> usize {
        let most = self.limit / PART_TO_LEND;
        let reserved = match to {
            Borrower::Client => most / PART_FOR_REPLICAS,
            Borrower::Replica => 0,
        };
        (most - reserved).max(1)
    }

    /// Notes a directory that is locked by the file at `lock`, which is open as `file`.
    pub(super) fn note_locked(&self, lock: &Path, file: &Arc<File>) {
        self.volumes.note(lock, file);
    }

    /// Makes everything durable on the volume of `path`, for which there is no descriptor.
    ///
    /// # Errors
    /// The sync failed, or `path` is in no locked directory: then the error is `none_left`.
    pub(super) fn sync_volume_of(&self, path: &Path, none_left: io::Error) -> io::Result<()> {
        match self.volumes.lock_above(path) {
            Some(lock) => sync_volume(&lock),
            None => Err(none_left),
        }
    }

    /// Runs `open`, which opens a descriptor, when there is room for one.
    pub(super) fn with_room<T>(&self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        while self.open_count.load(Ordering::Relaxed) >= self.limit && self.close_one() {}
        loop {
            match open() {
                // The process has used up its descriptors elsewhere, so the cache shrinks below its own
                // limit.
                Err(error) if is_out_of_descriptors(&error) && self.close_one() => {}
                other => return other,
            }
        }
    }

    fn register(&self, handle: Weak<FileHandle>) {
        let mut hand = self.hand.lock();
        if hand.len() > 2 * self.open_count.load(Ordering::Relaxed) + 16 {
            hand.retain(|handle| handle.strong_count() > 0);
        }
        hand.push_back(handle);
    }

    /// Closes the first file whose chances are used up, and that is not lent. Returns false if there is none
    /// to close.
    fn close_one(&self) -> bool {
        let mut hand = self.hand.lock();
        let rounds = hand.len() * (usize::from(CHANCES_AFTER_WRITE) + 1);
        for _ in 0..rounds {
            let Some(next) = hand.pop_front() else {
                return false;
            };
            let Some(handle) = next.upgrade() else {
                continue;
            };
            let chances = handle.chances.load(Ordering::Relaxed);
            if chances == 0 {
                match handle.take_unless_lent() {
                    Taken::Lent => hand.push_back(next),
                    Taken::Closed => return true,
                    Taken::Nothing => {}
                }
                continue;
            }
            handle.chances.store(chances - 1, Ordering::Relaxed);
            hand.push_back(next);
        }
        false
    }
}
