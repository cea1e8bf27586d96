//! The core as transcripts: what a fetcher asks for, and what it makes of the answers.

mod answers;
mod lanes;
mod sessions;
mod throttle;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::fetcher::{Fetcher, FetcherSettings};
use super::lane::Lane;
use super::work::{Act, Found, LeaderLog, Next, Outcome, Search, Work};
use crate::model::{BrokerId, LeaderEpoch, Offset, TopicId, TopicIdPartition};
use crate::protocol::messages::fetch::{
    EpochEndOffset, FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::protocol::{ErrorCode, Payload};
use crate::replication::partition::{Cut, FollowerEnd, ReplicaNumber};

const BACKOFF: Duration = Duration::from_secs(1);
/// The id of the leader's session.
const SESSION: i32 = 42;

fn id(partition: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_bytes([7; 16]),
        partition,
    }
}

fn end(end_offset: i64, last_epoch: i32) -> FollowerEnd {
    FollowerEnd {
        replica: ReplicaNumber::default(),
        end_offset: Offset(end_offset),
        last_epoch: LeaderEpoch(last_epoch),
        log_start_offset: Offset(0),
    }
}

/// A partition of an answer without records.
fn idle(partition: i32) -> PartitionData {
    PartitionData {
        partition_index: partition,
        high_watermark: 5,
        log_start_offset: 0,
        records: Payload::EMPTY,
        ..PartitionData::default()
    }
}

fn records(partition: i32, bytes: &'static [u8]) -> PartitionData {
    PartitionData {
        records: Payload::Bytes(Bytes::from_static(bytes)),
        ..idle(partition)
    }
}

fn refused(partition: i32, error_code: ErrorCode) -> PartitionData {
    PartitionData {
        error_code,
        ..idle(partition)
    }
}

fn diverging(partition: i32, epoch: i32, end_offset: i64) -> PartitionData {
    PartitionData {
        diverging_epoch: EpochEndOffset { epoch, end_offset },
        ..idle(partition)
    }
}

fn response(session_id: i32, partitions: Vec<PartitionData>) -> FetchResponse {
    FetchResponse {
        session_id,
        responses: vec![FetchableTopicResponse {
            topic_id: id(0).topic_id,
            partitions,
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    }
}

/// A fetcher, and the time.
struct Script {
    fetcher: Fetcher,
    now: Instant,
    /// When throttled partitions may be fetched again.
    throttled_until: Option<Instant>,
}

impl Script {
    fn new() -> Self {
        Self::on(Lane::Prompt)
    }

    fn on(lane: Lane) -> Self {
        let settings = FetcherSettings {
            replica: BrokerId(3),
            max_wait_ms: 500,
            min_bytes: 1,
            response_max_bytes: 1000,
            partition_max_bytes: 100,
            backoff: BACKOFF,
        };
        Self {
            fetcher: Fetcher::new(settings, lane),
            now: Instant::now(),
            throttled_until: None,
        }
    }

    /// A fetcher in a session with partitions 0 and up that end at offset 5, in epoch 4.
    fn in_session(count: i32) -> Self {
        let mut script = Self::new();
        for partition in 0..count {
            script.follow(partition, 4, end(5, 4));
        }
        script.next();
        assert_eq!(
            script.answered((0..count).map(idle).collect()).len(),
            count as usize
        );
        script
    }

    fn follow(&mut self, partition: i32, leader_epoch: i32, end: FollowerEnd) {
        self.fetcher
            .follow(id(partition), LeaderEpoch(leader_epoch), end);
    }

    /// What comes next, as a line.
    fn next(&mut self) -> String {
        match self.fetcher.next(77, self.throttled_until, self.now) {
            Next::Fetch(request) => {
                assert_eq!(request.replica_state.replica_id, 3);
                assert_eq!(request.replica_state.replica_epoch, 77);
                let mut line = format!("fetch {}.{}:", request.session_id, request.session_epoch);
                for asked in request.topics.iter().flat_map(|topic| &topic.partitions) {
                    line += &format!(
                        " {}@{} epoch {} last {}",
                        asked.partition,
                        asked.fetch_offset,
                        asked.current_leader_epoch,
                        asked.last_fetched_epoch
                    );
                }
                for forgotten in &request.forgotten_topics_data {
                    line += &format!(" forget {:?}", forgotten.partitions);
                }
                line
            }
            Next::Search(searches) => {
                let numbers: Vec<_> = searches.iter().map(|search| search.id.partition).collect();
                format!("search {numbers:?}")
            }
            Next::Wait(until) => {
                let wait = until.map(|until| (until - self.now).as_millis());
                format!("wait {wait:?}")
            }
        }
    }

    fn answered(&mut self, partitions: Vec<PartitionData>) -> Vec<Work> {
        let answer = response(SESSION, partitions);
        self.fetcher.answered(answer, self.now)
    }

    /// The only work of an answer.
    fn work(&mut self, partition: PartitionData) -> Work {
        let work = self.answered(vec![partition]);
        let [work] = <[Work; 1]>::try_from(work).unwrap();
        work
    }

    fn done(&mut self, work: &Work, outcome: Outcome) {
        self.fetcher.done(work, outcome, self.now);
    }

    fn searched(&mut self, partition: i32, found: Found) -> Vec<Work> {
        let search = Search {
            id: id(partition),
            leader_epoch: LeaderEpoch(4),
        };
        self.fetcher.searched(&[(search, found)], self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn leader_log(log_start_offset: i64, end_offset: i64) -> Found {
    Ok(LeaderLog {
        log_start_offset: Offset(log_start_offset),
        end_offset: Offset(end_offset),
    })
}
