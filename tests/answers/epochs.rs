//! Leader epochs: both brokers are started again between batches, and asked with epochs of the past,
//! the present and the future.

use broker::protocol::ApiKey;
use broker::protocol::messages::fetch::FetchPartition;
use broker::protocol::messages::list_offsets::ListOffsetsPartition;
use broker::protocol::messages::metadata::MetadataRequest;

use super::batches::{T0, filled_at, good};
use super::pair::Pair;
use super::topics::{at, create, topic, wait_for, write};
use super::{fetch, offsets};

const TOPIC: &str = "led-again";

pub fn compare(pair: &mut Pair) {
    let led = topic(TOPIC, 1, &[]);
    create(pair, std::slice::from_ref(&led));
    write(pair, TOPIC, 0, &good(3));
    pair.restart();
    wait_for(pair, &[led]);
    write(pair, TOPIC, 0, &filled_at(T0 + 60_000, 2).build());
    pair.compare_all("after a restart", |_| MetadataRequest::default());
    fetches(pair);
    lists(pair);
    for current in -1..=4 {
        for epoch in -1..=4 {
            let case = format!("the end of epoch {epoch}, current {current}");
            pair.compare_all(&case, |_| offsets::epoch_end(TOPIC, 0, current, epoch));
        }
    }
}

fn fetches(pair: &mut Pair) {
    for version in pair.versions(ApiKey::Fetch) {
        for offset in [0, 2, 3, 5, 6] {
            for current_leader_epoch in -1..=4 {
                let case = format!("offset {offset}, current epoch {current_leader_epoch}");
                pair.compare(&case, version, |side| {
                    let partition = FetchPartition {
                        current_leader_epoch,
                        ..fetch::asked(0, offset)
                    };
                    fetch::one(side, TOPIC, partition)
                });
            }
            for last_fetched_epoch in 0..=4 {
                let case = format!("offset {offset} after epoch {last_fetched_epoch}");
                pair.compare(&case, version, |side| {
                    let partition = FetchPartition {
                        last_fetched_epoch,
                        ..fetch::asked(0, offset)
                    };
                    fetch::one(side, TOPIC, partition)
                });
            }
        }
    }
}

fn lists(pair: &mut Pair) {
    for current_leader_epoch in -1..=4 {
        for timestamp in [-1, -2, -3, T0, T0 + 60_000] {
            let case = format!("time {timestamp}, current epoch {current_leader_epoch}");
            pair.compare_all(&case, |_| {
                let partition = ListOffsetsPartition {
                    current_leader_epoch,
                    ..at(0, timestamp)
                };
                offsets::request(TOPIC, vec![partition])
            });
        }
    }
}
