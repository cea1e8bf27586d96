//! Whether this thread may wait for a disk.
//!
//! A thread that serves many connections first tries what it can do from memory, and leaves the rest to a
//! thread that may wait. Whether it may is a property of the thread and not an argument of each read,
//! because everything between the two would have to pass it on.

use std::cell::Cell;
use std::io;

thread_local! {
    static MUST_NOT_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`. Reads of what is not in memory fail with [`WouldBlock`](io::ErrorKind::WouldBlock) instead
/// of waiting, and so does other work that would take long ([`about_to_take_long`]).
pub fn without_waiting<T>(read: impl FnOnce() -> T) -> T {
    /// Restores the state before, even if `read` panics.
    struct Until(bool);
    impl Drop for Until {
        fn drop(&mut self) {
            MUST_NOT_WAIT.set(self.0);
        }
    }
    let _until = Until(MUST_NOT_WAIT.replace(true));
    read()
}

/// Whether this thread must not wait.
pub(super) fn must_not_wait() -> bool {
    MUST_NOT_WAIT.get()
}

/// Must be called before work that takes long, even if that need not wait for the disk.
///
/// # Errors
/// `WouldBlock` if this thread must not wait.
pub fn about_to_take_long() -> io::Result<()> {
    if must_not_wait() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_wait_again_afterwards() {
        assert!(about_to_take_long().is_ok());

        let inside =
            without_waiting(|| without_waiting(about_to_take_long).and(about_to_take_long()));

        assert_eq!(inside.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(about_to_take_long().is_ok());
    }
}
