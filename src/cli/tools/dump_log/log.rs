//! Segments (`.log`) and snapshots of the metadata log (`.checkpoint`): their batches, and the records in these.

use std::io::Write;
use std::path::Path;

use super::super::ending::Ending;
use super::super::java_text::java_text;
use super::super::progress::Progress;
use super::batches::{BatchFile, Found};
use super::control::control_record;
use super::decoders::Decoder;
use super::problems::Problems;
use crate::records::{
    Attributes, Batch, BatchHeader, KeyAndValue, LegacyMessage, Record, RecordsError, Scratch,
    TimestampType,
};

/// The snapshot that a directory is formatted with.
const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// What lines of records begin with.
const INDENT: &str = "|";

/// What is to be shown of logs.
#[derive(Clone, Debug)]
pub(super) struct LogOptions {
    /// A line for each record, too.
    pub(super) records: bool,
    /// What is in the records, read so.
    pub(super) contents: Option<Decoder>,
    /// Not offset, time and such of records.
    pub(super) skip_metadata: bool,
    /// How many bytes of a file are looked at.
    pub(super) max_bytes: i32,
}

/// Dumps a segment, or a snapshot of the metadata log.
///
/// # Errors
/// The file can't be read, or a batch of it can't.
pub(super) fn dump(
    path: &Path,
    options: &LogOptions,
    problems: &mut Problems,
    output: &mut dyn Write,
) -> Result<(), Ending> {
    write_title(path, output)?;
    let mut file = BatchFile::open(path)?;
    let mut walk = file.walk(0, options.max_bytes)?;
    let mut progress = Progress::of_bytes(&name(path), walk.end);
    let mut records = RecordDump {
        path,
        options,
        last_offset: -1,
        scratch: Scratch::default(),
    };
    while let Some(found) = file.next(&mut walk)? {
        let timestamp_type = write_batch(&mut file, &found, output)?;
        if options.records {
            records.dump(&mut file, &found, timestamp_type, problems, output)?;
        }
        progress.reach(walk.position);
    }
    let left = walk.end - walk.position;
    if left > 0 && options.max_bytes == i32::MAX {
        let name = name(path);
        writeln!(output, "Found {left} invalid bytes at the end of {name}")?;
    }
    Ok(())
}

/// The offset that a segment's file is named by.
///
/// # Errors
/// It is no number.
pub(super) fn base_offset(path: &Path) -> Result<i64, Ending> {
    let name = name(path);
    number(name.split('.').next().unwrap_or_default())
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, Ending> {
    let unreadable = |_| Ending::Failed(format!("For input string: \"{text}\""));
    text.parse().map_err(unreadable)
}

fn write_title(path: &Path, output: &mut dyn Write) -> Result<(), Ending> {
    let name = name(path);
    if name == BOOTSTRAP {
        writeln!(output, "KRaft bootstrap snapshot")?;
    } else if let Some(id) = name.strip_suffix(".checkpoint") {
        let (offset, epoch) = id.split_once('-').unwrap_or((id, ""));
        let (offset, epoch) = (number::<i64>(offset)?, number::<i32>(epoch)?);
        writeln!(output, "Snapshot end offset: {offset}, epoch: {epoch}")?;
    } else {
        let offset = base_offset(path)?;
        writeln!(output, "Log starting offset: {offset}")?;
    }
    Ok(())
}

/// Writes the line of a batch. Returns whose clock gave its time, as the lines of its records name it.
fn write_batch(
    file: &mut BatchFile,
    found: &Found,
    output: &mut dyn Write,
) -> Result<&'static str, Ending> {
    let (crc, timestamp_type, timestamp, codec) = if found.is_current() {
        let header = file.header(found)?;
        write_front(&header, output)?;
        let codec = header.compression().map_err(told)?;
        let timestamp_type = timestamp_type_name(header.timestamp_type());
        (
            header.crc(),
            timestamp_type,
            header.max_timestamp().0,
            codec,
        )
    } else {
        let magic = found.magic;
        let head = file.legacy_head(found)?;
        let offset = i64::from_be_bytes(*head.first_chunk().expect("it is the first field"));
        write!(output, "offset: {offset}")?;
        if magic < 0 {
            return Err(told(RecordsError::UnknownMagic { magic }));
        }
        let crc = u32::from_be_bytes(*head[12..].first_chunk().expect("18 bytes or more"));
        let attributes = Attributes::from_bits(i16::from(head[17]));
        let (timestamp_type, timestamp) = match head[18..].first_chunk() {
            Some(timestamp) => (
                timestamp_type_name(attributes.timestamp_type()),
                i64::from_be_bytes(*timestamp),
            ),
            None => ("NoTimestampType", -1),
        };
        let codec = attributes.compression().map_err(told)?;
        (crc, timestamp_type, timestamp, codec)
    };
    let is_valid = file.is_valid(found, crc)?;
    let Found {
        position,
        size,
        magic,
    } = found;
    writeln!(
        output,
        " position: {position} {timestamp_type}: {timestamp} size: {size} magic: {magic} compresscodec: {codec} \
         crc: {crc} isvalid: {is_valid}"
    )?;
    Ok(timestamp_type)
}

/// Writes what only batches of magic 2 have.
fn write_front(header: &BatchHeader, output: &mut dyn Write) -> Result<(), Ending> {
    write!(
        output,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: ",
        header.base_offset(),
        header.last_offset(),
        header.record_count(),
        header.base_sequence(),
        match header.base_sequence() {
            -1 => -1,
            base => sequence_after(base, header.last_offset_delta()),
        },
        header.producer_id(),
        header.producer_epoch(),
        header.partition_leader_epoch(),
        header.is_transactional(),
        header.is_control(),
    )?;
    match header.delete_horizon() {
        Some(horizon) => write!(output, "OptionalLong[{horizon}]")?,
        None => write!(output, "OptionalLong.empty")?,
    }
    Ok(())
}

/// The sequence number that is `count` behind another, in Java's arithmetic, whatever the numbers are.
fn sequence_after(sequence: i32, count: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(count) {
        let left = i32::MAX.wrapping_sub(sequence);
        return count.wrapping_sub(left).wrapping_sub(1);
    }
    sequence.wrapping_add(count)
}

fn timestamp_type_name(timestamp_type: TimestampType) -> &'static str {
    match timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it maps errors")]
fn told(error: RecordsError) -> Ending {
    Ending::Failed(error.to_string())
}

/// Dumps the records of one batch after the other.
struct RecordDump<'a> {
    path: &'a Path,
    options: &'a LogOptions,
    /// The offset of the last record, -1 before the first.
    last_offset: i64,
    scratch: Scratch,
}

impl RecordDump<'_> {
    fn dump(
        &mut self,
        file: &mut BatchFile,
        found: &Found,
        timestamp_type: &str,
        problems: &mut Problems,
        output: &mut dyn Write,
    ) -> Result<(), Ending> {
        let batch = file.batch(found)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let done = if found.is_current() {
            self.dump_records(&batch, &mut scratch, problems, output)
        } else {
            self.dump_messages(&batch, &mut scratch, timestamp_type, problems, output)
        };
        scratch.release();
        self.scratch = scratch;
        done
    }

    fn dump_records(
        &mut self,
        batch: &Batch<'_>,
        scratch: &mut Scratch,
        problems: &mut Problems,
        output: &mut dyn Write,
    ) -> Result<(), Ending> {
        let records = batch.records(scratch).map_err(told)?;
        // Of compressed records nothing is told unless all of them can be read.
        if batch.compression().map_err(told)?.id() != 0 {
            records
                .clone()
                .try_for_each(|record| record.map(drop))
                .map_err(told)?;
        }
        for record in records {
            let record = record.map_err(told)?;
            self.note_offset(record.offset().0, problems);
            if !self.options.skip_metadata {
                write_metadata(batch, &record, output)?;
            }
            if !batch.is_control() {
                let parts = Ok((record.key(), record.value()));
                self.write_contents(record.offset().0, parts, output)?;
            }
            writeln!(output)?;
        }
        Ok(())
    }

    fn dump_messages(
        &mut self,
        batch: &Batch<'_>,
        scratch: &mut Scratch,
        timestamp_type: &str,
        problems: &mut Problems,
        output: &mut dyn Write,
    ) -> Result<(), Ending> {
        for message in batch.legacy_messages(scratch).map_err(told)? {
            self.note_offset(message.offset().0, problems);
            if !self.options.skip_metadata {
                write_legacy_metadata(&message, timestamp_type, output)?;
            }
            let parts = message.key_and_value();
            self.write_contents(message.offset().0, parts, output)?;
            writeln!(output)?;
        }
        Ok(())
    }

    /// Notes a gap. The first record of a segment counts as one unless it is that of offset 0, as in Kafka.
    fn note_offset(&mut self, offset: i64, problems: &mut Problems) {
        let last = std::mem::replace(&mut self.last_offset, offset);
        if offset != last.wrapping_add(1) {
            problems.gaps.of(self.path).insert(last, offset);
        }
    }

    fn write_contents(
        &self,
        offset: i64,
        parts: Result<KeyAndValue<'_>, RecordsError>,
        output: &mut dyn Write,
    ) -> Result<(), Ending> {
        let Some(decoder) = &self.options.contents else {
            return Ok(());
        };
        let contents = match parts {
            Ok((key, value)) => decoder.decode(offset, key, value)?,
            Err(error) => decoder.unreadable(offset, &error.to_string())?,
        };
        let indent = if self.options.skip_metadata {
            INDENT
        } else {
            ""
        };
        let mut before = format!("{indent} ");
        if let Some(key) = contents.key {
            write!(output, "{before}key: {key}")?;
            " ".clone_into(&mut before);
        }
        if let Some(value) = contents.value {
            write!(output, "{before}payload: {value}")?;
        }
        Ok(())
    }
}

/// The size that is shown for key or value: -1 for null.
fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}

fn write_metadata(
    batch: &Batch<'_>,
    record: &Record<'_>,
    output: &mut dyn Write,
) -> Result<(), Ending> {
    let offset_delta = record.offset().0.wrapping_sub(batch.base_offset().0) as i32;
    let keys = record.headers().map(|header| java_text(header.key));
    write!(
        output,
        "{INDENT} offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
        record.offset(),
        timestamp_type_name(batch.timestamp_type()),
        record.timestamp(),
        size(record.key()),
        size(record.value()),
        match batch.base_sequence() {
            ..0 => -1,
            base => sequence_after(base, offset_delta),
        },
        keys.collect::<Vec<_>>().join(","),
    )?;
    if batch.is_control() {
        write!(output, "{}", control_record(record)?)?;
    }
    Ok(())
}

fn write_legacy_metadata(
    message: &LegacyMessage<'_>,
    timestamp_type: &str,
    output: &mut dyn Write,
) -> Result<(), Ending> {
    let (key_size, value_size) = message.sizes().map_err(told)?;
    write!(
        output,
        "{INDENT} offset: {} {timestamp_type}: {} keySize: {key_size} valueSize: {value_size} isValid: {} crc: {}",
        message.offset(),
        message.timestamp(),
        message.is_valid(),
        message.crc(),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap_as_in_java() {
        assert_eq!(sequence_after(5, 3), 8);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 4), 2);
    }
}
