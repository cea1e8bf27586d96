//! Shares out work that must be done before the caller goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::clock::is_simulated;

/// Runs `act` for each item on `count` threads: on the caller's own if `count` is 1 or less, or in a
/// simulation. The results come in any order.
pub fn on_threads<T: Sync, R: Send>(
    count: usize,
    items: &[T],
    act: impl Fn(&T) -> Option<R> + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let act_on_some = || {
        let mut results = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            results.extend(act(item));
        }
        results
    };
    if count <= 1 || is_simulated() {
        return act_on_some();
    }
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..count).map(|_| scope.spawn(act_on_some)).collect();
        let joined = helpers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .flat_map(|done| done.expect("what is done for an item does not panic"))
            .collect()
    })
}
