//! The last hour of a node in numbers: one sample every few seconds, the oldest makes room for the newest. What is
//! not known is no number.

use std::collections::{BTreeMap, VecDeque};

/// How far samples are apart, in milliseconds, and how many are kept: an hour.
pub(super) const EVERY_MS: i64 = 5_000;
pub(super) const KEPT: usize = 720;
/// How many groups there are lags of. With the rest, the ring takes 200 KiB at the most.
const GROUPS: usize = 40;
/// The longest id of such a group, in bytes.
const LONGEST_ID: usize = 255;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    BytesIn,
    BytesOut,
    RecordsIn,
    ProduceMedian,
    ProduceSlow,
    ProduceSlowest,
    FetchMedian,
    FetchSlow,
    FetchSlowest,
    IsrShrinks,
    IsrExpands,
    DiskUsed,
    DiskFree,
    Memory,
    RequestMemory,
    Descriptors,
}

/// How a number is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    BytesPerSecond,
    PerSecond,
    Milliseconds,
    Count,
    Bytes,
}

impl Measure {
    pub(super) const ALL: [Self; 16] = [
        Self::BytesIn,
        Self::BytesOut,
        Self::RecordsIn,
        Self::ProduceMedian,
        Self::ProduceSlow,
        Self::ProduceSlowest,
        Self::FetchMedian,
        Self::FetchSlow,
        Self::FetchSlowest,
        Self::IsrShrinks,
        Self::IsrExpands,
        Self::DiskUsed,
        Self::DiskFree,
        Self::Memory,
        Self::RequestMemory,
        Self::Descriptors,
    ];

    /// Its name in JSON.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::BytesIn => "bytes_in_per_second",
            Self::BytesOut => "bytes_out_per_second",
            Self::RecordsIn => "records_in_per_second",
            Self::ProduceMedian => "produce_p50_ms",
            Self::ProduceSlow => "produce_p99_ms",
            Self::ProduceSlowest => "produce_p999_ms",
            Self::FetchMedian => "fetch_p50_ms",
            Self::FetchSlow => "fetch_p99_ms",
            Self::FetchSlowest => "fetch_p999_ms",
            Self::IsrShrinks => "isr_shrinks",
            Self::IsrExpands => "isr_expands",
            Self::DiskUsed => "disk_used_bytes",
            Self::DiskFree => "disk_free_bytes",
            Self::Memory => "memory_bytes",
            Self::RequestMemory => "request_memory_bytes",
            Self::Descriptors => "open_descriptors",
        }
    }

    /// Its name for people, in a chart that says the rest.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BytesIn => "produced",
            Self::BytesOut => "consumed",
            Self::RecordsIn => "written",
            Self::ProduceMedian | Self::FetchMedian => "half take less",
            Self::ProduceSlow | Self::FetchSlow => "1 in 100 takes more",
            Self::ProduceSlowest | Self::FetchSlowest => "1 in 1,000 takes more",
            Self::IsrShrinks => "replicas lost",
            Self::IsrExpands => "replicas gained",
            Self::DiskUsed => "used",
            Self::DiskFree => "free",
            Self::Memory => "the process",
            Self::RequestMemory => "requests",
            Self::Descriptors => "open",
        }
    }
}

/// What was measured at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Milliseconds of the wall clock.
    pub(super) at_ms: i64,
    values: [f32; Measure::ALL.len()],
}

impl Sample {
    /// A moment of which nothing is known yet.
    pub(super) fn at(at_ms: i64) -> Self {
        Self {
            at_ms,
            values: [f32::NAN; Measure::ALL.len()],
        }
    }

    pub(super) fn set(&mut self, measure: Measure, value: Option<f64>) {
        self.values[measure as usize] = value.map_or(f32::NAN, |value| value as f32);
    }
}

/// The samples.
#[derive(Debug, Default)]
pub(super) struct Ring {
    samples: VecDeque<Sample>,
    /// The lag of each group, at the moments of the samples.
    lags: BTreeMap<String, VecDeque<f32>>,
    /// Groups that there was no room for when lags were told last.
    pub(super) left_out: usize,
}

impl Ring {
    /// Adds a sample. `lags` are those of all groups, if they were measured: else they stay as they were.
    pub(super) fn push(&mut self, sample: Sample, lags: Option<&[(String, i64)]>) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
            self.lags.values_mut().for_each(|lag| {
                lag.pop_front();
            });
        }
        let known = self.samples.len();
        self.samples.push_back(sample);
        for lag in self.lags.values_mut() {
            let last = lag.back().copied().unwrap_or(f32::NAN);
            lag.push_back(if lags.is_some() { f32::NAN } else { last });
        }
        let Some(lags) = lags else {
            return;
        };
        let named = |id: &str| lags.iter().any(|(it, _)| it == id);
        // A group that is gone keeps its place until another wants it, or its hour is over.
        self.lags.retain(|_, lag| lag.iter().any(|it| !it.is_nan()));
        self.left_out = 0;
        for (id, lag) in lags {
            if !self.lags.contains_key(id) {
                if id.len() > LONGEST_ID {
                    self.left_out += 1;
                    continue;
                }
                let gone = self.lags.keys().find(|id| !named(id)).cloned();
                if self.lags.len() >= GROUPS
                    && let Some(gone) = gone
                {
                    self.lags.remove(&gone);
                }
                if self.lags.len() >= GROUPS {
                    self.left_out += 1;
                    continue;
                }
                let before = std::iter::repeat_n(f32::NAN, known + 1).collect();
                self.lags.insert(id.clone(), before);
            }
            let values = self.lags.get_mut(id);
            if let Some(last) = values.and_then(|values| values.back_mut()) {
                *last = *lag as f32;
            }
        }
    }

    /// When the samples were taken.
    pub(super) fn times(&self) -> Vec<i64> {
        self.samples.iter().map(|it| it.at_ms).collect()
    }

    /// What was measured at these moments.
    pub(super) fn values(&self, measure: Measure) -> Vec<f32> {
        self.samples
            .iter()
            .map(|it| it.values[measure as usize])
            .collect()
    }

    /// The lags of groups, those that are furthest behind first.
    pub(super) fn lags(&self) -> Vec<(&str, Vec<f32>)> {
        let lags = self.lags.iter();
        let mut lags: Vec<(&str, Vec<f32>)> = lags
            .map(|(id, lag)| (id.as_str(), lag.iter().copied().collect()))
            .collect();
        let last = |lag: &[f32]| {
            lag.last()
                .copied()
                .filter(|it| !it.is_nan())
                .unwrap_or(-1.0)
        };
        lags.sort_by(|a, b| last(&b.1).total_cmp(&last(&a.1)));
        lags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: i64) -> Sample {
        let mut sample = Sample::at(at_ms);
        sample.set(Measure::BytesIn, Some(at_ms as f64));
        sample
    }

    fn lag(id: &str, lag: i64) -> (String, i64) {
        (id.to_owned(), lag)
    }

    #[test]
    fn the_oldest_makes_room_and_all_rows_stay_as_long_as_each_other() {
        let mut ring = Ring::default();
        for at in 0..KEPT as i64 + 11 {
            let lags = [lag("a", at), lag("b", 1)];
            ring.push(sample(at), (at % 3 == 0).then_some(&lags[..]));
        }

        assert_eq!(ring.times().len(), KEPT);
        assert_eq!(ring.times()[0], 11);
        assert_eq!(ring.values(Measure::BytesIn)[0], 11.0);
        assert!(ring.values(Measure::Memory)[0].is_nan());
        let lags = ring.lags();
        assert_eq!((lags[0].0, lags[0].1.len()), ("a", KEPT));
        assert_eq!(
            lags[0].1[KEPT - 1],
            (KEPT as i64 + 9) as f32,
            "between two looks it stays"
        );
    }

    #[test]
    fn groups_are_bounded_and_who_is_gone_makes_room() {
        let mut ring = Ring::default();
        let many: Vec<_> = (0..GROUPS + 5)
            .map(|it| lag(&format!("g{it:03}"), 1))
            .collect();
        ring.push(sample(0), Some(&many));
        assert_eq!((ring.lags().len(), ring.left_out), (GROUPS, 5));

        let others = [lag("new", 7), lag(&"x".repeat(300), 9)];
        ring.push(sample(1), Some(&others));

        assert_eq!(ring.lags()[0].0, "new");
        assert_eq!((ring.lags().len(), ring.left_out), (GROUPS, 1));
    }

    #[test]
    fn the_ring_takes_no_more_than_is_written() {
        let samples = KEPT * size_of::<Sample>();
        let lags = GROUPS * (KEPT * size_of::<f32>() + LONGEST_ID);

        assert!(samples + lags < 200 << 10, "{}", samples + lags);
    }
}
