//! The threads that compact, started together by one state of the settings: they share memory and a rate of
//! I/O. When the settings change, another crew takes over (KIP-226). [`super::cleaner`] has their work.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::CleanerConfig;
use crate::replication::threads::{SharedRate, StopFlag, join_others, now};

/// The longest wait: more than a year means "never again".
const LONGEST_WAIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Threads that were started together, with what they share.
#[derive(Debug)]
pub struct Crew {
    config: CleanerConfig,
    stop_flag: StopFlag,
    rate: SharedRate,
    /// The crew before this one: its memory must be free before a pass begins.
    before: Mutex<Option<Arc<Self>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Crew {
    /// A crew without threads yet, which takes over from `before`.
    pub fn new(config: CleanerConfig, before: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            config,
            stop_flag: StopFlag::default(),
            rate: SharedRate::default(),
            before: Mutex::new(before),
            threads: Mutex::default(),
        })
    }

    /// Starts the threads, each of which calls `clean` again and again. It returns whether there may be
    /// more to do, or `None` when the broker is gone.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start<C>(self: &Arc<Self>, clean: C) -> io::Result<()>
    where
        C: Fn(&Self) -> Option<bool> + Clone + Send + 'static,
    {
        let count = if self.config.enable {
            self.config.threads
        } else {
            0
        };
        let mut threads = self.threads.lock();
        for number in 0..count {
            let (crew, clean) = (Arc::clone(self), clean.clone());
            let builder = thread::Builder::new().name(format!("cleaner-{number}"));
            threads.push(builder.spawn(move || crew.run(clean))?);
        }
        Ok(())
    }

    fn run(&self, clean: impl Fn(&Self) -> Option<bool>) {
        self.join_those_before();
        let backoff = Duration::from_millis(u64::try_from(self.config.backoff_ms).unwrap_or(0));
        let mut wait = Duration::ZERO;
        while !self.stop_flag.wait_until(now().instant + wait) {
            let Some(is_more) = clean(self) else {
                return;
            };
            wait = if is_more {
                Duration::ZERO
            } else {
                // Without any rest, the loop would spin.
                backoff.clamp(Duration::from_millis(1), LONGEST_WAIT)
            };
        }
    }

    fn join_those_before(&self) {
        // The other threads of this crew wait for the lock meanwhile.
        if let Some(before) = self.before.lock().take() {
            before.join();
        }
    }

    /// Waits for the threads to end, and for those of the crew before.
    pub fn join(&self) {
        self.join_those_before();
        // The lock is held until they have ended: anybody else who joins waits for that, too.
        join_others(std::mem::take(&mut *self.threads.lock()));
    }

    /// Tells the threads to end, without waiting for them.
    pub fn tell_to_end(&self) {
        self.stop_flag.stop();
    }

    /// Whether the threads should end.
    pub fn is_ending(&self) -> bool {
        self.stop_flag.is_stopped()
    }

    /// The settings that the crew was started with.
    pub fn config(&self) -> &CleanerConfig {
        &self.config
    }

    /// Waits until the rate allows so many bytes. Returns whether the threads should end.
    pub fn wait_for_turn(&self, bytes: u64) -> bool {
        let at = now().instant;
        let rate = self.config.io_max_bytes_per_second;
        let turn = self.rate.spend(bytes, rate, at);
        if turn.start > at {
            self.stop_flag.wait_until(turn.start)
        } else {
            self.is_ending()
        }
    }
}
