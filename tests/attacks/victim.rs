//! The broker under attack, and what is seen of it from outside.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tempfile::TempDir;

use crate::support::process::memory;
use crate::support::{Broker, path_text};
use crate::witness::Witness;

pub const MIB: usize = 1 << 20;

/// One attack at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Whether the broker is held to the figures of a release build on a quiet machine.
pub fn is_strict() -> bool {
    std::env::var_os("BROKER").is_some()
}

/// How long others may wait for a small answer.
pub fn patience() -> Duration {
    if is_strict() {
        Duration::from_millis(100)
    } else {
        Duration::from_secs(4)
    }
}

/// What takes `release` in a release build may take ten times as long in others.
pub fn within(release: Duration) -> Duration {
    if is_strict() { release } else { release * 10 }
}

/// A broker that is attacked, with nothing else under attack beside it.
pub struct Victim {
    pub broker: Broker,
    /// How many sockets it holds while nobody is connected.
    pub quiet_sockets: usize,
    _logs: Option<TempDir>,
    _turn: MutexGuard<'static, ()>,
}

impl Victim {
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start(Broker::stopped(settings))
    }

    /// One where a library takes the place of functions of the C library.
    pub fn start_with_library(library: &Path) -> Self {
        let mut broker = Broker::stopped(&[]);
        broker.preload(library);
        Self::start(broker)
    }

    fn start(mut broker: Broker) -> Self {
        let turn = TURN.lock();
        open_as_many_files_as_allowed();
        // In memory, if that can be: the figures are not of the disk.
        let logs = tempfile::tempdir_in("/dev/shm").ok();
        if let Some(logs) = &logs {
            broker.set("log.dirs", path_text(logs.path()));
        }
        broker.start_again();
        Self {
            _logs: logs,
            quiet_sockets: sockets(broker.pid()),
            broker,
            _turn: turn,
        }
    }

    pub fn address(&self) -> &str {
        self.broker.bootstrap()
    }

    /// Someone else, who wants small things meanwhile.
    pub fn witness(&self) -> Witness {
        Witness::start(self.address())
    }

    /// A figure of the process in bytes, such as `VmRSS`.
    pub fn memory(&self, figure: &str) -> usize {
        memory(self.broker.pid(), figure)
    }

    /// Forgets the peak that `VmHWM` tells.
    pub fn reset_peak(&self) {
        let place = format!("/proc/{}/clear_refs", self.broker.pid());
        fs::write(place, "5").expect("the process is ours");
    }

    /// How many sockets the process holds.
    pub fn sockets(&self) -> usize {
        sockets(self.broker.pid())
    }

    /// How long it takes until no more than so many sockets are held.
    pub fn time_until_sockets(&self, most: usize) -> Duration {
        let begin = Instant::now();
        while self.sockets() > most {
            let held = self.sockets();
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{held} sockets are still held"
            );
        }
        begin.elapsed()
    }
}

fn open_as_many_files_as_allowed() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).expect("up to the hard limit everybody may go");
}

fn sockets(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}
