//! Writes metrics as Prometheus and all others of its kind read them: the text format, version 0.0.4.
//!
//! A family is opened once, and all of its samples follow; label values are escaped. Who writes here sees to
//! it that no two samples of a family have the same labels.

use std::fmt;

/// The type of what is written, for the header `Content-Type`.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum that only grows while the process runs.
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// Counts by upper bound, with their sum.
    Histogram,
    /// Quantiles, with a count and a sum.
    Summary,
}

impl MetricKind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleValue {
    /// A count.
    Unsigned(u64),
    /// A whole number.
    Signed(i64),
    /// Any number.
    Float(f64),
}

impl From<u64> for SampleValue {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<i64> for SampleValue {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<f64> for SampleValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for SampleValue {
    fn from(value: bool) -> Self {
        Self::Unsigned(value.into())
    }
}

impl fmt::Display for SampleValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unsigned(value) => value.fmt(formatter),
            Self::Signed(value) => value.fmt(formatter),
            Self::Float(value) if value.is_nan() => formatter.write_str("NaN"),
            Self::Float(f64::INFINITY) => formatter.write_str("+Inf"),
            Self::Float(f64::NEG_INFINITY) => formatter.write_str("-Inf"),
            Self::Float(value) => value.fmt(formatter),
        }
    }
}

/// Where metrics are written. The sink ends the writing by an error: whoever reads is gone.
pub struct Exposition<'a> {
    sink: &'a mut dyn fmt::Write,
}

/// An open family.
pub struct Samples<'a> {
    name: &'a str,
    sink: &'a mut dyn fmt::Write,
}

/// Labels and their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl<'a> Exposition<'a> {
    /// Writes to `sink`.
    pub fn new(sink: &'a mut dyn fmt::Write) -> Self {
        Self { sink }
    }

    /// Opens a family; a counter's name ends with `_total`.
    ///
    /// # Errors
    /// The sink takes no more.
    pub fn family<'b>(
        &'b mut self,
        name: &'b str,
        kind: MetricKind,
        help: &str,
    ) -> Result<Samples<'b>, fmt::Error> {
        write!(self.sink, "# HELP {name} ")?;
        escape(self.sink, help, |character| {
            character == '\\' || character == '\n'
        })?;
        writeln!(self.sink, "\n# TYPE {name} {}", kind.name())?;
        Ok(Samples {
            name,
            sink: self.sink,
        })
    }

    /// Writes a family of one sample without labels.
    ///
    /// # Errors
    /// The sink takes no more.
    pub fn single(
        &mut self,
        name: &str,
        kind: MetricKind,
        help: &str,
        value: impl Into<SampleValue>,
    ) -> fmt::Result {
        self.family(name, kind, help)?.sample(&[], value)
    }
}

impl Samples<'_> {
    /// Writes a sample.
    ///
    /// # Errors
    /// The sink takes no more.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Into<SampleValue>) -> fmt::Result {
        self.suffixed("", labels, value)
    }

    /// Writes a sample whose name has a suffix, such as `_bucket`.
    ///
    /// # Errors
    /// The sink takes no more.
    pub fn suffixed(
        &mut self,
        suffix: &str,
        labels: Labels<'_>,
        value: impl Into<SampleValue>,
    ) -> fmt::Result {
        self.sink.write_str(self.name)?;
        self.sink.write_str(suffix)?;
        for (index, (name, value)) in labels.iter().enumerate() {
            self.sink.write_str(if index == 0 { "{" } else { "," })?;
            self.sink.write_str(name)?;
            self.sink.write_str("=\"")?;
            let is_special = |character| matches!(character, '\\' | '"' | '\n');
            escape(self.sink, value, is_special)?;
            self.sink.write_str("\"")?;
        }
        if !labels.is_empty() {
            self.sink.write_str("}")?;
        }
        writeln!(self.sink, " {}", value.into())
    }
}

/// Writes text in which a backslash stands before special characters.
fn escape(
    sink: &mut dyn fmt::Write,
    text: &str,
    is_special: impl Fn(char) -> bool + Copy,
) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        let (plain, special) = rest.split_at(at);
        sink.write_str(plain)?;
        sink.write_str(match special.as_bytes()[0] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        })?;
        rest = &special[1..];
    }
    sink.write_str(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_a_head_and_samples_with_escaped_labels() {
        let mut text = String::new();
        let mut out = Exposition::new(&mut text);

        let mut samples = out
            .family("a_total", MetricKind::Counter, "One\\two\nthree \"four\"")
            .unwrap();
        samples.sample(&[], 7u64).unwrap();
        samples
            .sample(&[("g", "a\"b\\c\nd"), ("h", "ü{}")], -1i64)
            .unwrap();
        out.single("b", MetricKind::Gauge, "B", 0.5).unwrap();

        assert_eq!(
            text,
            "# HELP a_total One\\\\two\\nthree \"four\"\n\
             # TYPE a_total counter\n\
             a_total 7\n\
             a_total{g=\"a\\\"b\\\\c\\nd\",h=\"ü{}\"} -1\n\
             # HELP b B\n\
             # TYPE b gauge\n\
             b 0.5\n"
        );
    }

    #[test]
    fn numbers_are_written_as_go_reads_them() {
        let shown = |value: f64| SampleValue::from(value).to_string();

        assert_eq!(shown(f64::NAN), "NaN");
        assert_eq!(shown(f64::INFINITY), "+Inf");
        assert_eq!(shown(f64::NEG_INFINITY), "-Inf");
        assert_eq!(shown(1e-7), "0.0000001");
        assert_eq!(
            SampleValue::from(u64::MAX).to_string(),
            "18446744073709551615"
        );
    }
}
