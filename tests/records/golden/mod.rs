//! Batches that Apache Kafka's own classes made (`golden/Generate.java`) are read, and those that
//! are not compressed are built to the same bytes.

use broker::model::{LeaderEpoch, Offset, ProducerId, Timestamp};
use broker::records::control::{self, ControlType, EndTransactionMarker, Placement};
use broker::records::validate::validate_produce;
use broker::records::{
    Batch, BatchBuilder, Compression, Header, NewRecord, RecordsError, Scratch, TimestampType,
    check_replicated,
};
use bytes::Bytes;

use crate::support::{CODECS, NOW, Plain, policy, read};

const TIME: i64 = 1_600_000_000_000;

/// The batch with this name in `golden/batches.txt`.
fn golden(name: &str) -> Bytes {
    let text = include_str!("batches.txt");
    let title = format!("# {name}");
    let bytes = text
        .lines()
        .skip_while(|line| **line != title)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .flat_map(|line| {
            line.as_bytes().chunks(2).map(|pair| {
                let digits = std::str::from_utf8(pair).expect("hex digits");
                u8::from_str_radix(digits, 16).expect("hex digits")
            })
        })
        .collect::<Bytes>();
    assert!(!bytes.is_empty(), "no batch {name}");
    bytes
}

/// What `Generate.records` puts into record `index`.
fn expected(index: usize, offset: i64) -> Plain {
    let headers = (0..index % 4).map(|header| {
        let value = (header != 1).then(|| format!("v{index}-{header}").into_bytes());
        (format!("h{}", header / 2).into_bytes(), value)
    });
    Plain {
        offset,
        timestamp: TIME + index as i64 * 37 % 1000,
        key: (index % 3 != 1).then(|| format!("key-{index}").into_bytes()),
        value: (index % 5 != 2).then(|| format!("value {index} ").repeat(8).into_bytes()),
        headers: headers.collect(),
    }
}

fn append(builder: &mut BatchBuilder, record: &Plain) {
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect();
    builder.append_at(
        Offset(record.offset),
        NewRecord {
            timestamp: Timestamp(record.timestamp),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        },
    );
}

#[test]
fn records_of_every_codec_read_as_kafka_wrote_them() {
    let expected: Vec<_> = (0..40).map(|index| expected(index, index as i64)).collect();
    for codec in CODECS {
        let bytes = golden(codec.name());

        assert_eq!(read(&bytes).unwrap(), expected, "{codec}");
        let accepted = validate_produce(&bytes, &policy(), NOW).unwrap();
        assert_eq!(accepted.header().compression(), Ok(codec));
        assert_eq!(accepted.to_bytes(Offset::ZERO, LeaderEpoch::NONE), bytes);
    }
}

#[test]
fn streams_of_many_blocks_read_as_kafka_wrote_them() {
    for codec in &CODECS[1..] {
        let records = read(&golden(&format!("{codec}-large"))).unwrap();

        for (index, record) in records.iter().enumerate() {
            let value = format!("value {index} ").repeat(9000);
            assert_eq!(record.value.as_deref(), Some(value.as_bytes()), "{codec}");
        }
        assert_eq!(records.len(), 3);
    }
}

#[test]
fn uncompressed_batch_is_built_to_the_bytes_that_kafka_writes() {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for index in 0..40 {
        append(&mut builder, &expected(index, index as i64));
    }

    assert_eq!(builder.build(), golden("none"));
}

#[test]
fn idempotent_batch_wraps_its_sequence() {
    let bytes = golden("idempotent");
    let accepted = validate_produce(&bytes, &policy(), NOW).unwrap();
    let header = accepted.header();

    assert_eq!(header.producer_id(), ProducerId(4711));
    assert_eq!(header.producer_epoch(), 3);
    assert_eq!(header.base_sequence(), 2_147_483_640);
    assert_eq!(header.last_sequence(), 11);
    assert!(!header.is_transactional());
    let mut builder = BatchBuilder::new(Offset::ZERO).producer(ProducerId(4711), 3, 2_147_483_640);
    for index in 0..20 {
        append(&mut builder, &expected(index, index as i64));
    }
    assert_eq!(builder.build(), bytes);
}

#[test]
fn transactional_batch_of_a_log_tells_its_place() {
    let bytes = golden("transactional");
    let batch = Batch::first_of(&bytes).unwrap().unwrap();

    assert!(batch.crc_is_valid() && batch.is_transactional() && !batch.is_control());
    assert_eq!(batch.base_offset(), Offset(1000));
    assert_eq!(batch.next_offset(), Offset(1005));
    assert_eq!(batch.partition_leader_epoch(), LeaderEpoch(12));
    assert_eq!(batch.compression(), Ok(Compression::Lz4));
    assert_eq!(batch.last_sequence(), 11);
}

fn placement(base_offset: i64, epoch: i32) -> Placement {
    Placement {
        base_offset: Offset(base_offset),
        leader_epoch: LeaderEpoch(epoch),
        timestamp: Timestamp(TIME),
    }
}

#[test]
fn transaction_markers_have_kafkas_bytes_and_read_back() {
    for (name, offset, committed) in [("commit", 77, true), ("abort", 78, false)] {
        let marker = EndTransactionMarker {
            committed,
            coordinator_epoch: 9,
        };

        let bytes =
            control::end_transaction_marker(placement(offset, 5), ProducerId(4711), 3, marker);

        assert_eq!(bytes, golden(name), "{name}");
        let batch = Batch::first_of(&bytes).unwrap().unwrap();
        assert!(batch.is_control() && batch.is_transactional());
        let mut scratch = Scratch::default();
        let record = batch
            .records(&mut scratch)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(EndTransactionMarker::of(&record), Some(marker));
    }
}

#[test]
fn control_records_of_the_quorum_have_kafkas_bytes() {
    let kinds = [
        ("leader-change", 11, ControlType::LeaderChange),
        ("snapshot-header", 0, ControlType::SnapshotHeader),
        ("snapshot-footer", 9, ControlType::SnapshotFooter),
        ("kraft-version", 1, ControlType::KraftVersion),
        ("kraft-voters", 2, ControlType::KraftVoters),
    ];
    for (name, offset, kind) in kinds {
        let bytes = golden(name);
        let batch = Batch::first_of(&bytes).unwrap().unwrap();
        assert!(batch.is_control() && !batch.is_transactional(), "{name}");
        let mut scratch = Scratch::default();
        let record = batch
            .records(&mut scratch)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(ControlType::of(&record), Some(kind), "{name}");

        let value = record.value().unwrap();

        assert_eq!(
            control::quorum_batch(placement(offset, 6), &[(kind, value)]),
            bytes,
            "{name}"
        );
    }
}

#[test]
fn key_that_is_no_control_key_has_no_type() {
    assert_eq!(ControlType::of_key(&[0, 0, 0]), None);
    assert_eq!(
        ControlType::of_key(&[0xff, 0xff, 0, 1]),
        None,
        "negative version"
    );
    assert_eq!(
        ControlType::of_key(&[0, 0, 0, 99]),
        Some(ControlType::Unknown(99))
    );
    assert_eq!(
        ControlType::of_key(&[0, 1, 0, 1, 7]),
        Some(ControlType::Commit),
        "later version"
    );
}

#[test]
fn log_append_time_is_the_timestamp_of_every_record() {
    let bytes = golden("log-append-time");
    let batch = Batch::first_of(&bytes).unwrap().unwrap();

    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    let records = read(&bytes).unwrap();
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.timestamp == TIME + 5000));
    let mut builder = BatchBuilder::new(Offset(5)).log_append_time(Timestamp(TIME + 5000));
    for index in 0..4 {
        append(&mut builder, &expected(index, 5 + index as i64));
    }
    assert_eq!(builder.build(), bytes);
}

#[test]
fn compacted_batch_keeps_its_gaps_and_delete_horizon() {
    let bytes = golden("delete-horizon");
    let batch = Batch::first_of(&bytes).unwrap().unwrap();
    let horizon = Timestamp(TIME + 86_400_000);
    let expected: Vec<_> = [0, 2, 4]
        .map(|index| expected(index, 100 + index as i64))
        .into();

    assert_eq!(batch.delete_horizon(), Some(horizon));
    assert_eq!(read(&bytes).unwrap(), expected);
    let mut builder = BatchBuilder::new(Offset(100))
        .leader_epoch(LeaderEpoch(4))
        .producer(ProducerId(4711), 3, 8)
        .delete_horizon(horizon);
    for record in &expected {
        append(&mut builder, record);
    }
    assert_eq!(builder.build(), bytes);
}

#[test]
fn batch_emptied_by_compaction_keeps_its_range_and_sequence() {
    let bytes = golden("empty");
    let batch = Batch::first_of(&bytes).unwrap().unwrap();

    assert!(batch.crc_is_valid());
    assert_eq!(
        (batch.base_offset(), batch.last_offset()),
        (Offset(200), Offset(209))
    );
    assert_eq!((batch.base_sequence(), batch.last_sequence()), (15, 24));
    assert_eq!(read(&bytes).unwrap(), []);
    assert_eq!(
        check_replicated(&bytes, Offset(199)).unwrap().last_offset,
        Offset(209)
    );
}

#[test]
fn times_and_offsets_of_the_old_formats_are_found_inside_their_wrappers() {
    let mut scratch = Scratch::default();
    for (name, base, count) in [("magic-1", 0, 1), ("magic-1-gzip", 20, 3)] {
        let bytes = golden(name);
        let batch = Batch::first_of(&bytes).unwrap().unwrap();
        for index in 0..count {
            let found = batch.find_timestamp(Timestamp(TIME + index), Offset(0), &mut scratch);
            let expected = (Offset(base + index), Timestamp(TIME + index));
            assert_eq!(found, Ok(Some(expected)), "{name}");
        }
        let last = Offset(base + count - 1);
        assert_eq!(batch.offset_of_max_timestamp(&mut scratch), Ok(Some(last)));
        let later = batch.find_timestamp(Timestamp(TIME), last, &mut scratch);
        assert_eq!(later.unwrap().unwrap().0, last);
        let none = batch.find_timestamp(Timestamp(TIME + count), Offset(0), &mut scratch);
        assert_eq!(none, Ok(None));
    }
}

#[test]
fn older_formats_are_measured_and_checked_but_not_parsed() {
    for (name, magic, offset) in [
        ("magic-0", 0, 0),
        ("magic-1", 1, 0),
        ("magic-1-gzip", 1, 22),
    ] {
        let bytes = golden(name);
        let batch = Batch::first_of(&bytes).unwrap().unwrap();

        assert_eq!(batch.magic(), magic);
        assert_eq!(batch.size(), bytes.len(), "{name}");
        assert_eq!(batch.last_offset(), Offset(offset), "{name}");
        assert!(batch.crc_is_valid(), "{name}");
        let refusal = batch.records(&mut Scratch::default()).err();
        assert_eq!(refusal, Some(RecordsError::LegacyFormat { magic }));
        assert_eq!(
            check_replicated(&bytes, Offset::NONE).unwrap().size,
            bytes.len()
        );
    }
}
