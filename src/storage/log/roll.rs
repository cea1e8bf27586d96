//! When a new segment begins, how it begins, and what is remembered of the active one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Log;
use super::room_ahead::RoomAhead;
use crate::model::{Offset, Timestamp};
use crate::records::BatchHeader;
use crate::storage::batch_walk::{HeaderWalk, LOOKUP_CHUNK};
use crate::storage::error::{StorageError, is_out_of_room};
use crate::storage::log_config::LogConfig;
use crate::storage::segment::Segment;

/// How many of the newest batches are remembered: a reader at the tail finds its batch among them.
const RECENT: usize = 16;

/// What the log remembers of its active segment.
#[derive(Debug)]
pub(super) struct Tail {
    /// When the segment was made or opened: its age counts from here if its batches have no timestamps.
    created: Timestamp,
    /// The first batch's timestamp, from which the segment's age counts; -1 if the batch has none. `None`
    /// if it was not read yet, or there is no batch.
    first_timestamp: Option<Timestamp>,
    /// Bytes appended since the batch of the last index entry began, including that batch.
    pub(super) since_entry: u64,
    recent: VecDeque<Recent>,
    pub(super) room_ahead: RoomAhead,
}

/// A batch of the active segment; offsets are relative to its base.
#[derive(Clone, Copy, Debug)]
struct Recent {
    base: u32,
    last: u32,
    position: u32,
}

impl Tail {
    pub(super) fn new(created: Timestamp) -> Self {
        Self {
            created,
            first_timestamp: None,
            since_entry: 0,
            recent: VecDeque::new(),
            room_ahead: RoomAhead::default(),
        }
    }

    /// Notes a batch at `position`. Returns whether it gets an index entry.
    pub(super) fn note(
        &mut self,
        segment: &Segment,
        header: &BatchHeader,
        position: u64,
        index_interval: u32,
    ) -> bool {
        if position == 0 {
            self.first_timestamp = Some(header.max_timestamp());
        }
        let indexed = self.since_entry > u64::from(index_interval);
        if indexed {
            self.since_entry = 0;
        }
        self.since_entry += header.size() as u64;
        let base = header.base_offset().max(segment.base_offset());
        if let (Some(base), Some(last), Ok(position)) = (
            segment.relative(base),
            segment.relative(header.last_offset()),
            u32::try_from(position),
        ) {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(Recent {
                base,
                last,
                position,
            });
        }
        indexed
    }

    /// Where the first batch begins and ends whose last offset is not below `offset`, if it is among the
    /// newest. `end` is the size of the segment.
    pub(super) fn find(&self, segment: &Segment, offset: Offset, end: u64) -> Option<(u64, u64)> {
        let offset = segment.relative(offset)?;
        let index = self.recent.partition_point(|batch| batch.last < offset);
        let batch = self.recent.get(index)?;
        // The first batch that is remembered may not be the first that reaches the offset.
        if index == 0 && offset < batch.base && batch.position > 0 {
            return None;
        }
        let next = self.recent.get(index + 1);
        let end = next.map_or(end, |next| u64::from(next.position));
        Some((u64::from(batch.position), end))
    }

    /// The age of the segment when a batch of `timestamp` arrives.
    fn age(
        &mut self,
        segment: &Segment,
        timestamp: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StorageError> {
        let first = match self.first_timestamp {
            Some(first) => first,
            None => {
                let size = segment.size();
                let mut walk = HeaderWalk::new(&**segment.log(), 0, size, LOOKUP_CHUNK);
                let first = walk.next();
                let first = first
                    .map_err(|error| segment.walk_error(error, 0, segment.base_offset() + -1))?;
                let first = first.map_or(Timestamp::NONE, |batch| batch.header.max_timestamp());
                self.first_timestamp = Some(first);
                first
            }
        };
        Ok(if first.0 >= 0 {
            timestamp.0.saturating_sub(first.0)
        } else {
            now.0.saturating_sub(self.created.0)
        })
    }
}

/// A batch that is about to be appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub(super) size: u64,
    pub(super) last_offset: Offset,
    pub(super) max_timestamp: Timestamp,
    /// Bytes that will be appended before the batch, and do not count in the segment's size yet.
    pub(super) ahead: u64,
}

impl Log {
    /// Whether the active segment must be closed before a batch is appended.
    pub(super) fn should_roll(
        &mut self,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let segment = Arc::clone(self.active());
        let filled = segment.size() + incoming.ahead;
        if segment.relative(incoming.last_offset).is_none() {
            return Ok(true);
        }
        if filled == 0 {
            return Ok(false);
        }
        let config = &self.config;
        if filled + incoming.size > u64::from(config.segment_bytes)
            || segment.index_is_full(entries_left_by(incoming.ahead, config))
        {
            return Ok(true);
        }
        let segment_ms = config.segment_ms - jitter_ms(&segment, config);
        let age = self.tail.age(&segment, incoming.max_timestamp, now)?;
        Ok(age > segment_ms)
    }

    /// Closes the active segment and begins one at `base_offset`, which is not below the end of the log.
    /// Saves the producers as of that offset; the next flush syncs everything.
    pub(super) fn roll_at(
        &mut self,
        base_offset: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        assert!(
            base_offset >= self.end_offset,
            "a segment begins at or above the end of the log"
        );
        let active = self.active();
        if active.base_offset() == base_offset {
            assert_eq!(
                active.size(),
                0,
                "a segment with batches ends above its base"
            );
            return Ok(());
        }
        active.seal()?;
        self.give_back_room()?;
        let created = Segment::create(&self.folder, base_offset, &self.config);
        let created = created.map_err(|error| self.folder_error("make", error))?;
        self.producers.advance_to(base_offset);
        self.take_snapshot(false)?;
        let segments = Arc::make_mut(&mut self.segments);
        // Almost all logs have one segment, and a vector would begin with room for four.
        segments.reserve_exact(1);
        segments.push(Arc::new(created));
        self.tail = Tail::new(now);
        self.names += 1;
        self.save_inventory()
    }

    /// Begins a new segment, unless the active one is empty.
    pub fn roll(&mut self, now: Timestamp) -> Result<(), StorageError> {
        self.check_online()?;
        if self.active().size() == 0 {
            return Ok(());
        }
        self.change(|log| log.roll_at(log.end_offset, now))
    }

    /// Saves the producers. Returns whether a file was written: on a full disk it may not be, since the
    /// snapshot only spares a replay of the log.
    pub(super) fn take_snapshot(&mut self, sync: bool) -> Result<bool, StorageError> {
        let path = self.folder.path();
        let taken = self
            .snapshots
            .take(self.folder.disk(), &path, &self.producers, sync);
        match taken {
            Err(error) if !is_out_of_room(&error) => Err(StorageError::io("write", &path, error)),
            taken => Ok(taken.unwrap_or(false)),
        }
    }

    pub(super) fn folder_error(&self, action: &'static str, error: std::io::Error) -> StorageError {
        StorageError::io(action, &self.folder.path(), error)
    }
}

/// How many bytes of `segment.index.bytes` are left, after what the batches ahead may take.
fn entries_left_by(ahead: u64, config: &LogConfig) -> u32 {
    let entries = match ahead {
        0 => 0,
        _ => ahead / u64::from(config.index_interval_bytes.max(1)) + 1,
    };
    let taken = u32::try_from(entries * 12).unwrap_or(u32::MAX);
    config.segment_index_bytes.saturating_sub(taken)
}

/// The jitter of this segment, which is taken off `segment.ms`. It never changes, and the next segment has
/// another.
fn jitter_ms(segment: &Segment, config: &LogConfig) -> i64 {
    let most = config.segment_jitter_ms.min(config.segment_ms);
    if most <= 0 {
        return 0;
    }
    let path = segment.log_path();
    let hash = crc32c::crc32c(path.as_os_str().as_encoded_bytes());
    i64::from(hash) % most
}
