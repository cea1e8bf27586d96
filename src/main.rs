//! Arguments in, exit code out.

use std::process::ExitCode;

/// mimalloc: it gives memory back after a burst, and threads that free what others allocated do not slow
/// it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    broker::cli::run(std::env::args_os())
}

/// A page of 2 MiB is resident as soon as its first byte is written: with them an idle broker takes
/// twice the memory. Measured with messages of 1 KiB, small pages cost up to a tenth more CPU.
#[cfg(target_os = "linux")]
fn use_small_pages() {
    // A kernel that refuses has no such pages, or goes on using them: both are no reason to stop.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(not(target_os = "linux"))]
fn use_small_pages() {}
