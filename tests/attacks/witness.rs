//! A client that wants small things while others attack, and notes how long it waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use broker::model::Offset;
use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Str};
use broker::records::{BatchBuilder, NewRecord};

use crate::victim::patience;
use crate::wire::{Wire, create_topic};

const TOPIC: &str = "witness";
/// Between two requests: it shall see the broker, and not be a load of its own.
const PAUSE: Duration = Duration::from_micros(500);

pub struct Witness {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Witness {
    pub fn start(address: &str) -> Self {
        create_topic(address, TOPIC, 1);
        let mut looking = Wire::from([127, 0, 0, 100], address).expect("the broker listens");
        let mut producing = Wire::from([127, 0, 0, 100], address).expect("the broker listens");
        let done = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&done);
        let thread = thread::spawn(move || {
            let mut waits = Vec::new();
            // Once at the least: an attack may be over before this thread begins.
            loop {
                let begin = Instant::now();
                looking.call(&ApiVersionsRequest::default(), 0);
                waits.push(begin.elapsed());
                let begin = Instant::now();
                let answer = producing.call(&one_message(), 9);
                let error = answer.responses[0].partition_responses[0].error_code;
                assert_eq!(error, ErrorCode::NONE);
                waits.push(begin.elapsed());
                if over.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(PAUSE);
            }
            waits
        });
        Self { done, thread }
    }

    /// How long it waited: of a hundred all but one, and at the most.
    ///
    /// # Panics
    /// It waited for longer than anybody should.
    pub fn finish(self, attack: &str) {
        self.done.store(true, Ordering::Relaxed);
        let mut waits = self.thread.join().expect("it is served");
        waits.sort_unstable();
        let longest = *waits.last().expect("it was served once");
        let usual = waits[waits.len() * 99 / 100];
        println!(
            "{attack}: others waited p99 {usual:?}, max {longest:?} ({} requests)",
            waits.len()
        );
        assert!(longest <= patience(), "{attack}: others waited {longest:?}");
    }
}

fn one_message() -> ProduceRequest {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.append(NewRecord {
        value: Some(b"message"),
        ..NewRecord::default()
    });
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: Str::from_static(TOPIC),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(builder.build()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}
