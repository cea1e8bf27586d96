//! Control records: the ends of transactions, and what a quorum writes for itself.

use bytes::Bytes;

use super::super::ending::Ending;
use crate::protocol::json::Json;
use crate::protocol::message::Struct as _;
use crate::protocol::messages::raft_records::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord,
    VotersRecord,
};
use crate::protocol::schema::Schema;
use crate::protocol::{DecodeError, Reader};
use crate::records::Record;
use crate::records::control::{ControlType, EndTransactionMarker};

/// What is said of a control record, behind its offset and sizes.
///
/// # Errors
/// Key or value are not those of a control record.
pub(super) fn control_record(record: &Record<'_>) -> Result<String, Ending> {
    let offset = record.offset();
    let wrong = |what: &str| {
        Ending::Failed(format!(
            "The control record at offset {offset} has no {what} of one"
        ))
    };
    let kind = ControlType::of(record).ok_or_else(|| wrong("key"))?;
    let of_quorum = |title: &str, schema| {
        let shown = quorum_record(schema, record.value());
        let shown = shown.map_err(|error| wrong(&format!("value ({error})")))?;
        Ok(format!(" {title} {shown}"))
    };
    match kind {
        ControlType::Abort | ControlType::Commit => {
            let marker = EndTransactionMarker::of(record).ok_or_else(|| wrong("value"))?;
            let kind = if marker.committed { "COMMIT" } else { "ABORT" };
            let epoch = marker.coordinator_epoch;
            Ok(format!(" endTxnMarker: {kind} coordinatorEpoch: {epoch}"))
        }
        ControlType::LeaderChange => of_quorum("LeaderChange:", LeaderChangeMessage::SCHEMA),
        ControlType::SnapshotHeader => of_quorum("SnapshotHeader", SnapshotHeaderRecord::SCHEMA),
        ControlType::SnapshotFooter => of_quorum("SnapshotFooter", SnapshotFooterRecord::SCHEMA),
        ControlType::KraftVersion => of_quorum("KRaftVersion", KRaftVersionRecord::SCHEMA),
        ControlType::KraftVoters => of_quorum("KRaftVoters", VotersRecord::SCHEMA),
        ControlType::Unknown(id) => Ok(format!(" controlType: UNKNOWN({id})")),
    }
}

/// The value is of version 0, and shown as one of the version that its first field says, as by Kafka.
fn quorum_record(schema: &Schema, value: Option<&[u8]>) -> Result<Json, DecodeError> {
    let value = Bytes::copy_from_slice(value.unwrap_or_default());
    let shown = Reader::new(value.clone()).i16()?;
    Json::read(schema, &mut Reader::new(value), 0, shown)
}
