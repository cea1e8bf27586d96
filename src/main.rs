//! Arguments in, exit code out.

use std::process::ExitCode;

/// It gives memory back after a burst, and threads that free what others allocated do not slow it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    broker::cli::run(std::env::args_os())
}
