//! The `kafka-protocol` crate reads what is built here, and the other way round. It is given
//! decoders that are not ours, except for snappy's framing, which no crate has.

use anyhow::Context as _;
use broker::model::{LeaderEpoch, Offset, ProducerId, Timestamp};
use broker::records::validate::validate_produce;
use broker::records::{BatchBuilder, Compression, CompressionSetting, Header, NewRecord};
use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as Codec, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};
use std::io::Read;

use crate::support::{CODECS, NOW, policy, read};

fn decompress(bytes: &mut Bytes, codec: Codec) -> anyhow::Result<Bytes> {
    let mut plain = Vec::new();
    match codec {
        Codec::None => plain.extend_from_slice(bytes),
        Codec::Gzip => {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain)?;
        }
        Codec::Snappy => {
            let mut rest = bytes.get(16..).context("header")?;
            while let Some((size, behind)) = rest.split_first_chunk::<4>() {
                let size = u32::from_be_bytes(*size) as usize;
                plain.extend(snap::raw::Decoder::new().decompress_vec(&behind[..size])?);
                rest = &behind[size..];
            }
        }
        Codec::Lz4 => {
            lz4_flex::frame::FrameDecoder::new(&bytes[..]).read_to_end(&mut plain)?;
        }
        Codec::Zstd => zstd::stream::copy_decode(&bytes[..], &mut plain)?,
    }
    Ok(Bytes::from(plain))
}

#[test]
fn another_decoder_reads_what_is_built_with_every_codec() {
    for codec in CODECS {
        let mut builder = BatchBuilder::new(Offset(900))
            .leader_epoch(LeaderEpoch(8))
            .producer(ProducerId(5), 1, 70)
            .transactional()
            .compression(CompressionSetting::new(codec));
        for index in 0..3000_i64 {
            let text = index.to_string();
            let headers = [Header {
                key: b"a",
                value: Some(text.as_bytes()),
            }];
            builder.append(NewRecord {
                timestamp: Timestamp(NOW.0 - index * 1000),
                key: (index % 2 == 0).then_some(text.as_bytes()),
                value: Some(text.repeat(20).as_bytes()),
                headers: &headers[..(index % 2) as usize],
            });
        }
        let mut bytes = builder.build();

        let set = RecordBatchDecoder::decode_with_custom_compression(&mut bytes, Some(decompress))
            .unwrap();

        assert_eq!(set.records.len(), 3000, "{codec}");
        for (index, record) in set.records.iter().enumerate() {
            let text = index.to_string();
            assert_eq!(record.offset, 900 + index as i64);
            assert_eq!(record.timestamp, NOW.0 - index as i64 * 1000);
            assert_eq!(record.key.is_some(), index % 2 == 0);
            assert_eq!(record.value.as_deref(), Some(text.repeat(20).as_bytes()));
            assert_eq!(record.headers.len(), index % 2);
            assert!(record.transactional && !record.control);
            assert_eq!((record.producer_id, record.producer_epoch), (5, 1));
            assert_eq!(record.partition_leader_epoch, 8);
        }
    }
}

#[test]
fn batch_of_another_encoder_is_accepted_and_read() {
    let records: Vec<Record> = (0..200)
        .map(|index| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: 12,
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset: index,
            sequence: index as i32,
            timestamp: NOW.0 + index,
            key: (index % 2 == 0).then(|| Bytes::from(format!("k{index}"))),
            value: (index % 3 == 0).then(|| Bytes::from(format!("v{index}"))),
            headers: IndexMap::from([
                (StrBytes::from_static_str("null"), None),
                (
                    StrBytes::from_static_str("some"),
                    Some(Bytes::from_static(b"1")),
                ),
            ]),
        })
        .collect();
    let mut buffer = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Codec::None,
    };
    RecordBatchEncoder::encode(&mut buffer, &records, &options).unwrap();

    let accepted = validate_produce(&buffer.freeze(), &policy(), NOW).unwrap();

    assert_eq!(accepted.header().compression(), Ok(Compression::None));
    assert_eq!(accepted.header().last_sequence(), 199);
    let plain = read(&accepted.to_bytes(Offset(0), LeaderEpoch(0))).unwrap();
    for (ours, theirs) in plain.iter().zip(&records) {
        assert_eq!(ours.timestamp, theirs.timestamp);
        assert_eq!(ours.key.as_deref(), theirs.key.as_deref());
        assert_eq!(ours.value.as_deref(), theirs.value.as_deref());
        assert_eq!(ours.headers[0], (b"null".to_vec(), None));
        assert_eq!(ours.headers[1], (b"some".to_vec(), Some(b"1".to_vec())));
    }
    assert_eq!(plain.len(), 200);
}
