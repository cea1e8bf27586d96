//! Batches for the tests of this suite.

use broker::model::{Offset, Timestamp};
use broker::records::validate::AppendPolicy;
use broker::records::{BatchBuilder, Compression, CompressionSetting, Header, NewRecord};
use bytes::Bytes;

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
