//! Several partitions read as one: forwards with the oldest message first, or backwards with the newest.
//!
//! A lane is what is left of one partition. Messages that were found wait in their lane until no other lane can have
//! one that comes before them. Backwards a lane is read in windows of offsets, as nothing else reads backwards.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::asked::Cursor;

/// The bytes of records that a window may have before a smaller one is tried.
const WINDOW_BYTES: usize = 2 << 20;
/// The largest window, in offsets, over all lanes.
const LARGEST_STEP: i64 = 8_192;

/// A message that was found.
#[derive(Clone, Debug)]
pub(super) struct Item<T> {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) shown: T,
}

/// Offsets of a partition that are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// Which lane wants them.
    pub(super) lane: usize,
    pub(super) partition: i32,
    pub(super) offsets: Range<i64>,
}

/// What came of them.
#[derive(Debug)]
pub(super) struct Came<T> {
    pub(super) items: Vec<Item<T>>,
    /// The offset to go on with.
    pub(super) next: i64,
    /// The bytes of all records that were looked at.
    pub(super) bytes: usize,
}

/// The partitions that are read.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    is_backward: bool,
    lanes: Vec<Lane<T>>,
    largest_step: i64,
}

#[derive(Debug)]
struct Lane<T> {
    partition: i32,
    /// What was not looked at.
    left: Range<i64>,
    /// It cannot be read any more.
    is_stopped: bool,
    /// It got nothing as others took the room.
    is_starved: bool,
    /// In the order of offsets.
    items: VecDeque<Item<T>>,
    step: i64,
    window: Option<Window<T>>,
}

#[derive(Debug)]
struct Window<T> {
    first: i64,
    next: i64,
    items: Vec<Item<T>>,
    bytes: usize,
}

impl<T> Lane<T> {
    fn is_done(&self) -> bool {
        self.is_stopped || self.left.is_empty()
    }

    fn want(&mut self, is_backward: bool) -> Range<i64> {
        if !is_backward {
            return self.left.clone();
        }
        let first = self.left.start.max(self.left.end.saturating_sub(self.step));
        let window = self.window.get_or_insert(Window {
            first,
            next: first,
            items: Vec::new(),
            bytes: 0,
        });
        window.next..self.left.end
    }

    fn note_window(&mut self, came: Came<T>, largest_step: i64) {
        let Some(window) = &mut self.window else {
            return;
        };
        window.items.extend(came.items);
        window.next = came.next;
        window.bytes += came.bytes;
        if window.next >= self.left.end {
            let window = self.window.take().expect("it was there a moment ago");
            self.left.end = window.first;
            let is_thin = (window.items.len() as i64) < self.step / 4;
            if is_thin && window.bytes < WINDOW_BYTES / 4 {
                self.step = (self.step * 2).min(largest_step);
            }
            self.items.extend(window.items);
        } else if window.bytes > WINDOW_BYTES && self.step > 1 {
            // What was read of it is read again, in smaller windows.
            self.step = (self.step / 4).max(1);
            self.window = None;
        }
    }
}

impl<T> Lanes<T> {
    /// Lanes for what is to be read of each partition, of which about `limit` messages are wanted.
    pub(super) fn new(is_backward: bool, spans: BTreeMap<i32, Range<i64>>, limit: usize) -> Self {
        let count = i64::try_from(spans.len().max(1)).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let lane = |(partition, left)| Lane {
            partition,
            left,
            is_stopped: false,
            is_starved: false,
            items: VecDeque::new(),
            step: (limit / count).saturating_mul(2).clamp(4, limit.max(4)),
            window: None,
        };
        Self {
            is_backward,
            lanes: spans.into_iter().map(lane).collect(),
            largest_step: (LARGEST_STEP / count).max(limit).max(4),
        }
    }

    /// What has to be read so that the next message is known. One that got nothing before is read alone.
    pub(super) fn wanted(&mut self) -> Vec<Want> {
        let is_backward = self.is_backward;
        let starved = self.lanes.iter().position(|lane| lane.is_starved);
        let lanes = self.lanes.iter_mut().enumerate();
        let wants = lanes.filter_map(|(index, lane)| {
            let is_next = starved.is_none_or(|starved| starved == index);
            if !is_next || lane.is_done() || !lane.items.is_empty() {
                return None;
            }
            lane.is_starved = false;
            Some(Want {
                lane: index,
                partition: lane.partition,
                offsets: lane.want(is_backward),
            })
        });
        wants.collect()
    }

    /// Notes what came of a want.
    pub(super) fn note(&mut self, lane: usize, came: Came<T>) {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return;
        };
        if self.is_backward {
            lane.note_window(came, self.largest_step);
        } else {
            lane.left.start = came.next.max(lane.left.start).min(lane.left.end);
            lane.items.extend(came.items);
        }
    }

    /// Notes that nothing came, as others took the room.
    pub(super) fn note_starved(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.is_starved = true;
        }
    }

    /// Goes on at these offsets, and tells how many are passed over.
    pub(super) fn skip_to(&mut self, ends: &BTreeMap<i32, i64>) -> u64 {
        let mut skipped = 0;
        for lane in &mut self.lanes {
            let end = ends.get(&lane.partition).copied().unwrap_or(0);
            let passed = end.saturating_sub(lane.left.start).max(0);
            lane.left.start = lane.left.start.max(end);
            skipped += passed.unsigned_abs();
        }
        skipped
    }

    /// Notes that there is nothing in what was wanted; it may come yet where there is no end.
    pub(super) fn note_empty(&mut self, lane: usize) {
        let next = self.lanes.get(lane).map_or(0, |lane| lane.left.end);
        if next == i64::MAX {
            return;
        }
        let came = Came {
            items: Vec::new(),
            next,
            bytes: 0,
        };
        self.note(lane, came);
    }

    /// Reads a lane no more. Its place stays in the cursor.
    pub(super) fn stop(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.is_stopped = true;
        }
    }

    /// Reads again the lanes that were stopped: it may have passed.
    pub(super) fn resume(&mut self) {
        for lane in &mut self.lanes {
            lane.is_stopped = false;
        }
    }

    /// Whether all of it was looked at, as far as it can be.
    pub(super) fn is_done(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| lane.is_done() && lane.items.is_empty())
    }

    /// The next messages, up to `most`. Without `is_last` they end where another lane could have one before them.
    pub(super) fn take(&mut self, most: usize, is_last: bool) -> Vec<(i32, Item<T>)> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let waits = |lane: &Lane<T>| lane.items.is_empty() && !lane.is_done();
            if !is_last && self.lanes.iter().any(waits) {
                break;
            }
            let is_backward = self.is_backward;
            let heads = self.lanes.iter().enumerate().filter_map(|(index, lane)| {
                let head = if is_backward {
                    lane.items.back()
                } else {
                    lane.items.front()
                };
                Some((head?.timestamp, index))
            });
            let next = if is_backward {
                heads.max()
            } else {
                heads.min()
            };
            let Some(lane) = next.and_then(|(_, index)| self.lanes.get_mut(index)) else {
                break;
            };
            let item = if is_backward {
                lane.items.pop_back()
            } else {
                lane.items.pop_front()
            };
            taken.extend(item.map(|item| (lane.partition, item)));
        }
        taken
    }

    /// The place to go on from; `None` if there is nothing more.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        let is_over = |lane: &Lane<T>| lane.items.is_empty() && lane.left.is_empty();
        if self.lanes.iter().all(is_over) {
            return None;
        }
        let place = |lane: &Lane<T>| {
            let offset = if self.is_backward {
                lane.items
                    .back()
                    .map_or(lane.left.end, |item| item.offset + 1)
            } else {
                lane.items
                    .front()
                    .map_or(lane.left.start, |item| item.offset)
            };
            (lane.partition, offset)
        };
        Some(Cursor {
            is_backward: self.is_backward,
            places: self.lanes.iter().map(place).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a partition: its offsets are its timestamps, of which only every `every`th is there.
    fn read(want: &Want, every: i64, at_once: usize) -> Came<()> {
        let there = want.offsets.clone().filter(|offset| offset % every == 0);
        let items: Vec<Item<()>> = there
            .take(at_once)
            .map(|offset| Item {
                offset,
                timestamp: offset,
                shown: (),
            })
            .collect();
        let next = match items.last() {
            Some(last) if items.len() == at_once => last.offset + 1,
            _ => want.offsets.end,
        };
        Came {
            bytes: items.len() * 100,
            items,
            next,
        }
    }

    fn all(mut lanes: Lanes<()>, limit: usize, every: i64) -> (Vec<(i32, i64)>, Option<Cursor>) {
        let mut found = Vec::new();
        for _ in 0..10_000 {
            let taken = lanes.take(limit - found.len(), false);
            found.extend(
                taken
                    .into_iter()
                    .map(|(partition, item)| (partition, item.offset)),
            );
            if found.len() == limit || lanes.is_done() {
                return (found, lanes.cursor());
            }
            for want in lanes.wanted() {
                let came = read(&want, every, 5);
                lanes.note(want.lane, came);
            }
        }
        panic!("it does not end");
    }

    fn spans(ends: &[i64]) -> BTreeMap<i32, Range<i64>> {
        (0..).zip(ends.iter().map(|end| 0..*end)).collect()
    }

    #[test]
    fn pages_together_are_all_messages_in_order_and_each_once() {
        for is_backward in [false, true] {
            let mut ends = spans(&[40, 13, 0, 25]);
            let mut found = Vec::new();
            loop {
                let (page, cursor) = all(Lanes::new(is_backward, ends.clone(), 7), 7, 2);
                found.extend(page);
                let Some(cursor) = cursor else { break };
                for (partition, place) in cursor.places {
                    let left = ends.get_mut(&partition).expect("it was there");
                    *left = if is_backward {
                        left.start..place
                    } else {
                        place..left.end
                    };
                }
            }
            let mut expected: Vec<(i32, i64)> = [(0, 40), (1, 13), (3, 25)]
                .into_iter()
                .flat_map(|(partition, end)| (0..end).step_by(2).map(move |it| (partition, it)))
                .collect();
            expected.sort_by_key(|(partition, offset)| (*offset, *partition));
            if is_backward {
                expected.reverse();
            }
            assert_eq!(found, expected, "backward: {is_backward}");
        }
    }

    #[test]
    fn a_lane_that_cannot_be_read_holds_up_no_other_and_keeps_its_place() {
        let mut lanes: Lanes<()> = Lanes::new(false, spans(&[3, 9]), 5);
        lanes.stop(1);

        let (found, cursor) = all(lanes, 5, 1);

        assert_eq!(found, [(0, 0), (0, 1), (0, 2)]);
        let cursor = cursor.expect("there is more in the other");
        assert_eq!(cursor.places, BTreeMap::from([(0, 3), (1, 0)]));
    }

    #[test]
    fn a_lane_that_got_nothing_is_read_alone() {
        let mut lanes: Lanes<()> = Lanes::new(false, spans(&[3, 9]), 5);
        assert_eq!(lanes.wanted().len(), 2);
        lanes.note_starved(1);

        let alone = lanes.wanted();

        assert_eq!(alone.iter().map(|it| it.lane).collect::<Vec<_>>(), [1]);
        lanes.note_empty(1);
        assert_eq!(
            lanes.wanted().iter().map(|it| it.lane).collect::<Vec<_>>(),
            [0]
        );
    }

    #[test]
    fn a_window_with_too_many_bytes_is_read_again_in_smaller_ones() {
        let mut lanes: Lanes<()> = Lanes::new(true, spans(&[100]), 50);
        let mut reads = 0;
        while lanes.take(1, false).is_empty() {
            let want = lanes.wanted().remove(0);
            let came = read(&want, 1, 1);
            let bytes = WINDOW_BYTES;
            lanes.note(want.lane, Came { bytes, ..came });
            reads += 1;
            assert!(reads < 50, "{lanes:?}");
        }
    }
}
