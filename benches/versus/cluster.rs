//! Three nodes, each broker and controller, and topics with three replicas, of which two must be in sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::{self, Queue, Stream};
use crate::rival::Rival;
use crate::sections::{Rivals, latency, measured, samples};
use crate::table::{Bound, Table};
use crate::topics;

const ROUNDS: usize = 3;
const NODES: i32 = 3;
const SAFE: [(&str, &str); 1] = [("min.insync.replicas", "2")];
/// 256 MiB in messages of 1 KiB.
const LARGE: Stream = Stream {
    messages: 1 << 18,
    bytes: 1024,
    partitions: 1,
    queue: Queue::USUAL,
};
const GIB_OF_LARGE: f64 = 0.25;
const SMALL: Stream = Stream {
    messages: 2_000_000,
    bytes: 100,
    partitions: 6,
    queue: Queue::USUAL,
};
const MILLIONS_OF_SMALL: f64 = 2.0;
/// So few a second that Apache Kafka keeps up.
const PACED: u64 = 300;
/// For how long messages are sent before a leader is killed, and after the cluster is whole again.
const CALM: Duration = Duration::from_secs(3);

/// All figures of three nodes.
pub fn all(rivals: &mut Rivals, table: &mut Table) {
    start(rivals, table);
    for rival in rivals.iter_mut() {
        warm_up(rival.as_mut());
    }
    stream(rivals, "1 KiB, 1 partition", LARGE, table);
    stream(rivals, "100 B, 6 partitions", SMALL, table);
    one_message_a_request(rivals, table);
    let create = |rival: &dyn Rival, topic: &str| create(rival, topic, 1);
    latency(rivals, "RF 3: 300 msg/s", PACED, create, table);
    idle(rivals, table);
    fail_over(rivals, table);
    for rival in rivals.iter_mut() {
        rival.kill();
    }
}

fn create(rival: &dyn Rival, topic: &str, partitions: i32) {
    topics::create_with(&rival.bootstrap(), topic, (partitions, NODES), &SAFE);
}

/// From the start of the processes, on empty directories, to a topic that has leaders. They run on.
fn start(rivals: &mut Rivals, table: &mut Table) {
    let mut times = samples(rivals);
    for (rival, times) in rivals.iter_mut().zip(&mut times) {
        let started = Instant::now();
        rival.start();
        create(rival.as_ref(), "first", 1);
        times.push(started.elapsed().as_secs_f64());
    }
    let what = "RF 3: cold start to a topic";
    table.add(what, "s", &times, Bound::AtMost(0.1));
}

/// Repeats the large stream until the CPU it costs varies by less than 10% over three rounds.
fn warm_up(rival: &mut dyn Rival) {
    let mut last: Vec<f64> = Vec::new();
    for round in 0..8 {
        let topic = format!("warm-{round}");
        create(rival, &topic, 1);
        last.push(measured(rival, |to| load::produce(to, &topic, LARGE)).cpu);
        if let [.., a, b, c] = last[..] {
            let (least, most) = (a.min(b).min(c), a.max(b).max(c));
            if most - least < 0.1 * most {
                break;
            }
        }
    }
    println!("{} warmed up; CPU s by round: {last:.2?}", rival.name());
}

fn stream(rivals: &mut Rivals, what: &str, stream: Stream, table: &mut Table) {
    let is_large = stream.bytes > 100;
    let (size, rate_unit, cpu_unit, least) = if is_large {
        (GIB_OF_LARGE, "GiB/s", "s/GiB", 3.0)
    } else {
        (MILLIONS_OF_SMALL, "million/s", "s/million", 2.0)
    };
    let (mut rate, mut cpu) = (samples(rivals), samples(rivals));
    for round in 0..ROUNDS {
        for (n, rival) in rivals.iter_mut().enumerate() {
            let topic = format!("stream-{}-{round}", stream.bytes);
            create(rival.as_ref(), &topic, stream.partitions);
            let produced = measured(rival.as_mut(), |to| load::produce(to, &topic, stream));
            rate[n].push(size / produced.wall);
            cpu[n].push(produced.cpu / size);
        }
    }
    let row = format!("RF 3: rate produced, {what}");
    table.add(&row, rate_unit, &rate, Bound::AtLeast(least));
    let row = format!("RF 3: CPU produced, {what}");
    table.add(&row, cpu_unit, &cpu, Bound::AtMost(0.3));
}

fn one_message_a_request(rivals: &mut Rivals, table: &mut Table) {
    const COUNT: u32 = 5_000;
    let (mut rate, mut cpu) = (samples(rivals), samples(rivals));
    for round in 0..ROUNDS {
        for (n, rival) in rivals.iter_mut().enumerate() {
            let topic = format!("single-{round}");
            create(rival.as_ref(), &topic, 1);
            let cost = measured(rival.as_mut(), |to| {
                load::one_at_a_time(to, &topic, COUNT.into())
            });
            rate[n].push(f64::from(COUNT) / cost.wall);
            cpu[n].push(cost.cpu * 1e6 / f64::from(COUNT));
        }
    }
    let row = "RF 3: one message a request: rate";
    table.add(row, "/s", &rate, Bound::AtLeast(5.0));
    let row = "RF 3: one message a request: CPU";
    table.add(row, "us", &cpu, Bound::AtMost(0.2));
}

/// What a node takes when nothing is asked of it.
fn idle(rivals: &mut Rivals, table: &mut Table) {
    let (mut rss, mut cpu) = (samples(rivals), samples(rivals));
    for (n, rival) in rivals.iter_mut().enumerate() {
        rss[n].push(rival.rss_mib());
        let cost = measured(rival.as_mut(), |_| {
            std::thread::sleep(Duration::from_secs(10));
            Duration::from_secs(10)
        });
        cpu[n].push(100.0 * cost.cpu / cost.wall / f64::from(NODES));
    }
    let row = "RF 3: RSS of a node after the loads";
    table.add(row, "MiB", &rss, Bound::AtMost(1.0 / 15.0));
    let row = "RF 3: CPU of an idle node";
    table.add(row, "% of a core", &cpu, Bound::AtMost(0.5));
}

/// The longest time without an acknowledgement when each node in turn is killed.
fn fail_over(rivals: &mut Rivals, table: &mut Table) {
    let mut gaps = samples(rivals);
    for (n, rival) in rivals.iter_mut().enumerate() {
        create(rival.as_ref(), "killed", NODES);
        for victim in 1..=NODES {
            let bootstrap = rival.bootstrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let ended = Arc::clone(&is_over);
            let sender =
                std::thread::spawn(move || load::longest_gap(&bootstrap, "killed", NODES, &ended));
            std::thread::sleep(CALM);
            rival.kill_node(victim);
            // Apache Kafka takes 9 s to notice.
            std::thread::sleep(CALM + Duration::from_secs(15));
            rival.restart_node(victim);
            std::thread::sleep(CALM + Duration::from_secs(12));
            is_over.store(true, Ordering::Relaxed);
            let gap = sender.join().expect("the sender does not panic");
            gaps[n].push(gap.as_secs_f64());
        }
        println!("{}: gaps in s {:.2?}", rival.name(), gaps[n]);
    }
    let row = "RF 3: longest gap in acks when a node is killed";
    table.add(row, "s", &gaps, Bound::AtMost(1.0 / 3.0));
}
