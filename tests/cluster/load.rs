//! Messages that keep coming while an operator changes the cluster: at the end each is there once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::producer::Producer as _;

use crate::nodes::Nodes;
use crate::replication::{Outcomes, producer, read_all, send};
use crate::voice::{PATIENCE, wait_for};

/// The partitions that messages go to, in turn.
const PARTITIONS: u64 = 3;
/// The pause between two messages.
const PAUSE: Duration = Duration::from_millis(2);

/// An idempotent producer that waits for all in-sync replicas, on a thread of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    outcomes: Outcomes,
    thread: JoinHandle<u64>,
}

impl Load {
    /// Begins to send to the first partitions of [`crate::replication::TOPIC`].
    pub fn begin(nodes: &Nodes) -> Self {
        let settings = [("enable.idempotence", "true"), ("linger.ms", "2")];
        let (producer, outcomes) = producer(nodes, &settings);
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut next = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                send(&producer, next, (next % PARTITIONS) as i32);
                next += 1;
                thread::sleep(PAUSE);
            }
            producer.flush(PATIENCE).expect("all is acknowledged");
            next
        });
        Self {
            stop,
            outcomes,
            thread,
        }
    }

    fn acknowledged(&self) -> usize {
        self.outcomes.0.lock().expect("no panic").0.len()
    }

    /// Waits until messages that are sent from now on are acknowledged.
    pub fn goes_on(&self) {
        let from = self.acknowledged();
        wait_for("further messages", || {
            (self.acknowledged() > from + 200).then_some(())
        });
    }

    /// Ends, and looks at all messages: each is there once, in order.
    pub fn end(self, nodes: &Nodes) {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.thread.join().expect("no panic");
        let outcomes = self.outcomes.0.lock().expect("no panic");
        assert_eq!(outcomes.1, [], "no message is refused");
        assert_eq!(outcomes.0.len() as u64, sent);
        for partition in 0..PARTITIONS {
            let numbers = (0..sent).filter(|number| number % PARTITIONS == partition);
            let expected: Vec<String> = numbers.map(|number| format!("message {number}")).collect();
            let read = read_all(nodes, partition as i32);
            assert_eq!(read, expected, "partition {partition}: in order, each once");
        }
        println!("{sent} messages, each once");
    }
}
