//! What a client has counted, as Kafka's tools print metrics: by name, in two columns.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::java_number::decimal;

/// A number with the name of a metric of Kafka's clients.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    name: String,
    value: f64,
}

impl Metric {
    /// A number of a client.
    pub(super) fn new(group: &str, name: &str, client_id: &str, value: f64) -> Self {
        Self {
            name: format!("{group}:{name}:{{client-id={client_id}}}"),
            value,
        }
    }
}

/// Writes the table.
///
/// # Errors
/// Nobody reads it.
pub(super) fn write(metrics: &[Metric], output: &mut impl Write) -> io::Result<()> {
    let sorted = metrics.iter().map(|metric| (&*metric.name, metric.value));
    let sorted: BTreeMap<&str, f64> = sorted.collect();
    let width = sorted.keys().map(|name| name.len()).max().unwrap_or(0);
    writeln!(output, "\n{:<width$}   Value", "Metric Name")?;
    for (name, value) in sorted {
        writeln!(output, "{name:<width$} : {}", decimal(value, 3))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_in_the_order_of_their_names() {
        let metric = |name, value| Metric::new("g", name, "c", value);
        let mut text = Vec::new();

        write(&[metric("long", 2.5), metric("a", 1.0)], &mut text).expect("it takes all");

        assert_eq!(
            String::from_utf8(text).expect("text"),
            "\nMetric Name            Value\ng:a:{client-id=c}    : 1.000\ng:long:{client-id=c} : 2.500\n"
        );
    }
}
