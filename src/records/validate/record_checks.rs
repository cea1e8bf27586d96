//! The rules for the records of a client's batch, all checked in one pass over decompressed bytes.
//!
//! A wrong structure or offset is a fault of the batch. A missing key or a bad timestamp is a fault of a
//! record, and all such records are reported.

use crate::model::Timestamp;
use crate::protocol::error_code::ErrorCode;
use crate::records::attributes::TimestampType;
use crate::records::error::RecordsError;
use crate::records::header::BatchHeader;
use crate::records::record::RawRecord;
use crate::records::varint::Reader;

use super::policy::AppendPolicy;
use super::rejection::Rejection;

/// Checks the records of the batch with this header. Returns the largest timestamp, -1 if no record has
/// one. `size_limit` is the most bytes of a record.
pub(super) fn check_records(
    header: &BatchHeader,
    bytes: &[u8],
    policy: &AppendPolicy,
    size_limit: usize,
    now: Timestamp,
) -> Result<Timestamp, Rejection> {
    let rules = Rules::new(policy, now);
    let base_timestamp = header.base_timestamp().0;
    let mut reader = Reader::new(bytes);
    let mut max_timestamp = Timestamp::NONE.0;
    let mut faults = Faults::default();
    for index in 0..header.record_count() {
        let record =
            RawRecord::take(&mut reader).map_err(|fault| RecordsError::Record { index, fault })?;
        // Offsets inside a client's batch count from 0 without gaps: the leader places the batch by its
        // head alone.
        if record.offset_delta != index {
            return Err(out_of_order(index, record.offset_delta));
        }
        if record.length > size_limit {
            let (size, limit) = (record.length, size_limit);
            return Err(RecordsError::RecordTooLarge { index, size, limit }.into());
        }
        // The sum may overflow with what a client sends: such a record has no timestamp to be judged by.
        let timestamp = base_timestamp.checked_add(record.timestamp_delta);
        if rules.accept(&record, timestamp) {
            max_timestamp = max_timestamp.max(timestamp.unwrap_or(Timestamp::NONE.0));
        } else {
            faults.add(index, &record, timestamp, &rules);
        }
    }
    let size = reader.rest().len();
    if size > 0 {
        return Err(RecordsError::BytesBehindRecords { size }.into());
    }
    faults
        .into_result(&rules)
        .map(|()| Timestamp(max_timestamp))
}

fn out_of_order(index: i32, offset_delta: i32) -> Rejection {
    Rejection::invalid_record(format!(
        "record {index} has offset delta {offset_delta}, they count up from 0"
    ))
}

/// The rules that each record must follow.
struct Rules {
    needs_key: bool,
    lowest_timestamp: i64,
    highest_timestamp: i64,
}

/// What is wrong with a record.
enum Fault {
    MissingKey,
    Timestamp(Option<i64>),
}

impl Rules {
    fn new(policy: &AppendPolicy, now: Timestamp) -> Self {
        let (lowest_timestamp, highest_timestamp) = match policy.timestamp_type {
            TimestampType::CreateTime => (
                now.0.saturating_sub(policy.timestamp_before_max_ms),
                now.0.saturating_add(policy.timestamp_after_max_ms),
            ),
            // The leader's time replaces whatever the record has.
            TimestampType::LogAppendTime => (i64::MIN, i64::MAX),
        };
        Self {
            needs_key: policy.compacted,
            lowest_timestamp,
            highest_timestamp,
        }
    }

    #[inline(always)]
    fn accept(&self, record: &RawRecord<'_>, timestamp: Option<i64>) -> bool {
        let in_time = timestamp.is_some_and(|timestamp| {
            (self.lowest_timestamp..=self.highest_timestamp).contains(&timestamp)
                || timestamp == Timestamp::NONE.0
        });
        in_time && (record.key.is_some() || !self.needs_key)
    }

    /// What is wrong with a record that was not accepted. As in Kafka, a missing key is reported first.
    fn fault(&self, record: &RawRecord<'_>, timestamp: Option<i64>) -> Fault {
        if self.needs_key && record.key.is_none() {
            Fault::MissingKey
        } else {
            Fault::Timestamp(timestamp)
        }
    }

    /// Kafka's message, as producers log it; `index` is the record's place in the batch.
    fn describe(&self, index: i32, fault: &Fault) -> String {
        match fault {
            Fault::MissingKey => "Compacted topic cannot accept message without key".to_owned(),
            Fault::Timestamp(Some(timestamp)) => format!(
                "Timestamp {timestamp} of message with offset {index} is out of range. The timestamp \
                 should be within [{}, {}]",
                self.lowest_timestamp, self.highest_timestamp
            ),
            Fault::Timestamp(None) => "timestamp does not fit into 64 bits".to_owned(),
        }
    }
}

/// The faulty records so far.
#[derive(Default)]
struct Faults {
    listed: Vec<(i32, Fault)>,
    count: usize,
    has_timestamp: bool,
}

impl Faults {
    #[cold]
    #[inline(never)]
    fn add(&mut self, index: i32, record: &RawRecord<'_>, timestamp: Option<i64>, rules: &Rules) {
        let fault = rules.fault(record, timestamp);
        self.count += 1;
        self.has_timestamp |= matches!(fault, Fault::Timestamp(_));
        if self.listed.len() < Rejection::MAX_RECORD_ERRORS {
            self.listed.push((index, fault));
        }
    }

    fn into_result(self, rules: &Rules) -> Result<(), Rejection> {
        if self.count == 0 {
            return Ok(());
        }
        let listed = self.listed.iter();
        let record_errors: Vec<(i32, String)> = listed
            .map(|(index, fault)| (*index, rules.describe(*index, fault)))
            .collect();
        let (code, message) = if self.has_timestamp {
            let message = "One or more records have been rejected due to invalid timestamp";
            (ErrorCode::INVALID_TIMESTAMP, message.to_owned())
        } else {
            let message = missing_keys(self.count, &record_errors);
            (ErrorCode::INVALID_RECORD, message)
        };
        Err(Rejection {
            code,
            message,
            record_errors,
        })
    }
}

/// The first few faulty records, in the form of Kafka's message.
fn missing_keys(count: usize, errors: &[(i32, String)]) -> String {
    let shown: Vec<String> = errors
        .iter()
        .take(3)
        .map(|(index, message)| format!("RecordError(batchIndex={index}, message='{message}')"))
        .collect();
    format!(
        "One or more records have been rejected due to {count} record errors in total, and only \
         showing the first three errors at most: [{}]",
        shown.join(", ")
    )
}
