//! Reads what clients push: OpenTelemetry's `MetricsData` in protobuf, as much of it as clients of Kafka send.
//! Those are gauges and sums with numbers (KIP-714); anything else is passed over. The bytes are the client's:
//! nothing is allocated but for what is given out.

/// What came is no protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A number with its metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    pub(super) sum: Sum,
    pub(super) value: f64,
    pub(super) attributes: Vec<(&'a str, Attribute<'a>)>,
}

/// Whether a metric is a sum, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// It is a gauge, or a sum that falls as well.
    No,
    /// It counts from the client's start.
    Cumulative,
    /// It counts from the push before.
    Delta,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute<'a> {
    Text(&'a str),
    Number(i64),
    Bool(bool),
    Float(f64),
}

/// A field of a message.
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// The fields of a message, with their numbers.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?.try_into().map_err(|_| Malformed)?;
                Field::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            _ => return Err(Malformed),
        };
        Ok(Some((key >> 3, field)))
    }

    /// Calls `each` with the bytes of every field that has this number.
    fn each(
        mut self,
        number: u64,
        mut each: impl FnMut(&'a [u8]) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        while let Some((found, field)) = self.next()? {
            if let Field::Bytes(bytes) = field
                && found == number
            {
                each(bytes)?;
            }
        }
        Ok(())
    }
}

/// Calls `take` with every point of a push.
///
/// # Errors
/// The bytes are malformed; points before were given out.
pub(super) fn points<'a>(push: &'a [u8], mut take: impl FnMut(Point<'a>)) -> Result<(), Malformed> {
    // MetricsData > ResourceMetrics > ScopeMetrics > Metric
    Fields(push).each(1, |resource| {
        Fields(resource).each(2, |scope| {
            Fields(scope).each(2, |metric| read_metric(metric, &mut take))
        })
    })
}

fn read_metric<'a>(metric: &'a [u8], take: &mut impl FnMut(Point<'a>)) -> Result<(), Malformed> {
    const NAME: u64 = 1;
    const GAUGE: u64 = 5;
    const SUM: u64 = 7;
    let (mut name, mut data) = ("", None);
    let mut fields = Fields(metric);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (NAME, Field::Bytes(bytes)) => name = text(bytes)?,
            (GAUGE, Field::Bytes(bytes)) => data = Some((bytes, Sum::No)),
            (SUM, Field::Bytes(bytes)) => data = Some((bytes, kind_of_sum(bytes)?)),
            _ => {}
        }
    }
    let Some((data, sum)) = data else {
        return Ok(());
    };
    Fields(data).each(1, |point| {
        if let Some((value, attributes)) = read_point(point)? {
            take(Point {
                name,
                sum,
                value,
                attributes,
            });
        }
        Ok(())
    })
}

fn kind_of_sum(sum: &[u8]) -> Result<Sum, Malformed> {
    const TEMPORALITY: u64 = 2;
    const IS_MONOTONIC: u64 = 3;
    const DELTA: u64 = 1;
    let (mut temporality, mut is_monotonic) = (0, false);
    let mut fields = Fields(sum);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (TEMPORALITY, Field::Varint(value)) => temporality = value,
            (IS_MONOTONIC, Field::Varint(value)) => is_monotonic = value != 0,
            _ => {}
        }
    }
    Ok(match (temporality, is_monotonic) {
        (DELTA, _) => Sum::Delta,
        (_, true) => Sum::Cumulative,
        (_, false) => Sum::No,
    })
}

type Read<'a> = (f64, Vec<(&'a str, Attribute<'a>)>);

fn read_point(point: &[u8]) -> Result<Option<Read<'_>>, Malformed> {
    const AS_DOUBLE: u64 = 4;
    const AS_INT: u64 = 6;
    const ATTRIBUTES: u64 = 7;
    let (mut value, mut attributes) = (None, Vec::new());
    let mut fields = Fields(point);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (AS_DOUBLE, Field::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (AS_INT, Field::Fixed64(bits)) => value = Some(bits.cast_signed() as f64),
            (ATTRIBUTES, Field::Bytes(bytes)) => attributes.extend(read_attribute(bytes)?),
            _ => {}
        }
    }
    Ok(value.map(|value| (value, attributes)))
}

fn read_attribute(attribute: &[u8]) -> Result<Option<(&str, Attribute<'_>)>, Malformed> {
    let (mut key, mut value) = ("", None);
    let mut fields = Fields(attribute);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => key = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = read_value(bytes)?,
            _ => {}
        }
    }
    Ok(value.map(|value| (key, value)))
}

fn read_value(value: &[u8]) -> Result<Option<Attribute<'_>>, Malformed> {
    let mut read = None;
    let mut fields = Fields(value);
    while let Some((number, field)) = fields.next()? {
        read = match (number, field) {
            (1, Field::Bytes(bytes)) => Some(Attribute::Text(text(bytes)?)),
            (2, Field::Varint(value)) => Some(Attribute::Bool(value != 0)),
            (3, Field::Varint(value)) => Some(Attribute::Number(value.cast_signed())),
            (4, Field::Fixed64(bits)) => Some(Attribute::Float(f64::from_bits(bits))),
            _ => read,
        };
    }
    Ok(read)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}
