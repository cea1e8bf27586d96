//! Three nodes under load, of which one after the other is restarted, and one has lost a gigabyte: what clients
//! notice, and whether it fetches as fast as it may. One rival runs after the other.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::{self, LIMIT, Queue, Stream};
use crate::rival::Rival;
use crate::sections::{Rivals, samples};
use crate::table::{Bound, RowOfThree, Table};
use crate::topics::{self, Layout};

const NODES: i32 = 3;
const LEADER: i32 = 1;
const FOLLOWER: i32 = 3;
/// How long messages are sent before and after each restart.
const CALM: Duration = Duration::from_secs(3);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// 1 GiB in messages of 1 KiB.
const LOST: Stream = Stream {
    messages: 1 << 20,
    bytes: 1024,
    partitions: 1,
    queue: Queue::USUAL,
};
const LOST_BYTES: u64 = 1 << 30;
/// What the follower may fetch in a second.
const RATE: u64 = 32 << 20;
/// What is fetched before the rate is looked at: the first second may be a burst.
const BURST: u64 = 2 * RATE;
/// What clients send meanwhile.
const PER_SECOND: u64 = 300;
const SECONDS: u64 = 10;

const ROWS: [RowOfThree; 5] = [
    (
        "longest gap in acks when nodes are restarted one by one",
        "s",
        Bound::AtMost(1.0 / 3.0),
    ),
    (
        "1 GiB fetched again at 32 MiB/s: rate / what was asked",
        "",
        Bound::AtMost(1.1),
    ),
    ("ack p99 before that", "ms", Bound::AtMost(1.0 / 3.0)),
    ("ack p99 meanwhile", "ms", Bound::AtMost(1.0 / 3.0)),
    (
        "ack p99 while it is fetched without a limit",
        "ms",
        Bound::AtMost(1.0 / 3.0),
    ),
];

/// All figures.
pub fn all(rivals: &mut Rivals, table: &mut Table) {
    let mut figures: Vec<Vec<Vec<f64>>> = vec![samples(rivals); ROWS.len()];
    for (n, rival) in rivals.iter_mut().enumerate() {
        rival.start();
        let bootstrap = rival.bootstrap();
        warm_up(&bootstrap);
        figures[0][n] = rolling_restart(rival.as_mut());
        topics::create(&bootstrap, "lost", Layout::LedBy(LEADER, 1, NODES));
        topics::create(&bootstrap, "paced", Layout::LedBy(LEADER, 1, NODES));
        load::produce(&bootstrap, "lost", LOST);
        let before = p99(rival.as_ref());
        limit(
            &bootstrap,
            &format!("--add-config=follower.replication.throttled.rate={RATE}"),
        );
        let throttled = fetch_again(rival.as_mut());
        figures[1][n].push(throttled.rate / RATE as f64);
        figures[2][n].push(before);
        figures[3][n].push(throttled.p99);
        limit(
            &bootstrap,
            "--delete-config=follower.replication.throttled.rate",
        );
        let free = fetch_again(rival.as_mut());
        figures[4][n].push(free.p99);
        println!(
            "{}: gaps in s {:.2?}, MiB/s {:.1} and {:.1}, p99 in ms {before:.2}, {:.2} and {:.2}",
            rival.name(),
            figures[0][n],
            throttled.rate / f64::from(1 << 20),
            free.rate / f64::from(1 << 20),
            throttled.p99,
            free.p99
        );
        rival.kill();
    }
    table.add_of_three(&ROWS, &figures);
}

/// Has Apache Kafka compile what is measured.
fn warm_up(bootstrap: &str) {
    for topic in ["warm-1", "warm-2"] {
        topics::create(bootstrap, topic, Layout::Spread(1, NODES));
        load::produce(bootstrap, topic, LOST);
        load::paced(bootstrap, topic, PER_SECOND, SECONDS);
    }
}

/// The longest time without an acknowledgement while each node in turn is stopped and started.
fn rolling_restart(rival: &mut dyn Rival) -> Vec<f64> {
    let bootstrap = rival.bootstrap();
    topics::create(&bootstrap, "rolling", Layout::Spread(NODES, NODES));
    let restart = |victim: i32| {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ended, to) = (Arc::clone(&is_over), bootstrap.clone());
        let sender = std::thread::spawn(move || load::longest_gap(&to, "rolling", NODES, &ended));
        std::thread::sleep(CALM);
        rival.stop_node(victim, STOP_LIMIT);
        rival.restart_node(victim);
        topics::wait_until_in_sync(&bootstrap, &["rolling"], NODES);
        std::thread::sleep(CALM);
        is_over.store(true, Ordering::Relaxed);
        let gap = sender.join().expect("the sender does not panic");
        gap.as_secs_f64()
    };
    (1..=NODES).map(restart).collect()
}

/// Changes how fast the follower may fetch what it has lost, as an operator does.
fn limit(bootstrap: &str, change: &str) {
    let follower = FOLLOWER.to_string();
    let of_node = [
        "--entity-type",
        "brokers",
        "--entity-name",
        &follower,
        change,
    ];
    let throttled = "--add-config=follower.replication.throttled.replicas=*";
    let of_topic = [
        "--entity-type",
        "topics",
        "--entity-name",
        "lost",
        throttled,
    ];
    for arguments in [of_node, of_topic] {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_broker"));
        tool.args(["configs", "--bootstrap-server", bootstrap, "--alter"]);
        let output = tool.args(arguments).output().expect("the tool starts");
        assert!(output.status.success(), "{output:?}");
    }
}

/// How a follower has fetched what it has lost.
struct Fetched {
    /// Bytes a second.
    rate: f64,
    /// What clients have seen meanwhile, in milliseconds.
    p99: f64,
}

/// Has a follower lose its log, and measures while it is fetched again.
fn fetch_again(rival: &mut dyn Rival) -> Fetched {
    let bootstrap = rival.bootstrap();
    rival.stop_node(FOLLOWER, STOP_LIMIT);
    let folder = rival.data(FOLLOWER).join("lost-0");
    fs::remove_dir_all(&folder).expect("it was there");
    rival.restart_node(FOLLOWER);
    std::thread::scope(|scope| {
        let rate = scope.spawn(|| {
            let first = wait_for(&folder, BURST);
            let last = wait_for(&folder, LOST_BYTES);
            (last.1 - first.1) as f64 / (last.0 - first.0).as_secs_f64()
        });
        wait_for(&folder, 1);
        let p99 = p99(rival);
        let rate = rate.join().expect("it does not panic");
        topics::wait_until_in_sync(&bootstrap, &["lost"], NODES);
        Fetched { rate, p99 }
    })
}

/// When a log first has so many bytes, and how many it has then.
fn wait_for(folder: &Path, least: u64) -> (Instant, u64) {
    let started = Instant::now();
    loop {
        let bytes = log_bytes(folder);
        if bytes >= least {
            return (Instant::now(), bytes);
        }
        assert!(started.elapsed() < LIMIT, "it has {bytes} bytes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn log_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let logs = files.filter(|file| file.path().extension().is_some_and(|it| it == "log"));
    logs.filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

fn p99(rival: &dyn Rival) -> f64 {
    let (acks, _) = load::paced(&rival.bootstrap(), "paced", PER_SECOND, SECONDS);
    acks.at(0.99)
}
