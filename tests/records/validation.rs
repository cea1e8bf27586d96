//! What a client may append, and the error for each thing that it may not.

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::records::validate::{AppendPolicy, validate_produce};
use broker::records::{
    Batch, Compression, CompressionSetting, HEADER_SIZE, Scratch, TimestampType,
};
use bytes::Bytes;

use crate::support::{CODECS, NOW, batch, policy};

#[test]
fn batch_of_a_producer_keeps_its_bytes_but_for_its_place() {
    for codec in CODECS {
        let sent = batch(codec, 100);

        let accepted = validate_produce(&sent, &policy(), NOW).unwrap();

        assert_eq!(
            accepted.records().as_ptr(),
            sent[HEADER_SIZE..].as_ptr(),
            "{codec}: copied"
        );
        let stored = accepted.to_bytes(Offset(5_000), LeaderEpoch(3));
        assert_eq!(stored[16..], sent[16..], "{codec}");
        let stored = Batch::first_of(&stored).unwrap().unwrap();
        assert!(stored.crc_is_valid(), "{codec}");
        assert_eq!(stored.base_offset(), Offset(5_000));
        assert_eq!(stored.last_offset(), Offset(5_099));
        assert_eq!(stored.partition_leader_epoch(), LeaderEpoch(3));
    }
}

#[test]
fn log_append_time_replaces_the_timestamp_of_every_record() {
    let policy = AppendPolicy {
        timestamp_type: TimestampType::LogAppendTime,
        ..policy()
    };
    for codec in CODECS {
        let later = Timestamp(NOW.0 + 77);

        let accepted = validate_produce(&batch(codec, 100), &policy, later).unwrap();

        assert_eq!(accepted.log_append_time(), Some(later));
        let stored = accepted.to_bytes(Offset(1), LeaderEpoch(0));
        let stored = Batch::first_of(&stored).unwrap().unwrap();
        assert!(stored.crc_is_valid(), "{codec}");
        let mut scratch = Scratch::default();
        let records = stored.records(&mut scratch).unwrap();
        assert_eq!(
            records
                .filter(|record| record.as_ref().unwrap().timestamp() == later)
                .count(),
            100
        );
    }
}

#[test]
fn another_codec_is_compressed_anew_and_holds_the_same_records() {
    let text = |bytes: &Bytes| {
        let mut scratch = Scratch::default();
        let batch = Batch::first_of(bytes).unwrap().unwrap();
        assert!(batch.crc_is_valid());
        let records: Vec<String> = batch
            .records(&mut scratch)
            .unwrap()
            .map(|record| {
                let record = record.unwrap();
                let headers: Vec<_> = record.headers().collect();
                format!(
                    "{} {} {:?} {:?} {headers:?}",
                    record.offset(),
                    record.timestamp(),
                    record.key(),
                    record.value()
                )
            })
            .collect();
        records
    };
    for from in CODECS {
        for to in CODECS {
            let sent = batch(from, 300);
            let policy = AppendPolicy {
                compression: Some(CompressionSetting::new(to)),
                ..policy()
            };

            let accepted = validate_produce(&sent, &policy, NOW).unwrap();

            assert_eq!(accepted.header().compression(), Ok(to));
            let stored = accepted.to_bytes(Offset::ZERO, LeaderEpoch::NONE);
            assert_eq!(stored.len(), accepted.size());
            assert_eq!(text(&stored), text(&sent), "{from} to {to}");
            if from == Compression::None && to != Compression::None {
                assert!(stored.len() < sent.len() / 2, "{to}");
            }
        }
    }
}
