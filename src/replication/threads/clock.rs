//! Time and chance, which the rooms hand to pure code. A simulation puts its own in their place, for its own
//! thread.

use std::cell::Cell;
use std::time::Instant;

use crate::clock::wall_clock;
use crate::replication::partition::Moment;

thread_local! {
    static SIMULATED: Cell<Option<Simulated>> = const { Cell::new(None) };
}

/// The time and the chance of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Simulated {
    /// What the clocks show.
    pub moment: Moment,
    /// What the next random bytes are made of.
    pub chance: u64,
}

impl Simulated {
    /// The next number (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Puts a simulation's time and chance in the place of the real ones, for this thread, which is then the
/// only one that works. `None` ends that. Returns what was there before.
pub fn simulate(simulated: Option<Simulated>) -> Option<Simulated> {
    SIMULATED.replace(simulated)
}

/// Whether this thread is in a simulation.
pub fn is_simulated() -> bool {
    SIMULATED.get().is_some()
}

/// The current time by both clocks.
pub fn now() -> Moment {
    let simulated = SIMULATED.get();
    simulated.map_or_else(real_time, |simulated| simulated.moment)
}

fn real_time() -> Moment {
    Moment {
        wall: wall_clock(),
        instant: Instant::now(),
    }
}

/// Sixteen random bytes from the operating system.
pub fn random_bytes() -> [u8; 16] {
    if let Some(mut simulated) = SIMULATED.get() {
        let (high, low) = (simulated.draw(), simulated.draw());
        SIMULATED.set(Some(simulated));
        return (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}
