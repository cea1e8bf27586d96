//! Compaction: how fast a log of old values becomes one of newest values, and what that costs.
//!
//! Each log is filled while it may not be compacted, and is then told that it may; the pass is over
//! when the log's size on disk has not changed for a while.

use std::time::{Duration, Instant};

use broker::protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::{ErrorCode, Str};

use crate::groups::{connect, run};
use crate::load::{self, Queue, Stream};
use crate::memory;
use crate::rival::{CpuSeconds, Rival};
use crate::table::{Bound, Table};
use crate::topics;

type Rivals = [Box<dyn Rival>];

const ROUNDS: usize = 3;
/// 1 GiB in messages of 1 KiB.
const LOAD: Stream = Stream {
    messages: 1 << 20,
    bytes: 1024,
    partitions: 1,
    queue: Queue::USUAL,
};
const KEYS: u64 = 100_000;
const MIB: f64 = (1 << 20) as f64;
/// Of the topic, until it is filled: no log is dirtier than wholly.
const FILLING: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "1"),
    ("segment.bytes", "67108864"),
    ("file.delete.delay.ms", "1000"),
];
const STARTING: (&str, &str) = ("min.cleanable.dirty.ratio", "0");
/// Of the broker: how soon a log that may be compacted is looked at.
const BACKOFF: (&str, &str) = ("log.cleaner.backoff.ms", "100");
/// DescribeConfigs' numbers of what has settings.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// A log whose size stays for so long is compacted: longer than any segment takes.
const QUIET: Duration = Duration::from_secs(5);
/// Longer than a pass takes.
const LIMIT: Duration = Duration::from_secs(300);

/// What a pass over one log took.
struct Pass {
    mib: f64,
    wall: f64,
    cpu: CpuSeconds,
}

/// MiB of log in a second, and the broker's CPU for each GiB.
pub fn compaction(rivals: &mut Rivals, table: &mut Table) {
    let mut rates = vec![Vec::new(); rivals.len()];
    let mut costs = vec![Vec::new(); rivals.len()];
    for rival in rivals.iter_mut() {
        rival.start();
        run(alter(&rival.bootstrap(), BROKER, "1", BACKOFF));
    }
    for round in 0..=ROUNDS {
        for (place, rival) in rivals.iter_mut().enumerate() {
            let (bootstrap, topic) = (rival.bootstrap(), format!("keyed-{round}"));
            memory::occupy();
            topics::create_with(&bootstrap, &topic, (1, 1), &FILLING);
            load::produce_keyed(&bootstrap, &topic, LOAD, KEYS);
            let pass = compact(rival.as_mut(), &topic);
            // The first round warms up.
            if round > 0 {
                rates[place].push(pass.mib / pass.wall);
                costs[place].push(pass.cpu * 1024.0 / pass.mib);
            }
        }
    }
    for rival in rivals.iter_mut() {
        rival.kill();
    }
    let what = "compaction, 1 KiB, 100,000 keys";
    table.add(what, "MiB/s", &rates, Bound::AtLeast(1.0));
    let what = "broker CPU per GiB compacted";
    table.add(what, "s", &costs, Bound::AtMost(0.5));
}

/// Lets a log be compacted, and waits until that is done.
fn compact(rival: &mut dyn Rival, topic: &str) -> Pass {
    let bootstrap = rival.bootstrap();
    let whole = run(size(&bootstrap, topic));
    let cpu = rival.cpu();
    run(alter(&bootstrap, TOPIC, topic, STARTING));
    let begun = Instant::now();
    let (mut last, mut changed, mut pass_cpu) = (whole, Instant::now(), 0.0);
    while last > whole / 2 || changed.elapsed() < QUIET {
        assert!(begun.elapsed() < LIMIT, "{last} of {whole} bytes are left");
        std::thread::sleep(POLL_INTERVAL);
        let now = run(size(&bootstrap, topic));
        if now != last {
            (last, changed, pass_cpu) = (now, Instant::now(), rival.cpu() - cpu);
        }
    }
    let wall = (changed - begun).as_secs_f64();
    println!(
        "{}: {} of {} MiB are left after {wall:.1} s",
        rival.name(),
        last >> 20,
        whole >> 20
    );
    Pass {
        mib: whole as f64 / MIB,
        wall,
        cpu: pass_cpu,
    }
}

/// The bytes of partition 0 of a topic.
async fn size(bootstrap: &str, topic: &str) -> i64 {
    let request = DescribeLogDirsRequest {
        topics: Some(vec![DescribableLogDirTopic {
            topic: Str::copy_from(topic),
            partitions: vec![0],
        }]),
    };
    let mut client = connect(bootstrap).await;
    let answer = client.call(&request, 4).await.expect("it is answered");
    answer.results[0].topics[0].partitions[0].partition_size
}

async fn alter(bootstrap: &str, kind: i8, name: &str, (key, value): (&'static str, &'static str)) {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: Str::copy_from(name),
            configs: vec![AlterableConfig {
                name: key.into(),
                config_operation: 0,
                value: Some(value.into()),
            }],
        }],
        validate_only: false,
    };
    let mut client = connect(bootstrap).await;
    let answer = client.call(&request, 1).await.expect("it is answered");
    assert_eq!(
        answer.responses[0].error_code,
        ErrorCode::NONE,
        "{answer:?}"
    );
}
