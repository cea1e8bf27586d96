//! The families of metrics that are raised where things happen, in the order in which they are written.

use std::fmt;

use prometheus_client::metrics::gauge::Gauge;

use super::exposition::{Exposition, MetricKind, Samples};
use super::striped::Count;

/// A metric that tells what it has counted.
pub trait Expose: fmt::Debug + Send + Sync {
    /// What it is.
    fn kind(&self) -> MetricKind;

    /// Writes its samples.
    fn expose(&self, samples: &mut Samples<'_>) -> fmt::Result;
}

/// All families.
#[derive(Debug)]
pub struct Registry {
    prefix: &'static str,
    families: Vec<Family>,
}

#[derive(Debug)]
struct Family {
    name: String,
    help: String,
    metric: Box<dyn Expose>,
}

impl Registry {
    /// No family yet; all names will begin with `prefix`.
    pub fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            families: Vec::new(),
        }
    }

    /// Adds a family, whose metric is a handle that others keep as well. A counter gets the suffix that
    /// counters have.
    pub(super) fn register(&mut self, name: &str, help: &str, metric: impl Expose + 'static) {
        let suffix = match metric.kind() {
            MetricKind::Counter => "_total",
            MetricKind::Gauge | MetricKind::Histogram | MetricKind::Summary => "",
        };
        self.families.push(Family {
            name: format!("{}_{name}{suffix}", self.prefix),
            help: help.to_owned(),
            metric: Box::new(metric),
        });
    }

    /// Writes all families.
    pub(super) fn write(&self, out: &mut Exposition<'_>) -> fmt::Result {
        for family in &self.families {
            let kind = family.metric.kind();
            let mut samples = out.family(&family.name, kind, &family.help)?;
            family.metric.expose(&mut samples)?;
        }
        Ok(())
    }
}

impl Expose for Count {
    fn kind(&self) -> MetricKind {
        MetricKind::Counter
    }

    fn expose(&self, samples: &mut Samples<'_>) -> fmt::Result {
        samples.sample(&[], self.get())
    }
}

impl Expose for Gauge {
    fn kind(&self) -> MetricKind {
        MetricKind::Gauge
    }

    fn expose(&self, samples: &mut Samples<'_>) -> fmt::Result {
        samples.sample(&[], self.get())
    }
}
