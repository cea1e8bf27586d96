//! Batches of records, good ones and such as no client sends.

use broker::model::{Offset, ProducerId, Timestamp};
use broker::records::{BatchBuilder, Compression, CompressionSetting, HEADER_SIZE, NewRecord};
use bytes::{BufMut as _, Bytes};

/// The time of the first record of a batch: fixed, so that both logs are the same.
pub const T0: i64 = 1_700_000_000_000;

/// Where the fields of a header are.
pub mod at {
    pub const BASE_OFFSET: usize = 0;
    pub const LENGTH: usize = 8;
    pub const LEADER_EPOCH: usize = 12;
    pub const MAGIC: usize = 16;
    pub const CRC: usize = 17;
    pub const ATTRIBUTES: usize = 21;
    pub const LAST_OFFSET_DELTA: usize = 23;
    pub const MAX_TIMESTAMP: usize = 35;
    pub const PRODUCER_ID: usize = 43;
    pub const BASE_SEQUENCE: usize = 53;
    pub const RECORD_COUNT: usize = 57;
}

/// A builder with `count` records, each with a key, a second apart from `time` on.
pub fn filled_at(time: i64, count: i64) -> BatchBuilder {
    fill(BatchBuilder::new(Offset::ZERO), time, count)
}

fn fill(mut builder: BatchBuilder, time: i64, count: i64) -> BatchBuilder {
    for index in 0..count {
        let value = format!("value {index} of a record with some text that can be compressed");
        builder.append(NewRecord {
            timestamp: Timestamp(time + 1_000 * index),
            key: Some(format!("key {index}").as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    builder
}

/// `count` good records.
pub fn good(count: i64) -> Bytes {
    filled_at(T0, count).build()
}

/// `count` good records with a codec.
pub fn compressed(codec: Compression, count: i64) -> Bytes {
    let builder = BatchBuilder::new(Offset::ZERO).compression(CompressionSetting::new(codec));
    fill(builder, T0, count).build()
}

/// Two records of an idempotent producer.
pub fn sequenced(id: ProducerId, epoch: i16, sequence: i32) -> Bytes {
    let builder = BatchBuilder::new(Offset::ZERO).producer(id, epoch, sequence);
    fill(builder, T0, 2).build()
}

/// A record that is given field by field, without its length.
pub fn raw_record(offset_delta: i64, body: &[u8]) -> Vec<u8> {
    let mut record = vec![0];
    put_varlong(&mut record, 0);
    put_varlong(&mut record, offset_delta);
    record.extend(body);
    record
}

/// A batch of such records, each with its length, under a header that counts them.
pub fn raw(records: &[Vec<u8>]) -> Bytes {
    let mut bytes = good(1)[..HEADER_SIZE].to_vec();
    for record in records {
        put_varlong(&mut bytes, record.len() as i64);
        bytes.extend(record);
    }
    let count = i32::try_from(records.len()).expect("there are few");
    put_i32(&mut bytes, at::RECORD_COUNT, count);
    put_i32(&mut bytes, at::LAST_OFFSET_DELTA, count - 1);
    sealed(bytes)
}

/// `batch` with four bytes replaced, and the length and checksum set right.
pub fn with_i32(batch: &Bytes, at: usize, value: i32) -> Bytes {
    let mut bytes = batch.to_vec();
    put_i32(&mut bytes, at, value);
    sealed(bytes)
}

/// `batch` with other attributes.
pub fn with_attributes(batch: &Bytes, attributes: i16) -> Bytes {
    let mut bytes = batch.to_vec();
    bytes[at::ATTRIBUTES..at::ATTRIBUTES + 2].copy_from_slice(&attributes.to_be_bytes());
    sealed(bytes)
}

/// `batch` with eight bytes replaced.
pub fn with_i64(batch: &Bytes, at: usize, value: i64) -> Bytes {
    let mut bytes = batch.to_vec();
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
    sealed(bytes)
}

/// `batch` with one byte replaced, and nothing set right.
pub fn with_byte(batch: &Bytes, at: usize, value: u8) -> Bytes {
    let mut bytes = batch.to_vec();
    bytes[at] = value;
    bytes.into()
}

fn put_i32(bytes: &mut [u8], at: usize, value: i32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Sets length and checksum to what the bytes are.
pub fn sealed(mut bytes: Vec<u8>) -> Bytes {
    let length = i32::try_from(bytes.len() - 12).expect("it is small");
    put_i32(&mut bytes, at::LENGTH, length);
    let crc = crc32c::crc32c(&bytes[at::ATTRIBUTES..]);
    bytes[at::CRC..at::CRC + 4].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// A message of the old formats, magic 0 or 1, with a right checksum.
pub fn legacy(magic: u8) -> Bytes {
    let mut message = vec![magic, 0];
    if magic == 1 {
        message.put_i64(T0);
    }
    message.put_i32(-1);
    message.put_i32(3);
    message.put_slice(b"old");
    let mut crc = flate2::Crc::new();
    crc.update(&message);
    let mut bytes = Vec::new();
    bytes.put_i64(0);
    bytes.put_i32(i32::try_from(message.len() + 4).expect("it is small"));
    bytes.put_u32(crc.sum());
    bytes.put_slice(&message);
    bytes.into()
}

/// A zigzag varint.
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
