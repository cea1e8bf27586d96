//! Batches for the tests of this suite: honest ones from the builder, others forged by hand.

use broker::model::{Offset, Timestamp};
use broker::records::validate::AppendPolicy;
use broker::records::{
    Batch, BatchBuilder, Compression, CompressionSetting, Header, NewRecord, RecordsError, Scratch,
};
use bytes::{BufMut, Bytes};

/// The time at which these tests run.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Every codec.
pub const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// A batch as a producer sends it: records of about 100 bytes, some with headers, keys or nulls.
pub fn batch(codec: Compression, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(CompressionSetting::new(codec));
    for index in 0..count {
        let key = format!("key-{index}");
        let value = format!("value {index} ").repeat(8);
        let headers = [
            Header {
                key: b"trace",
                value: Some(key.as_bytes()),
            },
            Header {
                key: b"trace",
                value: None,
            },
        ];
        builder.append(NewRecord {
            timestamp: Timestamp(NOW.0 + index as i64 % 7),
            key: (index % 3 != 1).then_some(key.as_bytes()),
            value: (index % 5 != 2).then_some(value.as_bytes()),
            headers: &headers[..index % 3],
        });
    }
    builder.build()
}

/// A topic with Kafka's defaults.
pub fn policy() -> AppendPolicy {
    AppendPolicy::default()
}

/// A record with everything it has, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// All records of the one batch in `bytes`.
pub fn read(bytes: &[u8]) -> Result<Vec<Plain>, RecordsError> {
    let batch = Batch::first_of(bytes)?.expect("the batch is whole");
    assert_eq!(batch.size(), bytes.len());
    batch
        .records(&mut Scratch::default())?
        .map(|record| {
            let record = record?;
            let headers = record.headers();
            Ok(Plain {
                offset: record.offset().0,
                timestamp: record.timestamp().0,
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                headers: headers
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            })
        })
        .collect()
}

/// A batch written field by field, so that any of them can lie. Its checksum is right.
#[derive(Clone)]
pub struct Forged {
    pub base_offset: i64,
    /// What the length field says more than the truth.
    pub extra_length: i32,
    pub magic: i8,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
    pub records: Vec<u8>,
}

impl Forged {
    /// A valid batch of these records.
    pub fn new(count: i32, records: Vec<u8>) -> Self {
        Self {
            base_offset: 0,
            extra_length: 0,
            magic: 2,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: NOW.0,
            max_timestamp: NOW.0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: count,
            records,
        }
    }

    /// A valid batch of `count` records with key and value.
    pub fn valid(count: i32) -> Self {
        let records = (0..count).flat_map(|delta| record(delta.into(), 0, b"key", b"value"));
        Self::new(count, records.collect())
    }

    /// A batch whose compressed records are these bytes.
    pub fn compressed(codec: Compression, count: i32, records: Vec<u8>) -> Self {
        let mut forged = Self::new(count, records);
        forged.attributes = i16::from(codec.id());
        forged
    }

    /// The bytes.
    pub fn bytes(&self) -> Bytes {
        let mut body = Vec::new();
        body.put_i16(self.attributes);
        body.put_i32(self.last_offset_delta);
        body.put_i64(self.base_timestamp);
        body.put_i64(self.max_timestamp);
        body.put_i64(self.producer_id);
        body.put_i16(self.producer_epoch);
        body.put_i32(self.base_sequence);
        body.put_i32(self.record_count);
        body.extend_from_slice(&self.records);
        let mut bytes = Vec::new();
        bytes.put_i64(self.base_offset);
        bytes.put_i32(body.len() as i32 + 9 + self.extra_length);
        bytes.put_i32(-1);
        bytes.put_i8(self.magic);
        bytes.put_u32(crc32c::crc32c(&body));
        bytes.extend_from_slice(&body);
        Bytes::from(bytes)
    }
}

/// A record without headers.
pub fn record(offset_delta: i64, timestamp_delta: i64, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    put_varint(&mut body, timestamp_delta);
    put_varint(&mut body, offset_delta);
    for bytes in [key, value] {
        put_varint(&mut body, bytes.len() as i64);
        body.extend_from_slice(bytes);
    }
    put_varint(&mut body, 0);
    with_length(&body)
}

/// Puts the length of a record before it.
pub fn with_length(body: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    put_varint(&mut record, body.len() as i64);
    record.extend_from_slice(body);
    record
}

/// Writes a zig-zag varint.
pub fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push((raw & 0x7f) as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}
