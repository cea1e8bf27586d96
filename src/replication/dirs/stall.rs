//! Disks that stall: how they are noticed, and how their appends are kept off the runtime's workers.
//!
//! An append is a write to the page cache, which takes microseconds, so it runs on the connection's own
//! task. When a disk stalls it takes as long as the disk likes, and each worker that begins one is stuck
//! until it ends. So a thread looks at all appends every 20 ms (200 ms while there are none): one that was already under way
//! at the look before makes its directory *slow*, and so does one whose measured time was long. From then
//! on requests that write to the slow directory run on a few threads of that directory,
//! [`Dirs::on_slow_disk`]. When some appends in a row were fast, the directory is not slow any more.
//!
//! Order is kept: the connection starts nothing else until such a request is answered, and within a
//! partition its lock decides, as always. The cost while no disk stalls: an append marks its begin and end
//! in a cache line of its own thread, and a request reads one number. An append that began before the stall
//! was noticed stays stuck on its worker; a task that waits for a partition's lock does not, see
//! [`crate::replication::partition::WaitElsewhere`].

use std::cell::OnceCell;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Dirs;
use super::data_dir::DataDir;
use crate::replication::partition::Partition;
use crate::replication::threads::{StopFlag, now};
use crate::storage::log_dir::LogDir;

/// How often appends are looked at: an append makes its directory slow after one to two of these.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often they are looked at while nothing is appended.
const IDLE_INTERVAL: Duration = Duration::from_millis(200);
/// After so many looks that found an append stuck, a second, the directory hangs.
const LOOKS_TO_HANG: usize = 50;
/// An append that takes less time counts as fast.
const FAST: Duration = Duration::from_millis(5);
/// After so many fast requests in a row the directory is not slow any more.
const FAST_IN_A_ROW: usize = 8;

/// The append of one thread, in a cache line that no other thread writes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    /// The address of the log directory.
    dir: AtomicUsize,
    /// Odd while an append is under way.
    count: AtomicU64,
}

/// The slots of all threads that have appended.
static SLOTS: Mutex<Vec<Weak<Slot>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN_SLOT: OnceCell<Arc<Slot>> = const { OnceCell::new() };
}

fn new_slot() -> Arc<Slot> {
    let slot = Arc::new(Slot::default());
    let mut slots = SLOTS.lock();
    slots.retain(|slot| slot.strong_count() > 0);
    slots.push(Arc::downgrade(&slot));
    slot
}

/// Marks that this thread appends to the directory while `append` runs.
pub fn marked<T>(dir: *const LogDir, append: impl FnOnce() -> T) -> T {
    /// Removes the mark even if the append panics.
    struct Mark<'a>(&'a Slot);
    impl Drop for Mark<'_> {
        fn drop(&mut self) {
            let count = self.0.count.load(Ordering::Relaxed);
            self.0.count.store(count.wrapping_add(1), Ordering::Release);
        }
    }
    OWN_SLOT.with(|slot| {
        let slot = &**slot.get_or_init(new_slot);
        slot.dir.store(dir.addr(), Ordering::Relaxed);
        // No other thread writes the slot.
        let count = slot.count.load(Ordering::Relaxed);
        slot.count.store(count.wrapping_add(1), Ordering::Release);
        let _mark = Mark(slot);
        append()
    })
}

/// A directory that is slow.
#[derive(Clone, Debug)]
pub struct SlowDir(Arc<DataDir>);

impl DataDir {
    /// Whether the disk hangs, as far as is known: an append has been stuck for a second, or what the metadata
    /// changes there waits.
    pub fn hangs(&self) -> bool {
        self.lags() || self.stuck_looks.load(Ordering::Relaxed) >= LOOKS_TO_HANG
    }

    fn note_look(&self, is_stuck: bool) {
        let looks = self.stuck_looks.load(Ordering::Relaxed);
        // Only the thread that watches writes it.
        let looks = if is_stuck { looks.saturating_add(1) } else { 0 };
        self.stuck_looks.store(looks, Ordering::Relaxed);
    }
}

impl Dirs {
    /// Whether any directory is slow now. Requests ask nothing else while none is.
    pub fn has_slow(&self) -> bool {
        self.slow_count.load(Ordering::Relaxed) > 0
    }

    /// The directory of a partition, if it is slow.
    pub fn slow_dir_of(&self, partition: &Partition) -> Option<SlowDir> {
        let dir = self.of(partition)?;
        dir.log_dir.is_slow().then(|| SlowDir(Arc::clone(dir)))
    }

    /// Carries out a request on the threads of a slow directory. The time that it takes decides whether the
    /// directory stays slow.
    pub async fn on_slow_disk<T: Send + 'static>(
        self: &Arc<Self>,
        SlowDir(dir): SlowDir,
        request: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, done) = oneshot::channel();
        let (dirs, measured) = (Arc::clone(self), Arc::clone(&dir));
        dir.slow_lane.push(Box::new(move || {
            let started = now().instant;
            let outcome = request();
            dirs.measured(&measured, now().instant.duration_since(started));
            // Nobody waits any more if the connection is gone.
            let _ = sender.send(outcome);
        }));
        done.await.expect("a request on a slow disk does not panic")
    }

    /// Whether the disk of a partition hangs, so that periodic work passes it by.
    pub fn hangs(&self, partition: &Partition) -> bool {
        self.of(partition).is_some_and(|dir| dir.hangs())
    }

    fn become_slow(&self, dir: &DataDir) {
        dir.slow_lane.fast_in_a_row.store(0, Ordering::Relaxed);
        if dir.log_dir.set_slow(true) {
            self.slow_count.fetch_add(1, Ordering::AcqRel);
            tracing::warn!(dir = %dir.path().display(), "the disk stalls: its appends get threads");
        }
    }

    fn measured(&self, dir: &DataDir, took: Duration) {
        let lane = &dir.slow_lane;
        if took >= FAST {
            lane.fast_in_a_row.store(0, Ordering::Relaxed);
            return;
        }
        let fast = lane.fast_in_a_row.fetch_add(1, Ordering::AcqRel) + 1;
        if fast >= FAST_IN_A_ROW && dir.log_dir.set_slow(false) {
            self.slow_count.fetch_sub(1, Ordering::AcqRel);
            tracing::info!(dir = %dir.path().display(), "the disk is fast again");
        }
    }
}

/// Waits for a lock without holding up other tasks: a worker of the runtime hands its tasks to another
/// thread first.
pub fn wait_elsewhere(wait: &mut dyn FnMut()) {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// Starts the thread that looks at the appends.
pub fn start(dirs: &Arc<Dirs>, stop_flag: &Arc<StopFlag>) -> io::Result<JoinHandle<()>> {
    let (stop_flag, weak) = (Arc::clone(stop_flag), Arc::downgrade(dirs));
    let builder = thread::Builder::new().name("stall-watch".to_owned());
    builder.spawn(move || watch(&stop_flag, &weak))
}

fn watch(stop_flag: &StopFlag, dirs: &Weak<Dirs>) {
    let mut before: Vec<(usize, u64)> = Vec::new();
    let mut pause = IDLE_INTERVAL;
    loop {
        let asleep_since = now().instant;
        if stop_flag.wait_until(asleep_since + pause) {
            return;
        }
        let Some(dirs) = dirs.upgrade() else {
            return;
        };
        let seen: Vec<_> = SLOTS.lock().iter().filter_map(Weak::upgrade).collect();
        let current: Vec<_> = seen
            .iter()
            .map(|slot| (Arc::as_ptr(slot).addr(), slot.count.load(Ordering::Acquire)))
            .collect();
        // After a pause of this thread itself, all appends that are under way count as slow.
        let stuck = seen.iter().zip(&current);
        let stuck = stuck.filter(|(_, state)| state.1 % 2 == 1 && before.contains(state));
        let stuck: Vec<usize> = stuck
            .map(|(slot, _)| slot.dir.load(Ordering::Relaxed))
            .collect();
        for dir in dirs.all() {
            let is_stuck = stuck.contains(&Arc::as_ptr(&dir.log_dir).addr());
            dir.note_look(is_stuck);
            if is_stuck {
                dirs.become_slow(dir);
            }
        }
        pause = if current == before {
            let is_busy = current.iter().any(|(_, count)| count % 2 == 1);
            if is_busy {
                LOOK_INTERVAL
            } else {
                IDLE_INTERVAL
            }
        } else {
            LOOK_INTERVAL
        };
        before = current;
    }
}
