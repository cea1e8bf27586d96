//! Which seeds a simulation runs, as the environment asks.

use std::ops::Range;
use std::thread;

/// A number in the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

/// Runs seeds from `first` on, on all cores. `SEED` picks one run; `RUNS` says how many there are in all,
/// `usually` if it says nothing, of which these are some `hundredths`.
pub fn run_all(first: u64, usually: u64, hundredths: u64, run: impl Fn(u64) + Sync) {
    if let Some(seed) = number("SEED") {
        return run(seed);
    }
    let count = (number("RUNS").unwrap_or(usually) * hundredths).div_ceil(100);
    run_each(first..first + count, run);
}

fn run_each(seeds: Range<u64>, run: impl Fn(u64) + Sync) {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let run = &run;
    thread::scope(|scope| {
        for worker in 0..workers {
            let seeds = seeds.clone().skip(worker).step_by(workers);
            scope.spawn(move || seeds.for_each(run));
        }
    });
}
