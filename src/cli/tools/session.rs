//! The runtime that a tool runs on: one thread, which starts in no time, or two for the tools that measure.

use std::future::Future;

use super::ending::Ending;

/// Does the work of a tool.
///
/// # Errors
/// The work failed, or the system gives no runtime.
pub(super) fn run<T>(work: impl Future<Output = Result<T, Ending>>) -> Result<T, Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    // A thread that waits for standard input is not waited for.
    runtime.shutdown_background();
    done
}

/// As [`run`], with the connections on a thread beside the work.
///
/// # Errors
/// As [`run`].
pub(super) fn run_beside<T>(work: impl Future<Output = Result<T, Ending>>) -> Result<T, Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
