//! Puts the machine's memory into the state in which a broker's stays: all of it in use.
//!
//! A hypervisor takes back what its guest has freed, and the guest pays when it writes there again:
//! ten times the price of the write was seen. Whoever is measured first would pay for the others.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

const CHUNK: usize = 1 << 20;

/// Fills free memory with cached pages of a file without data. The system takes those, the oldest
/// that nobody has asked for twice, when something else needs memory.
pub fn occupy() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("occupied-memory");
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).expect("a file");
    // Pages of an earlier call stay: the file only grows.
    let end = file.seek(SeekFrom::End(0)).expect("files seek");
    file.set_len(end + free_bytes())
        .expect("a hole needs no room");
    let mut chunk = vec![0; CHUNK];
    while file.read(&mut chunk).expect("it can be read") > 0 {}
}

fn free_bytes() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").expect("Linux tells");
    let line = told.lines().find(|line| line.starts_with("MemFree"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a number of KiB") << 10
}
