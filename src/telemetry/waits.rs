//! How many wait for something: those that have begun to, less those that have ended.

use super::striped::Count;

/// Waits of one kind.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    begun: Count,
    ended: Count,
}

/// A wait; it ends when it is dropped.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Waits);

impl Waits {
    /// Begins to wait.
    pub fn begin(&self) -> Waiting<'_> {
        self.begun.inc();
        Waiting(self)
    }

    /// How many wait now, about.
    pub fn now(&self) -> u64 {
        // Read in this order no wait is taken to have ended that had not begun.
        let ended = self.ended.get();
        self.begun.get().saturating_sub(ended)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.ended.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_wait_who_have_begun_and_not_ended() {
        let waits = Waits::default();

        let first = waits.begin();
        let second = waits.begin();
        assert_eq!(waits.now(), 2);

        drop(first);
        assert_eq!(waits.now(), 1);
        drop(second);
        assert_eq!(waits.now(), 0);
    }
}
