//! How fast records arrive: counted since the beginning, and since the last line that told of it.

use std::io::{self, Write};

use crate::cli::tools::java_number::decimal;

/// So many latencies are kept, of records at equal distances.
const MOST_SAMPLES: u64 = 500_000;
const BYTES_OF_MB: f64 = 1024.0 * 1024.0;

/// Counts of records that have arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    records: u64,
    bytes: u64,
    latency_ms: u64,
    max_latency_ms: u64,
}

impl Counts {
    fn add(&mut self, bytes: usize, latency_ms: u64) {
        self.records += 1;
        self.bytes += bytes as u64;
        self.latency_ms += latency_ms;
        self.max_latency_ms = self.max_latency_ms.max(latency_ms);
    }

    /// Records and MB a second, and the mean latency in ms.
    fn rates(&self, elapsed_ms: i64) -> (f64, f64, f64) {
        let elapsed = elapsed_ms as f64;
        let records = self.records as f64;
        (
            1000.0 * records / elapsed,
            1000.0 * self.bytes as f64 / elapsed / BYTES_OF_MB,
            self.latency_ms as f64 / records,
        )
    }
}

/// Statistics of a run, or of its part after the first records. Times are in ms since 1970.
#[derive(Debug)]
pub(super) struct Stats {
    started: i64,
    all: Counts,
    /// Each so many records one latency is kept.
    distance: u64,
    latencies_ms: Vec<u32>,
    window: Counts,
    window_started: i64,
    interval_ms: i64,
    is_steady: bool,
    pub(super) is_silent: bool,
}

impl Stats {
    /// Statistics of `expected` records that begins `now`, with a line each `interval_ms`.
    pub(super) fn new(expected: u64, interval_ms: i64, is_steady: bool, now: i64) -> Self {
        Self {
            started: now,
            all: Counts::default(),
            distance: expected / expected.clamp(1, MOST_SAMPLES),
            latencies_ms: Vec::new(),
            window: Counts::default(),
            window_started: now,
            interval_ms,
            is_steady,
            is_silent: false,
        }
    }

    /// Counts a record that has arrived, and tells of the last ones when it is time.
    ///
    /// # Errors
    /// Nobody reads what is told.
    pub(super) fn record(&mut self, bytes: usize, latency_ms: u64, now: i64) -> io::Result<()> {
        if self.all.records.is_multiple_of(self.distance) {
            let latency = u32::try_from(latency_ms).unwrap_or(u32::MAX);
            self.latencies_ms.push(latency);
        }
        self.all.add(bytes, latency_ms);
        self.window.add(bytes, latency_ms);
        if now - self.window_started < self.interval_ms {
            return Ok(());
        }
        let mut output = io::stdout().lock();
        if self.is_steady && self.all.records == self.window.records {
            writeln!(output, "In steady state.")?;
        }
        if !self.is_silent {
            self.write_window(now, &mut output)?;
        }
        self.window = Counts::default();
        self.window_started = now;
        Ok(())
    }

    fn write_window(&self, now: i64, output: &mut impl Write) -> io::Result<()> {
        let (records, mb, mean) = self.window.rates(now - self.window_started);
        writeln!(
            output,
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.",
            self.window.records,
            decimal(records, 1),
            decimal(mb, 2),
            decimal(mean, 1),
            decimal(self.window.max_latency_ms as f64, 1),
        )
    }

    /// Tells of all records.
    ///
    /// # Errors
    /// Nobody reads it.
    pub(super) fn write_total(&mut self, now: i64, output: &mut impl Write) -> io::Result<()> {
        let (records, mb, mean) = self.all.rates(now - self.started);
        self.latencies_ms.sort_unstable();
        let share = |share: f64| {
            let index = (share * self.latencies_ms.len() as f64) as usize;
            self.latencies_ms.get(index).copied().unwrap_or_default()
        };
        writeln!(
            output,
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, {} ms 50th, \
             {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.all.records,
            if self.is_steady { " steady state" } else { "" },
            decimal(records, 6),
            decimal(mb, 2),
            decimal(mean, 2),
            decimal(self.all.max_latency_ms as f64, 2),
            share(0.5),
            share(0.95),
            share(0.99),
            share(0.999),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_rates_and_shares_of_latencies() {
        let mut stats = Stats::new(1000, 5000, false, 100);
        for latency in 1..=1000 {
            stats.record(1024, latency, 200).expect("nothing is told");
        }

        let mut line = Vec::new();
        stats.write_total(2100, &mut line).expect("it takes all");

        let line = String::from_utf8(line).expect("text");
        assert_eq!(
            line,
            "1000 records sent, 500.000000 records/sec (0.49 MB/sec), 500.50 ms avg latency, 1000.00 ms max latency, \
             501 ms 50th, 951 ms 95th, 991 ms 99th, 1000 ms 99.9th.\n"
        );
    }

    #[test]
    fn of_many_records_some_latencies_are_kept() {
        let mut stats = Stats::new(2_000_000, i64::MAX, false, 0);
        for record in 0..2_000_000_u64 {
            stats.record(1, record % 100, 1).expect("nothing is told");
        }
        assert_eq!(stats.latencies_ms.len(), 500_000);
    }
}
