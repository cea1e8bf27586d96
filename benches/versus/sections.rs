//! What is measured, section by section: the same steps for each rival, rounds in alternation.

use std::time::Duration;

use crate::load::{self, Queue, Stream};
use crate::memory;
use crate::rival::{CpuSeconds, Rival};
use crate::table::{Bound, Table};
use crate::topics;

pub type Rivals = [Box<dyn Rival>];

const ROUNDS: usize = 3;
/// 1 GiB in messages of 1 KiB.
const LARGE: Stream = Stream {
    messages: 1 << 20,
    bytes: 1024,
    partitions: 1,
    queue: Queue::USUAL,
};
const SMALL: Stream = Stream {
    messages: 5_000_000,
    bytes: 100,
    partitions: 6,
    queue: Queue::USUAL,
};
const GIB_OF_LARGE: f64 = 1.0;
const MILLIONS_OF_SMALL: f64 = 5.0;

/// One measured piece of work: how long it took, and the broker's CPU.
pub struct Cost {
    pub wall: f64,
    pub cpu: CpuSeconds,
}

pub fn measured(rival: &mut dyn Rival, work: impl FnOnce(&str) -> Duration) -> Cost {
    let bootstrap = rival.bootstrap();
    let before = rival.cpu();
    let wall = work(&bootstrap).as_secs_f64();
    Cost {
        wall,
        cpu: rival.cpu() - before,
    }
}

/// Samples of one figure, a list per rival.
pub fn samples(rivals: &Rivals) -> Vec<Vec<f64>> {
    vec![Vec::new(); rivals.len()]
}

/// From the start of the process to the first answer, on an empty directory.
pub fn cold_start(rivals: &mut Rivals, table: &mut Table) {
    let mut times = samples(rivals);
    for _ in 0..ROUNDS {
        for (rival, times) in rivals.iter_mut().zip(&mut times) {
            times.push(rival.start().as_secs_f64());
            rival.kill();
        }
    }
    table.add(
        "cold start to first answer",
        "s",
        &times,
        Bound::AtMost(1.0 / 30.0),
    );
}

/// The loads of [`stream`].
pub const LOADS: [&str; 4] = ["large", "small", "single", "latency"];

/// Throughput, CPU, latency and memory with messages streaming in and out.
pub fn stream(rivals: &mut Rivals, loads: &[&str], table: &mut Table) {
    let mut idle = samples(rivals);
    for (rival, idle) in rivals.iter_mut().zip(&mut idle) {
        rival.start();
        idle.push(rival.rss_mib());
        warm_up(rival.as_mut());
    }
    table.add("RSS idle", "MiB", &idle, Bound::AtMost(1.0 / 25.0));
    for load in loads {
        memory::occupy();
        match *load {
            "large" => stream_rounds(rivals, "1 KiB, 1 partition", LARGE, table),
            "small" => stream_rounds(rivals, "100 B, 6 partitions", SMALL, table),
            "single" => one_message_a_request(rivals, table),
            "latency" => {
                let create = |rival: &dyn Rival, topic: &str| {
                    topics::create_single(&rival.bootstrap(), topic, 1)
                };
                latency(rivals, "2,000 msg/s", 2_000, create, table);
            }
            other => panic!("there is no load {other}"),
        }
    }
    let mut after = samples(rivals);
    for (rival, after) in rivals.iter_mut().zip(&mut after) {
        after.push(rival.rss_mib());
        rival.kill();
    }
    table.add(
        "RSS after the loads",
        "MiB",
        &after,
        Bound::AtMost(1.0 / 15.0),
    );
}

/// Repeats the large stream until the CPU it costs varies by less than 5% over three rounds.
fn warm_up(rival: &mut dyn Rival) {
    let mut last: Vec<CpuSeconds> = Vec::new();
    for round in 0..12 {
        let topic = format!("warm-{round}");
        topics::create_single(&rival.bootstrap(), &topic, 1);
        let produced = measured(rival, |bootstrap| load::produce(bootstrap, &topic, LARGE));
        let consumed = measured(rival, |bootstrap| load::consume(bootstrap, &topic, LARGE));
        last.push(produced.cpu + consumed.cpu);
        if let [.., a, b, c] = last[..] {
            let (least, most) = (a.min(b).min(c), a.max(b).max(c));
            if most - least < 0.05 * most {
                break;
            }
        }
    }
    println!(
        "{} warmed up; CPU s per GiB in and out by round: {last:.2?}",
        rival.name()
    );
}

fn stream_rounds(rivals: &mut Rivals, what: &str, stream: Stream, table: &mut Table) {
    let large = stream.bytes > 100;
    let (size, unit) = if large {
        (GIB_OF_LARGE, "s/GiB")
    } else {
        (MILLIONS_OF_SMALL, "s/million")
    };
    let mut produce_cpu = samples(rivals);
    let mut consume_cpu = samples(rivals);
    let mut produce_rate = samples(rivals);
    let mut consume_rate = samples(rivals);
    for round in 0..ROUNDS {
        for (n, rival) in rivals.iter_mut().enumerate() {
            let topic = format!("stream-{}-{round}", stream.bytes);
            topics::create_single(&rival.bootstrap(), &topic, stream.partitions);
            let produced = measured(rival.as_mut(), |to| load::produce(to, &topic, stream));
            let consumed = measured(rival.as_mut(), |from| load::consume(from, &topic, stream));
            produce_cpu[n].push(produced.cpu / size);
            consume_cpu[n].push(consumed.cpu / size);
            produce_rate[n].push(size / produced.wall);
            consume_rate[n].push(size / consumed.wall);
        }
    }
    let (in_cpu, out_cpu, rate) = if large {
        (0.3, 0.7, "GiB/s")
    } else {
        (1.0 / 3.0, 0.5, "million/s")
    };
    table.add(
        &format!("CPU produced, {what}"),
        unit,
        &produce_cpu,
        Bound::AtMost(in_cpu),
    );
    table.add(
        &format!("CPU consumed, {what}"),
        unit,
        &consume_cpu,
        Bound::AtMost(out_cpu),
    );
    table.add(
        &format!("rate produced, {what}"),
        rate,
        &produce_rate,
        Bound::AtLeast(1.0),
    );
    table.add(
        &format!("rate consumed, {what}"),
        rate,
        &consume_rate,
        Bound::AtLeast(1.0),
    );
}

fn one_message_a_request(rivals: &mut Rivals, table: &mut Table) {
    const COUNT: u32 = 20_000;
    let mut rate = samples(rivals);
    let mut cpu = samples(rivals);
    for round in 0..ROUNDS {
        for (n, rival) in rivals.iter_mut().enumerate() {
            let topic = format!("single-{round}");
            topics::create_single(&rival.bootstrap(), &topic, 1);
            let cost = measured(rival.as_mut(), |to| {
                load::one_at_a_time(to, &topic, COUNT.into())
            });
            rate[n].push(f64::from(COUNT) / cost.wall);
            cpu[n].push(cost.cpu * 1e6 / f64::from(COUNT));
        }
    }
    table.add(
        "one message a request: rate",
        "/s",
        &rate,
        Bound::AtLeast(2.0),
    );
    table.add("one message a request: CPU", "us", &cpu, Bound::AtMost(0.2));
}

/// The latencies of so many messages a second, each sent at once, to a topic that `create` makes.
pub fn latency(
    rivals: &mut Rivals,
    what: &str,
    per_second: u64,
    create: impl Fn(&dyn Rival, &str),
    table: &mut Table,
) {
    let names = ["ack p99", "ack p99.9", "end to end p99", "end to end p99.9"];
    let mut all = [
        samples(rivals),
        samples(rivals),
        samples(rivals),
        samples(rivals),
    ];
    for round in 0..ROUNDS {
        for (n, rival) in rivals.iter_mut().enumerate() {
            let topic = format!("paced-{round}");
            create(rival.as_ref(), &topic);
            let (ack, end_to_end) = load::paced(&rival.bootstrap(), &topic, per_second, 10);
            let figures = [
                ack.at(0.99),
                ack.at(0.999),
                end_to_end.at(0.99),
                end_to_end.at(0.999),
            ];
            for (samples, figure) in all.iter_mut().zip(figures) {
                samples[n].push(figure);
            }
        }
    }
    for (name, samples) in names.iter().zip(&all) {
        let row = format!("{what}, linger 0: {name}");
        table.add(&row, "ms", samples, Bound::AtMost(1.0 / 3.0));
    }
}

/// Produce rate over many partitions against one, and the way back after kill -9.
pub fn many_partitions(rivals: &mut Rivals, partitions: i32, table: &mut Table) {
    let one = Stream {
        queue: Queue::LARGE,
        ..LARGE
    };
    let many = Stream { partitions, ..one };
    let mut share = samples(rivals);
    let mut restart = samples(rivals);
    for (n, rival) in rivals.iter_mut().enumerate() {
        rival.start();
        let bootstrap = rival.bootstrap();
        topics::create_single(&bootstrap, "one", 1);
        topics::create_single(&bootstrap, "many", partitions);
        for _ in 0..ROUNDS {
            let alone = load::produce(&bootstrap, "one", one).as_secs_f64();
            let spread = load::produce(&bootstrap, "many", many).as_secs_f64();
            share[n].push(alone / spread);
        }
        rival.kill();
        rival.spawn();
        let started = std::time::Instant::now();
        load::first_accepted(&bootstrap, "many");
        restart[n].push(started.elapsed().as_secs_f64());
        rival.kill();
    }
    let least = if partitions > 1_000 { 0.7 } else { 0.9 };
    println!(
        "produce rate at {partitions} partitions must itself be at least {least} of that at 1"
    );
    table.add(
        &format!("rate at {partitions} partitions / at 1"),
        "",
        &share,
        Bound::AtLeast(1.0),
    );
    let what = format!("kill -9 to first accepted message, {partitions} partitions");
    table.add(&what, "s", &restart, Bound::AtMost(1.0 / 15.0));
}

/// The way back after kill -9 with one log of 10 GiB.
pub fn large_log_recovery(rivals: &mut Rivals, table: &mut Table) {
    let mut restart = samples(rivals);
    for (n, rival) in rivals.iter_mut().enumerate() {
        rival.start();
        let bootstrap = rival.bootstrap();
        topics::create_single(&bootstrap, "large", 1);
        for _ in 0..10 {
            load::produce(&bootstrap, "large", LARGE);
        }
        rival.kill();
        rival.spawn();
        let started = std::time::Instant::now();
        load::first_accepted(&bootstrap, "large");
        restart[n].push(started.elapsed().as_secs_f64());
        rival.kill();
    }
    let what = "kill -9 to first accepted message, one log of 10 GiB";
    table.add(what, "s", &restart, Bound::AtMost(1.0 / 15.0));
}
