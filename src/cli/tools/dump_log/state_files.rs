//! What a partition's folder says of producers: their snapshots (`.snapshot`), and the transactions of a segment that
//! were aborted (`.txnindex`).

use std::fs;
use std::io::{self, BufReader, Read as _, Write};
use std::path::Path;

use bytes::Bytes;

use super::super::ending::Ending;
use super::batches::open;
use super::log::base_offset;
use crate::protocol::{DecodeError, Reader};

/// The version of snapshots, and that of entries of an index of aborted transactions.
const SNAPSHOT_VERSION: i16 = 1;
const ABORTED_VERSION: i8 = 0;
/// The bytes of a snapshot that its checksum does not cover: version and checksum.
const SNAPSHOT_FRONT: usize = 6;
/// The bytes of an aborted transaction.
const ABORTED_SIZE: usize = 34;

/// Dumps a snapshot of producers; what is wrong with it is told on standard error.
///
/// # Errors
/// It can't be read from the disk.
pub(super) fn dump_producers(path: &Path, output: &mut dyn Write) -> Result<(), Ending> {
    let told = |error: io::Error| Ending::Failed(format!("{}: {error}", path.display()));
    let bytes = Bytes::from(fs::read(path).map_err(told)?);
    match producers(&bytes) {
        Ok(lines) => output.write_all(lines.as_bytes())?,
        Err(reason) => writeln!(io::stderr(), "{reason}")?,
    }
    Ok(())
}

/// A line for each producer.
fn producers(bytes: &Bytes) -> Result<String, String> {
    let invalid = |reason: &str| format!("Snapshot failed schema validation: {reason}");
    // Kafka's tool says so where the file ends.
    let cut = |_: DecodeError| invalid("null");
    let mut reader = Reader::new(bytes.clone());
    let version = reader.i16().map_err(cut)?;
    if version != SNAPSHOT_VERSION {
        let reason = format!("Snapshot contained an unknown file version {version}");
        return Err(invalid(&reason));
    }
    let stored = reader.u32().map_err(cut)?;
    let count = reader.i32().map_err(cut)?;
    let left = reader.remaining();
    match usize::try_from(count) {
        Err(_) => {
            let reason = "non-nullable field producerEntries was serialized as null";
            return Err(invalid(reason));
        }
        Ok(many) if many > left => {
            let reason = format!(
                "Tried to allocate a collection of size {count}, but there are only {left} bytes remaining."
            );
            return Err(invalid(&reason));
        }
        Ok(_) => {}
    }
    let mut lines = String::new();
    for _ in 0..count {
        lines.push_str(&producer(&mut reader).map_err(cut)?);
    }
    let computed = crc32c::crc32c(&bytes[SNAPSHOT_FRONT..]);
    if stored != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
        ));
    }
    Ok(lines)
}

fn producer(reader: &mut Reader) -> Result<String, DecodeError> {
    let (id, epoch) = (reader.i64()?, reader.i16()?);
    let (last_sequence, last_offset, offset_delta) = (reader.i32()?, reader.i64()?, reader.i32()?);
    let timestamp = reader.i64()?;
    let (coordinator_epoch, transaction) = (reader.i32()?, reader.i64()?);
    let transaction = match transaction {
        ..0 => "OptionalLong.empty".to_owned(),
        offset => format!("OptionalLong[{offset}]"),
    };
    let mut line = format!(
        "producerId: {id} producerEpoch: {epoch} coordinatorEpoch: {coordinator_epoch} \
         currentTxnFirstOffset: {transaction} lastTimestamp: {timestamp}"
    );
    // Of some producers there are only markers.
    if last_offset >= 0 {
        let first_sequence = sequence_before(last_sequence, offset_delta);
        line.push_str(&format!(
            " firstSequence: {first_sequence} lastSequence: {last_sequence} lastOffset: {last_offset} \
             offsetDelta: {offset_delta} timestamp: {timestamp}"
        ));
    }
    line.push('\n');
    Ok(line)
}

/// The sequence number that is `count` before another, in Java's arithmetic.
fn sequence_before(sequence: i32, count: i32) -> i32 {
    if sequence < count {
        let beyond = count.wrapping_sub(sequence);
        return i32::MAX.wrapping_sub(beyond).wrapping_add(1);
    }
    sequence.wrapping_sub(count)
}

/// Dumps an index of aborted transactions. One that is not there is empty.
///
/// # Errors
/// It can't be read, or has entries of a version that is not known.
pub(super) fn dump_aborted(path: &Path, output: &mut dyn Write) -> Result<(), Ending> {
    base_offset(path)?;
    if !path.exists() {
        return Ok(());
    }
    let mut lines = String::new();
    let mut file = BufReader::new(open(path)?);
    let entries = file.get_ref().metadata()?.len() / ABORTED_SIZE as u64;
    for _ in 0..entries {
        let mut entry = [0; ABORTED_SIZE];
        file.read_exact(&mut entry)?;
        // Of the version Kafka looks at the first byte alone, which is 0 in all versions that there may be.
        let [version, _, numbers @ ..] = entry;
        let version = i8::from_be_bytes([version]);
        if version > ABORTED_VERSION {
            return Err(Ending::Failed(format!(
                "Unexpected aborted transaction version {version} in transaction index {}, current version is \
                 {ABORTED_VERSION}",
                path.display()
            )));
        }
        let (numbers, _) = numbers.as_chunks::<8>();
        let number = |at: usize| i64::from_be_bytes(numbers[at]);
        lines.push_str(&format!(
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}\n",
            number(0),
            number(1),
            number(2),
            number(3),
        ));
    }
    // Nothing is told of a damaged one.
    output.write_all(lines.as_bytes())?;
    Ok(())
}
