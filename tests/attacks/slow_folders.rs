//! A file system that takes long for each new folder: others' answers, and the controller's, do not wait
//! for it.

use std::time::{Duration, Instant};

use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::{ErrorCode, Str};

use crate::support::preload;
use crate::victim::{Victim, within};
use crate::wire::{Wire, encoded};

/// A library that is loaded before the C library: the folders of topics named `slow` take 100 ms each.
const SLOW: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
int mkdir(const char *path, mode_t mode) {
    if (strstr(path, "/slow-")) usleep(100000);
    return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
"#;

fn create(names: impl Iterator<Item = String>) -> CreateTopicsRequest {
    let topic = |name| CreatableTopic {
        name: Str::from(name),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    CreateTopicsRequest {
        topics: names.map(topic).collect(),
        timeout_ms: 60_000,
        ..CreateTopicsRequest::default()
    }
}

#[test]
fn folders_that_take_long_delay_neither_others_nor_the_controller() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some(library) = preload::library(directory.path(), "slow", SLOW) else {
        return;
    };
    let victim = Victim::start_with_library(&library);
    let witness = victim.witness();
    let mut many = Wire::connect(victim.address());
    let slow = create((0..50).map(|n| format!("slow-{n}")));
    many.send(&encoded(&slow, 5)).expect("it is read");

    let mut longest = Duration::ZERO;
    let mut one = Wire::connect(victim.address());
    for n in 0..10 {
        let begin = Instant::now();
        let created = one.call(&create(std::iter::once(format!("one-{n}"))), 5);
        longest = longest.max(begin.elapsed());
        assert_eq!(created.topics[0].error_code, ErrorCode::NONE);
    }

    println!("a topic beside 50 whose folders take 100 ms: {longest:?} at the most");
    witness.finish("slow folders");
    assert!(longest < within(Duration::from_millis(200)), "{longest:?}");
}
