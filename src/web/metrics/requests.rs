//! Requests: how many, and how long each stage of them takes. As histograms, whose buckets a query can add up
//! over brokers, and as the quantiles of the last minute that dashboards for Kafka's own metrics expect.

use std::fmt;

use super::recent::Recent;
use crate::telemetry::{
    BOUNDS_US, Exposition, Histogram, Labels, MetricKind, RequestKind, RequestTimes, Samples, Stage,
};

/// The kinds whose stages are shown also where few series are.
const DATA: [&str; 3] = ["Produce", "FetchConsumer", "FetchFollower"];

/// The quantiles that the JMX exporter shows of Kafka's histograms.
const QUANTILES: [(&str, f64); 6] = [
    ("0.50", 0.5),
    ("0.75", 0.75),
    ("0.95", 0.95),
    ("0.98", 0.98),
    ("0.99", 0.99),
    ("0.999", 0.999),
];

/// Kafka's names of the stages.
const KAFKA_STAGES: [(&str, Stage, &str); 7] = [
    (
        "kafka_network_requestmetrics_totaltimems",
        Stage::Total,
        "Milliseconds of a request, of the last minute",
    ),
    (
        "kafka_network_requestmetrics_requestqueuetimems",
        Stage::Queue,
        "Milliseconds until a request was begun",
    ),
    (
        "kafka_network_requestmetrics_localtimems",
        Stage::Local,
        "Milliseconds of work on a request",
    ),
    (
        "kafka_network_requestmetrics_remotetimems",
        Stage::Remote,
        "Milliseconds of waiting for others",
    ),
    (
        "kafka_network_requestmetrics_throttletimems",
        Stage::Throttle,
        "Milliseconds for which clients were held up",
    ),
    (
        "kafka_network_requestmetrics_responsequeuetimems",
        Stage::ResponseQueue,
        "Milliseconds of waiting for the answers of earlier requests",
    ),
    (
        "kafka_network_requestmetrics_responsesendtimems",
        Stage::Send,
        "Milliseconds until an answer was sent",
    ),
];

/// A kind of requests that there were some of.
struct Seen {
    kind: RequestKind,
    name: &'static str,
    count: u64,
}

/// What is written about.
pub(super) struct Requests<'a> {
    times: &'a RequestTimes,
    recent: &'a Recent,
    seen: Vec<Seen>,
}

impl<'a> Requests<'a> {
    /// The kinds that there were requests of.
    pub(super) fn of(times: &'a RequestTimes, recent: &'a Recent) -> Self {
        let seen = times.kinds().map(|(kind, name)| Seen {
            kind,
            name,
            count: times.count(kind),
        });
        Self {
            times,
            recent,
            seen: seen.filter(|seen| seen.count > 0).collect(),
        }
    }

    /// Writes the total of all kinds, and the stages of those that carry records.
    pub(super) fn write_few(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let mut counts = out.family(
            "kafka_network_requestmetrics_requests_total",
            MetricKind::Counter,
            "Requests that have ended",
        )?;
        for seen in &self.seen {
            counts.sample(&[("request", seen.name)], seen.count)?;
        }
        let help = "Seconds from the last byte of a request to the last byte of its answer";
        let mut totals = out.family("broker_request_seconds", MetricKind::Histogram, help)?;
        for seen in &self.seen {
            let total = self.histogram(seen, Stage::Total);
            write_histogram(&mut totals, &[("request", seen.name)], &total)?;
        }
        self.write_stages(out, |seen| DATA.contains(&seen.name))?;
        for (name, stage, help) in KAFKA_STAGES {
            let mut samples = out.family(name, MetricKind::Summary, help)?;
            let is_total = stage == Stage::Total;
            let shown = |seen: &&Seen| is_total || DATA.contains(&seen.name);
            for seen in self.seen.iter().filter(shown) {
                self.write_summary(&mut samples, seen, stage)?;
            }
        }
        Ok(())
    }

    /// Writes the stages of all other kinds.
    pub(super) fn write_detailed(&self, out: &mut Exposition<'_>) -> fmt::Result {
        self.write_stages(out, |seen| !DATA.contains(&seen.name))
    }

    fn write_stages(
        &self,
        out: &mut Exposition<'_>,
        is_shown: impl Fn(&Seen) -> bool,
    ) -> fmt::Result {
        let help = "Seconds that a stage of a request took";
        let mut stages = out.family("broker_request_stage_seconds", MetricKind::Histogram, help)?;
        for seen in self.seen.iter().filter(|seen| is_shown(seen)) {
            for stage in Stage::ALL
                .into_iter()
                .filter(|stage| *stage != Stage::Total)
            {
                let labels = [("request", seen.name), ("stage", stage.name())];
                write_histogram(&mut stages, &labels, &self.histogram(seen, stage))?;
            }
        }
        Ok(())
    }

    fn write_summary(&self, samples: &mut Samples<'_>, seen: &Seen, stage: Stage) -> fmt::Result {
        let all = self.histogram(seen, stage);
        let recent = self.recent.since(seen.kind, stage, &all);
        for (label, part) in QUANTILES {
            let ms = recent
                .quantile(part)
                .map_or(f64::NAN, |seconds| seconds * 1e3);
            samples.sample(&[("request", seen.name), ("quantile", label)], ms)?;
        }
        let labels = [("request", seen.name)];
        samples.suffixed("_sum", &labels, all.sum_ns as f64 / 1e6)?;
        samples.suffixed("_count", &labels, all.count())
    }

    fn histogram(&self, seen: &Seen, stage: Stage) -> Histogram {
        self.times.histogram(seen.kind, stage, seen.count)
    }
}

/// The bounds of the buckets as labels, in seconds.
const BOUNDS: [&str; BOUNDS_US.len()] = [
    "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
    "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
];

fn write_histogram(
    samples: &mut Samples<'_>,
    labels: Labels<'_>,
    histogram: &Histogram,
) -> fmt::Result {
    let mut with_bound = labels.to_vec();
    with_bound.push(("le", ""));
    let mut below = 0;
    for (count, bound) in histogram
        .counts
        .iter()
        .zip(BOUNDS.into_iter().chain(["+Inf"]))
    {
        below += count;
        if let Some(last) = with_bound.last_mut() {
            last.1 = bound;
        }
        samples.suffixed("_bucket", &with_bound, below)?;
    }
    samples.suffixed("_sum", labels, histogram.sum_ns as f64 / 1e9)?;
    samples.suffixed("_count", labels, below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::BUCKETS;

    #[test]
    fn the_labels_of_bounds_are_the_bounds() {
        for (label, us) in BOUNDS.iter().zip(BOUNDS_US) {
            assert_eq!(label.parse::<f64>().unwrap() * 1e6, us as f64, "{label}");
        }
    }

    #[test]
    fn buckets_hold_all_that_lies_below_their_bound() {
        let mut counts = [0; BUCKETS];
        (counts[0], counts[2], counts[BUCKETS - 1]) = (1, 2, 3);
        let histogram = Histogram {
            counts,
            sum_ns: 1_500_000_000,
        };
        let mut text = String::new();
        let mut out = Exposition::new(&mut text);

        let mut samples = out.family("h", MetricKind::Histogram, "H").unwrap();
        write_histogram(&mut samples, &[("request", "A")], &histogram).unwrap();

        for line in [
            "h_bucket{request=\"A\",le=\"0.00005\"} 1",
            "h_bucket{request=\"A\",le=\"0.0001\"} 1",
            "h_bucket{request=\"A\",le=\"0.00025\"} 3",
            "h_bucket{request=\"A\",le=\"10\"} 3",
            "h_bucket{request=\"A\",le=\"+Inf\"} 6",
            "h_sum{request=\"A\"} 1.5",
            "h_count{request=\"A\"} 6",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
