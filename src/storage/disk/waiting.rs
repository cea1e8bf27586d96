//! Whether this thread may wait for a disk.
//!
//! A thread that serves many connections looks first whether what it needs is in memory, and leaves
//! the rest to a thread that may wait. That is a property of the thread, not of a read: everything
//! between the two would have to pass it on.

use std::cell::Cell;
use std::io;

thread_local! {
    static MUST_NOT_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read` so that reads of what is not in memory fail with
/// [`WouldBlock`](io::ErrorKind::WouldBlock) instead of waiting; so does what would take long for
/// other reasons, and says so.
pub fn without_waiting<T>(read: impl FnOnce() -> T) -> T {
    /// Set back even if `read` panics.
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

/// To be called before what takes long although it need not wait for the disk.
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
