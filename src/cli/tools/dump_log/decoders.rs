//! What is in a record's key and value, as text.

use std::fmt::Display;

use bytes::Bytes;

use super::super::ending::Ending;
use super::super::java_text::java_text;
use crate::protocol::Reader;
use crate::protocol::coordinator_json::{CoordinatorTopic, Unreadable};
use crate::protocol::json::Json;
use crate::protocol::messages::metadata_records::MetadataRecord;

/// The version of the frame of metadata records.
const FRAME_VERSION: u32 = 1;

/// How keys and values are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decoder {
    /// Each by a class of Kafka's.
    Plain {
        /// How keys are read.
        key: Plain,
        /// How values are read.
        value: Plain,
    },
    /// As records of `__consumer_offsets`.
    Offsets,
    /// As records of `__transaction_state`.
    Transactions,
    /// As records of `__share_group_state`.
    ShareState,
    /// As records of the metadata log.
    Metadata,
}

/// How bytes are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plain {
    /// As text.
    Text,
    /// As a number of four bytes.
    Integer,
    /// As a number of eight bytes.
    Long,
}

/// Key and value as text.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

impl Plain {
    /// The class with this name.
    ///
    /// # Errors
    /// It is not among Kafka's, or shows nothing that can be read.
    pub(super) fn of_class(class: &str) -> Result<Self, Ending> {
        let wrong = |reason| Err(Ending::Failed(format!("{class}: {reason}")));
        match class.strip_prefix("org.apache.kafka.tools.api.") {
            Some("StringDecoder") => Ok(Self::Text),
            Some("IntegerDecoder") => Ok(Self::Integer),
            Some("LongDecoder") => Ok(Self::Long),
            Some("DefaultDecoder") => {
                wrong("this decoder shows only where an object lies in Java's memory")
            }
            _ => wrong("Failed to load decoder class: Java classes do not run here"),
        }
    }

    fn shown(self, bytes: &[u8]) -> Result<String, Ending> {
        let short = || Ending::Failed(format!("{} bytes are no number", bytes.len()));
        match self {
            Self::Text => Ok(java_text(bytes)),
            Self::Integer => {
                let number = bytes.first_chunk().ok_or_else(short)?;
                Ok(i32::from_be_bytes(*number).to_string())
            }
            Self::Long => {
                let number = bytes.first_chunk().ok_or_else(short)?;
                Ok(i64::from_be_bytes(*number).to_string())
            }
        }
    }
}

impl Decoder {
    /// Reads the record at an offset.
    ///
    /// # Errors
    /// The record can't be of that kind. Where Kafka's tool says that in place of the key it is no error.
    pub(super) fn decode(
        self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Contents, Ending> {
        let topic =
            match self {
                Self::Plain {
                    key: read_key,
                    value: read_value,
                } => {
                    return Ok(Contents {
                        key: key.map(|key| read_key.shown(key)).transpose()?,
                        value: value.map(|value| read_value.shown(value)).transpose()?,
                    });
                }
                Self::Metadata => {
                    let record = metadata_record(value.unwrap_or_default());
                    return Ok(Contents {
                        key: None,
                        value: Some(record.unwrap_or_else(|reason| {
                            format!("Error at {offset}, skipping. {reason}")
                        })),
                    });
                }
                Self::Offsets => CoordinatorTopic::Offsets,
                Self::Transactions => CoordinatorTopic::Transactions,
                Self::ShareState => CoordinatorTopic::ShareState,
            };
        let Some(key) = key else {
            return Err(Ending::Failed(format!(
                "Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
            )));
        };
        match topic.show(key, value) {
            Ok(shown) => Ok(Contents {
                key: Some(shown.key),
                value: Some(shown.value),
            }),
            Err(Unreadable::Type(number)) => Ok(Contents {
                key: Some(format!(
                    "Unknown record type {number} at offset {offset}, skipping."
                )),
                value: None,
            }),
            Err(Unreadable::Reason(reason)) => self.unreadable(offset, &reason),
        }
    }

    /// What is told of a record that can't be read.
    ///
    /// # Errors
    /// It is an error unless it is told in the record's place.
    pub(super) fn unreadable(self, offset: i64, reason: &str) -> Result<Contents, Ending> {
        match self {
            Self::Plain { .. } => Err(Ending::Failed(reason.to_owned())),
            Self::Metadata => Ok(Contents {
                key: None,
                value: Some(format!("Error at {offset}, skipping. {reason}")),
            }),
            Self::Offsets | Self::Transactions | Self::ShareState => Ok(Contents {
                key: Some(format!("Error at offset {offset}, skipping. {reason}")),
                value: None,
            }),
        }
    }
}

/// A record of the metadata log, or why it can't be shown.
fn metadata_record(value: &[u8]) -> Result<String, String> {
    let mut reader = Reader::new(Bytes::copy_from_slice(value));
    let mut number = |what: &str| {
        reader
            .uvarint()
            .map_err(|_| format!("Error while reading {what}"))
    };
    match number("frame version")? {
        FRAME_VERSION => {}
        0 => {
            return Err("Could not deserialize metadata record with frame version 0. Note that upgrades from the \
                        preview release of KRaft in 2.8 to newer versions are not supported."
                .to_owned());
        }
        other => {
            return Err(format!(
                "Could not deserialize metadata record due to unknown frame version {other}(only frame version \
                 {FRAME_VERSION} is supported)"
            ));
        }
    }
    let (kind, version) = (number("type")?, number("version")?);
    let Some((schema, versions)) = MetadataRecord::definition(kind) else {
        return Err(format!(
            "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id {kind}"
        ));
    };
    let known = i16::try_from(version).ok();
    let read = known
        .filter(|version| versions.contains(version))
        .map(|version| Json::read(schema, &mut reader, version, version));
    let Some(Ok(data)) = read else {
        return Err(format!("Failed to deserialize record with type {kind}"));
    };
    if reader.remaining() > 0 {
        let left = reader.remaining();
        return Err(format!("Found {left} byte(s) of garbage after {kind}"));
    }
    let kind = screaming(schema.name);
    Ok(format!(
        "{{\"type\":\"{kind}\",\"version\":{version},\"data\":{data}}}"
    ))
}

/// `TopicRecord` as `TOPIC_RECORD`.
fn screaming(name: &str) -> impl Display {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::metadata_records::FeatureLevelRecord;

    #[test]
    fn a_metadata_record_is_shown_with_its_type_and_what_is_none_with_the_reason() {
        let record = MetadataRecord::from(FeatureLevelRecord {
            name: "a".into(),
            feature_level: 30,
        });

        let shown = metadata_record(&record.encode(0));

        assert_eq!(
            shown.as_deref(),
            Ok(
                "{\"type\":\"FEATURE_LEVEL_RECORD\",\"version\":0,\"data\":{\"name\":\"a\",\"featureLevel\":30}}"
            )
        );
        let refused = |bytes: &[u8]| metadata_record(bytes).expect_err("no record");
        assert!(
            refused(&[1, 12, 0, 2, b'a', 0, 30, 0, 7]).contains("1 byte(s) of garbage after 12")
        );
        assert!(refused(&[1, 12, 9, 0]).contains("type 12"));
        assert!(refused(&[]).contains("frame version"));
    }
}
