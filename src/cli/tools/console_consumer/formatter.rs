//! What a record looks like: the columns and separators of Kafka's `DefaultMessageFormatter`.

use std::io::{self, Write};

use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::client::Consumed;
use crate::records::TimestampType;

/// What bytes are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they are.
    Bytes,
    /// As the number that they are, big-endian.
    Integer { size: usize },
}

impl Form {
    /// The form that a deserializer of Kafka's gives.
    fn of(class: &str) -> Result<Self, Ending> {
        let name = class.rsplit('.').next().unwrap_or(class);
        match name {
            "StringDeserializer" | "ByteArrayDeserializer" | "BytesDeserializer" => Ok(Self::Bytes),
            "ShortDeserializer" => Ok(Self::Integer { size: 2 }),
            "IntegerDeserializer" => Ok(Self::Integer { size: 4 }),
            "LongDeserializer" => Ok(Self::Integer { size: 8 }),
            _ => Err(Ending::Usage(format!(
                "{class} is a Java class that this tool cannot run; it knows Kafka's for strings, bytes and integers"
            ))),
        }
    }

    fn write(self, output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Bytes => output.write_all(bytes),
            Self::Integer { size } if bytes.len() != size => {
                let length = bytes.len();
                let reason = format!("Size of data received is {length} where {size} is expected");
                Err(io::Error::new(io::ErrorKind::InvalidData, reason))
            }
            Self::Integer { .. } => {
                let sign = bytes.first().map_or(0, |byte| (*byte as i8) >> 7);
                let number = bytes.iter().fold(i64::from(sign), |number, byte| {
                    number << 8 | i64::from(*byte)
                });
                write!(output, "{number}")
            }
        }
    }
}

/// How records are printed.
#[derive(Debug)]
pub(super) struct Formatter {
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_form: Form,
    value_form: Form,
    headers_form: Form,
}

impl Formatter {
    /// A formatter with these properties.
    ///
    /// # Errors
    /// A deserializer is none of Kafka's.
    pub(super) fn new(properties: &Properties) -> Result<Self, Ending> {
        let is_on = |key| properties.is_true(key).unwrap_or(false);
        let text = |key, usual: &str| properties.get(key).unwrap_or(usual).to_owned();
        let form = |key| properties.get(key).map_or(Ok(Form::Bytes), Form::of);
        Ok(Self {
            timestamp: is_on("print.timestamp"),
            partition: is_on("print.partition"),
            offset: is_on("print.offset"),
            delivery: is_on("print.delivery"),
            epoch: is_on("print.epoch"),
            headers: is_on("print.headers"),
            key: is_on("print.key"),
            value: properties.is_true("print.value").unwrap_or(true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_form: form("key.deserializer")?,
            value_form: form("value.deserializer")?,
            headers_form: form("headers.deserializer")?,
        })
    }

    /// Writes a record.
    ///
    /// # Errors
    /// Nobody reads the output, or (`InvalidData`) a number has the wrong size.
    pub(super) fn write(
        &self,
        output: &mut impl Write,
        partition: i32,
        record: &Consumed,
    ) -> io::Result<()> {
        let columns = [
            self.timestamp,
            self.partition,
            self.offset,
            self.delivery,
            self.epoch,
            self.headers,
            self.key,
            self.value,
        ];
        for (index, _) in columns.iter().enumerate().filter(|(_, is_on)| **is_on) {
            self.write_column(output, index, partition, record)?;
            let has_more = columns[index + 1..].contains(&true);
            let separator = if has_more {
                &self.key_separator
            } else {
                &self.line_separator
            };
            output.write_all(separator.as_bytes())?;
        }
        Ok(())
    }

    fn write_column(
        &self,
        output: &mut impl Write,
        column: usize,
        partition: i32,
        record: &Consumed,
    ) -> io::Result<()> {
        match column {
            0 => {
                let kind = match record.timestamp_type {
                    TimestampType::CreateTime => "CreateTime",
                    TimestampType::LogAppendTime => "LogAppendTime",
                };
                write!(output, "{kind}:{}", record.timestamp)
            }
            1 => write!(output, "Partition:{partition}"),
            2 => write!(output, "Offset:{}", record.offset),
            3 => write!(output, "Delivery:NOT_PRESENT"),
            // Kafka's tool does not hand the epoch on, either.
            4 => write!(output, "Epoch:NOT_PRESENT"),
            5 => self.write_headers(output, record),
            6 => self.write_bytes(output, self.key_form, record.key.as_deref()),
            _ => self.write_bytes(output, self.value_form, record.value.as_deref()),
        }
    }

    fn write_headers(&self, output: &mut impl Write, record: &Consumed) -> io::Result<()> {
        if record.headers.is_empty() {
            return output.write_all(b"NO_HEADERS");
        }
        for (index, (key, value)) in record.headers.iter().enumerate() {
            if index > 0 {
                output.write_all(self.headers_separator.as_bytes())?;
            }
            output.write_all(key)?;
            output.write_all(b":")?;
            self.write_bytes(output, self.headers_form, value.as_deref())?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        output: &mut impl Write,
        form: Form,
        bytes: Option<&[u8]>,
    ) -> io::Result<()> {
        match bytes {
            Some(bytes) => form.write(output, bytes),
            None => output.write_all(self.null_literal.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Compression;
    use bytes::Bytes;

    fn written(pairs: &[&str], record: &Consumed) -> String {
        let mut properties = Properties::default();
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        properties.add(&pairs);
        let formatter = Formatter::new(&properties).expect("good properties");
        let mut output = Vec::new();
        formatter
            .write(&mut output, 3, record)
            .expect("memory takes all");
        String::from_utf8(output).expect("text")
    }

    fn record() -> Consumed {
        Consumed {
            offset: 7,
            timestamp: 5,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(Bytes::from_static(b"v")),
            headers: vec![
                (Bytes::from_static(b"a"), Some(Bytes::from_static(b"1"))),
                (Bytes::from_static(b"b"), None),
            ],
            size: 0,
            compression: Compression::None,
        }
    }

    #[test]
    fn only_the_value_is_printed_unless_more_is_asked_for() {
        let all = [
            "print.timestamp=true",
            "print.partition=true",
            "print.offset=true",
            "print.headers=true",
            "print.key=true",
        ];

        assert_eq!(written(&[], &record()), "v\n");
        assert_eq!(
            written(&all, &record()),
            "CreateTime:5\tPartition:3\tOffset:7\ta:1,b:null\tnull\tv\n"
        );
    }

    #[test]
    fn separators_and_the_word_for_null_are_set() {
        let pairs = [
            "print.key=true",
            "key.separator=|",
            "null.literal=-",
            "line.separator=;",
        ];

        assert_eq!(written(&pairs, &record()), "-|v;");
        assert_eq!(
            written(&["print.key=true", "print.value=false"], &record()),
            "null\n"
        );
    }

    #[test]
    fn numbers_are_printed_as_numbers() {
        let class = "value.deserializer=org.apache.kafka.common.serialization.LongDeserializer";
        let number = |value: i64| Consumed {
            value: Some(Bytes::copy_from_slice(&value.to_be_bytes())),
            ..record()
        };

        assert_eq!(written(&[class], &number(-2)), "-2\n");
        assert_eq!(
            written(&[class], &number(i64::MAX)),
            format!("{}\n", i64::MAX)
        );
    }
}
