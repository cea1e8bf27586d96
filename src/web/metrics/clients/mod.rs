//! What clients push of themselves (KIP-714), as Prometheus reads it: the newest push of each client. Names,
//! labels and numbers are the clients' choice, so all of them are made fit, and bounded.
//!
//! `org.apache.kafka.producer.x.y` becomes `kafka_client_producer_x_y`. A sum that counts from push to push has
//! the suffix `_last_push`: it is what the client added in its last interval.

mod otlp;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use crate::records::{Compression, Scratch};
use crate::telemetry::{ClientIdentity, Exposition, MetricKind};
use otlp::{Attribute, Point, Sum};

/// The most series that are told, and of one client.
const MOST: usize = 20_000;
const MOST_OF_CLIENT: usize = 1_000;
/// The most bytes of one push, decompressed.
const PUSH_BYTES: usize = 4 << 20;
/// The most characters of a name, and of a label's value.
const NAME: usize = 120;
const VALUE: usize = 120;
/// The most attributes of a point.
const ATTRIBUTES: usize = 8;

/// The labels of a sample, by name.
type Labels = BTreeMap<String, String>;

/// What clients have pushed, by family.
#[derive(Default)]
pub(super) struct Clients {
    families: BTreeMap<String, Family>,
    series: usize,
    left_out: usize,
    malformed: u64,
}

struct Family {
    kind: MetricKind,
    samples: BTreeMap<Labels, f64>,
}

impl Clients {
    /// Reads the newest push of each client.
    pub(super) fn read(newest: Vec<(ClientIdentity, i8, Bytes)>) -> Self {
        let mut clients = Self::default();
        let mut scratch = Scratch::with_limit(PUSH_BYTES);
        for (identity, compression, push) in newest {
            let codec = u8::try_from(compression)
                .ok()
                .and_then(Compression::from_id);
            let push = match codec {
                Some(Compression::None) => Some(&*push),
                Some(codec) => scratch.decompress(codec, &push).ok(),
                None => None,
            };
            let is_read = push.is_some_and(|push| clients.add(&identity, push));
            clients.malformed += u64::from(!is_read);
        }
        clients
    }

    /// Adds a push, as far as there is room: whether it could be read.
    fn add(&mut self, identity: &ClientIdentity, push: &[u8]) -> bool {
        let own = labels_of(identity);
        let mut left = MOST_OF_CLIENT;
        let read = otlp::points(push, |point| {
            if self.series >= MOST || left == 0 {
                self.left_out += 1;
                return;
            }
            left -= 1;
            self.add_point(&own, &point);
        });
        read.is_ok()
    }

    fn add_point(&mut self, own: &Labels, point: &Point<'_>) {
        let kind = match point.sum {
            Sum::Cumulative => MetricKind::Counter,
            Sum::No | Sum::Delta => MetricKind::Gauge,
        };
        let name = name_of(point);
        let family = self.families.entry(name).or_insert_with(|| Family {
            kind,
            samples: BTreeMap::new(),
        });
        let mut labels = own.clone();
        for (key, value) in point.attributes.iter().take(ATTRIBUTES) {
            // Who a client is, this broker says.
            let key = fit(key, NAME);
            labels.entry(key).or_insert_with(|| shown(value));
        }
        // Of two with the same labels the last counts: Prometheus takes one.
        let before = family.samples.insert(labels, point.value);
        self.series += usize::from(before.is_none());
    }

    /// Writes all families.
    pub(super) fn write(&self, out: &mut Exposition<'_>) -> fmt::Result {
        for (name, family) in &self.families {
            let mut samples = out.family(name, family.kind, "Pushed by clients")?;
            for (labels, value) in &family.samples {
                let labels: Vec<_> = labels.iter().map(|(key, it)| (&**key, &**it)).collect();
                samples.sample(&labels, *value)?;
            }
        }
        let help = "Series of clients that are not told for want of room";
        let left_out = self.left_out as u64;
        out.single(
            "broker_client_metrics_left_out",
            MetricKind::Gauge,
            help,
            left_out,
        )?;
        let help = "Clients whose newest push cannot be read";
        out.single(
            "broker_client_metrics_malformed",
            MetricKind::Gauge,
            help,
            self.malformed,
        )
    }
}

fn labels_of(identity: &ClientIdentity) -> Labels {
    let mut labels = BTreeMap::from([
        ("client_instance_id".to_owned(), cut(&identity.instance_id)),
        ("client_id".to_owned(), cut(&identity.client_id)),
    ]);
    if let Some((name, version)) = &identity.software {
        labels.insert("client_software_name".to_owned(), cut(name));
        labels.insert("client_software_version".to_owned(), cut(version));
    }
    labels
}

/// The name of a point's family. A counter's says that it is one, and only a counter's.
fn name_of(point: &Point<'_>) -> String {
    let short = point
        .name
        .strip_prefix("org.apache.kafka.")
        .unwrap_or(point.name);
    let name = format!("kafka_client_{}", fit(short, NAME));
    let stem = name.strip_suffix("_total").unwrap_or(&name);
    match point.sum {
        Sum::No => name,
        Sum::Cumulative => format!("{stem}_total"),
        Sum::Delta => format!("{stem}_last_push"),
    }
}

/// A name of letters, digits and underscores, which does not begin with a digit or two underscores.
fn fit(name: &str, most: usize) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let fitted: String = name.chars().take(most).map(fit).collect();
    let reserved: BTreeSet<&str> = BTreeSet::from(["le", "quantile", "job", "instance"]);
    if fitted.starts_with(|c: char| c.is_ascii_alphabetic()) && !reserved.contains(&*fitted) {
        fitted
    } else {
        format!("x{fitted}")
    }
}

fn shown(value: &Attribute<'_>) -> String {
    match value {
        Attribute::Text(text) => cut(text),
        Attribute::Number(number) => number.to_string(),
        Attribute::Bool(is) => is.to_string(),
        Attribute::Float(number) => number.to_string(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(VALUE).collect()
}

#[cfg(test)]
mod tests;
