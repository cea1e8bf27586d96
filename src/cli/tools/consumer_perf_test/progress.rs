//! The lines that tell how fast records have come. Times are in ms since 1970.

use std::io::{self, Write};
use std::time::Duration;

use super::date_format::DateFormat;
use crate::cli::tools::java_number::decimal;

const BYTES_OF_MB: f64 = 1024.0 * 1024.0;
const MS_OF_SECOND: f64 = 1000.0;

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Read {
    fn mb(self) -> f64 {
        self.bytes as f64 / BYTES_OF_MB
    }
}

/// The interval that is being measured.
#[derive(Debug)]
pub(super) struct Progress {
    interval_ms: i64,
    began: i64,
    /// What was read by then, and how long was waited for partitions.
    read: Read,
    waited: Duration,
}

impl Progress {
    /// Begins the first interval.
    pub(super) fn new(now: i64, interval_ms: u64) -> Self {
        Self {
            interval_ms: i64::try_from(interval_ms).unwrap_or(i64::MAX),
            began: now,
            read: Read::default(),
            waited: Duration::ZERO,
        }
    }

    /// Whether the interval is over.
    pub(super) fn is_due(&self, now: i64) -> bool {
        now - self.began >= self.interval_ms
    }

    /// Begins the next interval.
    pub(super) fn begin_interval(&mut self, now: i64, read: Read, waited: Duration) {
        (self.began, self.read, self.waited) = (now, read, waited);
    }

    /// Tells of the interval that ends now.
    ///
    /// # Errors
    /// Nobody reads it.
    pub(super) fn write(
        &self,
        now: i64,
        read: Read,
        waited: Duration,
        format: &DateFormat,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let elapsed = now - self.began;
        let waited = milliseconds(waited.saturating_sub(self.waited));
        let fetching = elapsed - waited;
        let records = (read.records - self.read.records) as f64;
        let mb = read.mb() - self.read.mb();
        let per_second = |amount: f64, ms: i64| MS_OF_SECOND * amount / ms as f64;
        let while_fetching = |amount: f64| match fetching {
            ..=0 => 0.0,
            fetching => per_second(amount, fetching),
        };
        writeln!(
            output,
            "{}, 0, {}, {}, {}, {}, {waited}, {fetching}, {}, {}",
            format.format(now),
            decimal(read.mb(), 4),
            decimal(per_second(mb, elapsed), 4),
            read.records,
            decimal(per_second(records, elapsed), 4),
            decimal(while_fetching(mb), 4),
            decimal(while_fetching(records), 4),
        )
    }
}

/// Names the columns.
///
/// # Errors
/// Nobody reads it.
pub(super) fn write_header(is_detailed: bool, output: &mut impl Write) -> io::Result<()> {
    let first = if is_detailed {
        "time, threadId"
    } else {
        "start.time, end.time"
    };
    writeln!(
        output,
        "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
         fetch.MB.sec, fetch.nMsg.sec"
    )
}

/// Tells of the whole time, from one moment to the other.
///
/// # Errors
/// Nobody reads it.
pub(super) fn write_total(
    (started, ended): (i64, i64),
    read: Read,
    waited: Duration,
    format: &DateFormat,
    output: &mut impl Write,
) -> io::Result<()> {
    let elapsed = ended - started;
    let waited = milliseconds(waited);
    let fetching = elapsed - waited;
    let per_second = |amount: f64, ms: i64| amount / (ms as f64 / MS_OF_SECOND);
    let records = read.records as f64;
    writeln!(
        output,
        "{}, {}, {}, {}, {}, {}, {waited}, {fetching}, {}, {}",
        format.format(started),
        format.format(ended),
        decimal(read.mb(), 4),
        decimal(per_second(read.mb(), elapsed), 4),
        read.records,
        decimal(per_second(records, elapsed), 4),
        decimal(per_second(read.mb(), fetching), 4),
        decimal(per_second(records, fetching), 4),
    )
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_partitions_does_not_count_as_fetching() {
        let format = DateFormat::parse("'T'").expect("a pattern");
        let read = Read {
            records: 3_000,
            bytes: 3 << 20,
        };
        let mut line = Vec::new();

        write_total(
            (0, 2_000),
            read,
            Duration::from_millis(500),
            &format,
            &mut line,
        )
        .expect("it takes all");

        let line = String::from_utf8(line).expect("text");
        assert_eq!(
            line,
            "T, T, 3.0000, 1.5000, 3000, 1500.0000, 500, 1500, 2.0000, 2000.0000\n"
        );
    }

    #[test]
    fn an_interval_counts_what_came_in_it() {
        let format = DateFormat::parse("'T'").expect("a pattern");
        let read = |records| Read {
            records,
            bytes: records << 10,
        };
        let mut progress = Progress::new(0, 1_000);
        progress.begin_interval(1_000, read(1_024), Duration::from_millis(100));
        let mut line = Vec::new();

        assert!(!progress.is_due(1_999) && progress.is_due(2_000));
        progress
            .write(
                2_000,
                read(3_072),
                Duration::from_millis(100),
                &format,
                &mut line,
            )
            .expect("it takes all");

        let line = String::from_utf8(line).expect("text");
        assert_eq!(
            line,
            "T, 0, 3.0000, 2.0000, 3072, 2048.0000, 0, 1000, 2.0000, 2048.0000\n"
        );
    }
}
