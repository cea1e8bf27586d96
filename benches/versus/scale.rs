//! Three nodes with many partitions of three replicas, of which two must be in sync: what it takes to make
//! them, to keep them, to stop and start a node, and to lose one. One rival runs after the other.

use std::fs;
use std::time::{Duration, Instant};

use crate::load::{self, InFlight, Queue, Stream};
use crate::rival::Rival;
use crate::sections::{Rivals, measured, samples};
use crate::table::{Bound, RowOfThree, Table};
use crate::topics::{self, Layout};

const NODES: i32 = 3;
/// The node that is stopped or killed; it leads the topics of [`Layout::led_by`].
const VICTIM: i32 = 1;
const FEW: i32 = 1_000;
/// In each of two topics: with 10,000 Apache Kafka refuses the request, as its records are more than that.
const MANY: i32 = 9_900;
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// 1 GiB in messages of 1 KiB.
const LARGE: Stream = Stream {
    messages: 1 << 20,
    bytes: 1024,
    partitions: 1,
    queue: Queue::USUAL,
};

const ROWS: [RowOfThree; 10] = [
    (
        "one message a request: rate with five in flight / with one",
        "",
        Bound::AtLeast(1.0),
    ),
    ("1 GiB fetched again by a follower", "s", Bound::AtMost(1.0)),
    (
        "1,000 partitions: RSS of the largest idle node",
        "MiB",
        Bound::AtMost(1.0 / 15.0),
    ),
    (
        "1,000 partitions: CPU of an idle node",
        "% of a core",
        Bound::AtMost(0.5),
    ),
    (
        "controlled shutdown of the leader of 1,000",
        "s",
        Bound::AtMost(1.0),
    ),
    ("19,800 partitions created", "s", Bound::AtMost(1.0)),
    (
        "19,800 partitions: CPU of an idle node",
        "% of a core",
        Bound::AtMost(0.5),
    ),
    ("19,800 partitions: stop of a node", "s", Bound::AtMost(1.0)),
    (
        "19,800 partitions: start of a node until all are in sync",
        "s",
        Bound::AtMost(1.0),
    ),
    (
        "kill -9 of the leader of 9,900 until all are led",
        "s",
        Bound::AtMost(1.0 / 3.0),
    ),
];

/// All figures.
pub fn all(rivals: &mut Rivals, table: &mut Table) {
    let mut figures: Vec<Vec<Vec<f64>>> = vec![samples(rivals); ROWS.len()];
    for (n, rival) in rivals.iter_mut().enumerate() {
        rival.start();
        let mut rows = figures.iter_mut();
        let mut note = |figure: f64| {
            let row = rows.next().expect("there are as many figures as rows");
            row[n].push(figure);
        };
        let name = rival.name();
        note(told(name, "in flight", in_flight(rival.as_ref())));
        note(told(name, "fetched again", fetched_again(rival.as_mut())));
        few(rival.as_mut(), |figure| note(told(name, "few", figure)));
        many(rival.as_mut(), |figure| note(told(name, "many", figure)));
        rival.kill();
    }
    table.add_of_three(&ROWS, &figures);
}

/// Says a figure as soon as it is there: a run takes many minutes.
fn told(name: &str, what: &str, figure: f64) -> f64 {
    println!("{name}: {what}: {figure:.3}");
    figure
}

/// How much faster requests of one message each come through when five may be under way.
fn in_flight(rival: &dyn Rival) -> f64 {
    const COUNT: u64 = 10_000;
    let bootstrap = rival.bootstrap();
    let took = |topic: &str, most: InFlight| {
        topics::create(&bootstrap, topic, Layout::Spread(1, NODES));
        load::one_message_batches(&bootstrap, topic, COUNT, most).as_secs_f64()
    };
    took("warm", InFlight(5));
    took("one", InFlight(1)) / took("five", InFlight(5))
}

/// How long a follower takes to fetch 1 GiB that its disk has lost.
fn fetched_again(rival: &mut dyn Rival) -> f64 {
    let bootstrap = rival.bootstrap();
    topics::create(&bootstrap, "fetched", Layout::LedBy(VICTIM, 1, NODES));
    load::produce(&bootstrap, "fetched", LARGE);
    let follower = NODES;
    rival.stop_node(follower, STOP_LIMIT);
    fs::remove_dir_all(rival.data(follower).join("fetched-0")).expect("it was there");
    let started = Instant::now();
    rival.restart_node(follower);
    topics::wait_until_in_sync(&bootstrap, &["fetched"], NODES);
    started.elapsed().as_secs_f64()
}

/// 1,000 partitions that one node leads.
fn few(rival: &mut dyn Rival, mut note: impl FnMut(f64)) {
    let bootstrap = rival.bootstrap();
    topics::create(&bootstrap, "few", Layout::LedBy(VICTIM, FEW, NODES));
    let cpu = idle(rival);
    note(rival.rss_mib());
    note(cpu);
    note(rival.stop_node(VICTIM, STOP_LIMIT).as_secs_f64());
    rival.restart_node(VICTIM);
    topics::wait_until_in_sync(&bootstrap, &["few"], NODES);
}

/// 19,800 partitions, of which one node leads 9,900 and a third of the others.
fn many(rival: &mut dyn Rival, mut note: impl FnMut(f64)) {
    let bootstrap = rival.bootstrap();
    let started = Instant::now();
    topics::create(&bootstrap, "led", Layout::LedBy(VICTIM, MANY, NODES));
    topics::create(&bootstrap, "spread", Layout::Spread(MANY, NODES));
    note(started.elapsed().as_secs_f64());
    note(idle(rival));
    let follower = NODES;
    note(rival.stop_node(follower, STOP_LIMIT).as_secs_f64());
    let started = Instant::now();
    rival.restart_node(follower);
    topics::wait_until_in_sync(&bootstrap, &["led", "spread"], NODES);
    note(started.elapsed().as_secs_f64());
    let others = rival.bootstrap_without(VICTIM);
    let started = Instant::now();
    rival.kill_node(VICTIM);
    topics::wait_until_led_by_others(&others, "led", VICTIM);
    note(started.elapsed().as_secs_f64());
}

/// The share of a core, in percent, that a node takes when nothing is asked of it.
fn idle(rival: &mut dyn Rival) -> f64 {
    const CALM: Duration = Duration::from_secs(10);
    // What the work before has left to do is done by then.
    std::thread::sleep(CALM);
    let cost = measured(rival, |_| {
        std::thread::sleep(CALM);
        CALM
    });
    100.0 * cost.cpu / cost.wall / f64::from(NODES)
}
