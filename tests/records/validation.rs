//! What a client may append, and the error for each thing that it may not.

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::protocol::error_code::ErrorCode;
use broker::records::validate::{
    AppendPolicy, Rejection, ValidatedBatch, check_request, validate_produce, validate_within,
};
use broker::records::{
    Batch, Compression, CompressionSetting, HEADER_SIZE, Scratch, TimestampType,
};
use bytes::Bytes;

use crate::support::{CODECS, Forged, NOW, batch, policy, put_varint, read, record, with_length};

const LOG_APPEND_TIME: i16 = 1 << 3;
const DELETE_HORIZON: i16 = 1 << 6;

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
fn more_work_than_is_left_is_put_off() {
    for codec in CODECS {
        let sent = batch(codec, 100);
        let records = batch(Compression::None, 100).len() - HEADER_SIZE;
        let all = match codec {
            Compression::None => sent.len(),
            _ => sent.len() + records,
        };

        let mut left = all;
        let whole = validate_within(&sent, &policy(), NOW, &mut left);
        assert!(whole.is_ok_and(|batch| batch.is_some()), "{codec}");
        assert_eq!(left, 0, "{codec}");

        let mut left = all - 1;
        let part = validate_within(&sent, &policy(), NOW, &mut left);
        assert!(part.is_ok_and(|batch| batch.is_none()), "{codec}");
        assert!(left < all, "{codec}");
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

/// The reason for which this batch is refused.
fn refused(sent: &Bytes, policy: &AppendPolicy) -> Rejection {
    validate_produce(sent, policy, NOW).expect_err("the batch is refused")
}

/// Changes one field of a valid batch; it must be refused for this reason.
fn check(name: &str, code: ErrorCode, change: impl FnOnce(&mut Forged)) {
    let mut forged = Forged::valid(3);
    assert!(validate_produce(&forged.bytes(), &policy(), NOW).is_ok());
    change(&mut forged);
    let rejection = refused(&forged.bytes(), &policy());
    assert_eq!(rejection.code, code, "{name}: {}", rejection.message);
}

#[test]
fn length_magic_and_checksum_are_checked_first() {
    let corrupt = ErrorCode::CORRUPT_MESSAGE;
    check(
        "too long: no whole batch",
        ErrorCode::INVALID_RECORD,
        |batch| batch.extra_length = 1,
    );
    check("too short for its checksum", corrupt, |batch| {
        batch.extra_length = -1
    });
    check("shorter than the header", corrupt, |batch| {
        batch.extra_length = -(batch.records.len() as i32) - 1;
    });
    check("negative length", corrupt, |batch| {
        batch.extra_length = i32::MIN / 2
    });
    check("magic 3", corrupt, |batch| batch.magic = 3);
    check("magic -1", corrupt, |batch| batch.magic = -1);
    check("magic 0", ErrorCode::INVALID_RECORD, |batch| {
        batch.magic = 0
    });
    check("magic 1", ErrorCode::INVALID_RECORD, |batch| {
        batch.magic = 1
    });
}

#[test]
fn there_is_exactly_one_batch() {
    let one = Forged::valid(3).bytes();
    let rejection = refused(&Bytes::from([&one[..], &one].concat()), &policy());
    assert_eq!(rejection.code, ErrorCode::INVALID_RECORD);
    assert_eq!(
        refused(&Bytes::new(), &policy()).code,
        ErrorCode::INVALID_RECORD
    );

    let with_tail = Bytes::from([&one[..], &one[..20]].concat());
    let accepted = validate_produce(&with_tail, &policy(), NOW).unwrap();
    assert_eq!(
        accepted.size(),
        one.len(),
        "a partial batch behind is dropped"
    );
}

#[test]
fn offsets_count_from_zero() {
    let invalid = ErrorCode::INVALID_RECORD;
    for base_offset in [1, -1, i64::MAX, i64::MAX - 2, i64::MIN] {
        check("base offset", invalid, |batch| {
            batch.base_offset = base_offset
        });
    }
    for count in [0, -1, i32::MIN, 2, 4, i32::MAX] {
        check("record count", invalid, |batch| batch.record_count = count);
        check("last offset delta", invalid, |batch| {
            batch.last_offset_delta = count.wrapping_sub(1)
        });
        check("both", invalid, |batch| {
            batch.record_count = count;
            batch.last_offset_delta = count.wrapping_sub(1);
        });
    }
    for deltas in [
        [0, 2, 1],
        [0, 0, 1],
        [1, 2, 3],
        [0, 1, 1],
        [-1, 0, 1],
        [0, 1, 3],
    ] {
        check("offset deltas", invalid, |batch| {
            batch.records = deltas
                .iter()
                .flat_map(|&delta| record(delta, 0, b"k", b"v"))
                .collect();
        });
    }
}

#[test]
fn malformed_records_are_refused() {
    let broken: [(&str, Vec<u8>); 12] = [
        ("empty", with_length(&[])),
        ("only attributes", with_length(&[0])),
        ("no header count", with_length(&[0, 0, 0, 1, 1])),
        (
            "byte behind the headers",
            with_length(&[0, 0, 0, 1, 1, 0, 0]),
        ),
        ("key beyond the record", with_length(&[0, 0, 0, 40, 1, 0])),
        ("value beyond the record", with_length(&[0, 0, 0, 1, 40, 0])),
        ("negative header count", with_length(&[0, 0, 0, 1, 1, 1])),
        (
            "more headers than bytes",
            with_length(&[0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0xf]),
        ),
        ("null header key", with_length(&[0, 0, 0, 1, 1, 2, 1, 1])),
        ("header without value", with_length(&[0, 0, 0, 1, 1, 2, 0])),
        ("negative length", vec![1]),
        ("length beyond the batch", vec![0x7e, 0, 0, 0, 1, 1, 0]),
    ];
    for (name, bytes) in broken {
        for codec in [Compression::None, Compression::Snappy] {
            let records = match codec {
                Compression::None => bytes.clone(),
                _ => snap::raw::Encoder::new().compress_vec(&bytes).unwrap(),
            };
            let rejection = refused(&Forged::compressed(codec, 1, records).bytes(), &policy());
            assert_eq!(rejection.code, ErrorCode::INVALID_RECORD, "{name}");
        }
    }
    check(
        "bytes behind the records",
        ErrorCode::INVALID_RECORD,
        |batch| batch.records.push(0),
    );
    check("a record too many", ErrorCode::INVALID_RECORD, |batch| {
        batch.records.extend(record(3, 0, b"k", b"v"));
    });
}

#[test]
fn record_with_everything_null_is_legal() {
    let records = with_length(&[0, 0, 0, 1, 1, 0]);
    validate_produce(&Forged::new(1, records).bytes(), &policy(), NOW).unwrap();
}

#[test]
fn flags_that_no_producer_may_set_are_refused() {
    check("control", ErrorCode::INVALID_RECORD, |batch| {
        batch.attributes = 1 << 5
    });
    for id in 5..8 {
        check("unknown codec", ErrorCode::INVALID_RECORD, |batch| {
            batch.attributes = id
        });
    }
    let append_time = AppendPolicy {
        timestamp_type: TimestampType::LogAppendTime,
        ..policy()
    };
    let mut batch = Forged::valid(3);
    batch.attributes = LOG_APPEND_TIME;
    let rejection = validate_produce(&batch.bytes(), &append_time, NOW).unwrap_err();
    assert_eq!(rejection.code, ErrorCode::INVALID_TIMESTAMP);
}

#[test]
fn flags_of_brokers_are_taken_off_as_they_mean_nothing_in_what_a_client_sends() {
    for attributes in [
        LOG_APPEND_TIME,
        DELETE_HORIZON,
        LOG_APPEND_TIME | DELETE_HORIZON,
    ] {
        let mut sent = Forged::valid(3);
        sent.attributes = attributes;
        // What LogAppendTime would make the time of all records.
        sent.max_timestamp = NOW.0 + 50;

        let accepted = validate_produce(&sent.bytes(), &policy(), NOW).unwrap();

        let stored = accepted.to_bytes(Offset(0), LeaderEpoch(0));
        let header = *Batch::first_of(&stored).unwrap().unwrap().header();
        assert_eq!(header.attributes().bits(), 0, "{attributes:#x}");
        assert_eq!(header.max_timestamp(), NOW);
        assert!(Batch::first_of(&stored).unwrap().unwrap().crc_is_valid());
        let times = read(&stored).unwrap();
        assert!(times.iter().all(|record| record.timestamp == NOW.0));
    }
}

#[test]
fn producer_has_id_epoch_and_sequence_or_none() {
    let invalid = ErrorCode::INVALID_RECORD;
    check("no sequence", invalid, |batch| {
        (batch.producer_id, batch.producer_epoch) = (5, 0)
    });
    check("no epoch", invalid, |batch| {
        (batch.producer_id, batch.base_sequence) = (5, 0)
    });
    check("transaction of nobody", invalid, |batch| {
        batch.attributes = 1 << 4
    });

    let mut lax = Forged::valid(3);
    (lax.producer_epoch, lax.base_sequence) = (0, 0);
    let accepted = validate_produce(&lax.bytes(), &policy(), NOW).unwrap();
    assert!(
        !accepted.header().has_producer_id(),
        "some clients leave 0 there"
    );

    let mut transactional = Forged::valid(3);
    transactional.attributes = 1 << 4;
    (transactional.producer_id, transactional.producer_epoch) = (5, 0);
    transactional.base_sequence = i32::MAX;
    let accepted = validate_produce(&transactional.bytes(), &policy(), NOW).unwrap();
    assert!(accepted.header().is_transactional());
    assert_eq!(accepted.header().last_sequence(), 1);
}

#[test]
fn size_is_judged_as_sent_and_as_stored() {
    let sent = batch(Compression::None, 50);
    let exact = AppendPolicy {
        max_message_bytes: sent.len(),
        segment_bytes: sent.len(),
        ..policy()
    };
    assert!(validate_produce(&sent, &exact, NOW).is_ok());
    let policy_of = |max_message_bytes, segment_bytes| AppendPolicy {
        max_message_bytes,
        segment_bytes,
        ..policy()
    };
    let too_large = refused(&sent, &policy_of(sent.len() - 1, 1 << 30));
    assert_eq!(too_large.code, ErrorCode::MESSAGE_TOO_LARGE);
    let no_segment = refused(&sent, &policy_of(sent.len(), sent.len() - 1));
    assert_eq!(no_segment.code, ErrorCode::RECORD_LIST_TOO_LARGE);

    let compressed = batch(Compression::Zstd, 50);
    let unpacked = AppendPolicy {
        compression: Some(CompressionSetting::NONE),
        ..policy_of(compressed.len(), 1 << 30)
    };
    let rejection = refused(&compressed, &unpacked);
    assert_eq!(
        rejection.code,
        ErrorCode::MESSAGE_TOO_LARGE,
        "larger once unpacked"
    );
}

#[test]
fn zstd_needs_a_version_of_produce_that_knows_it() {
    let sent = batch(Compression::Zstd, 1);
    let rejection = check_request(&sent, 6).unwrap_err();
    assert_eq!(rejection.code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert!(check_request(&sent, 7).is_ok());
    assert!(check_request(&batch(Compression::Lz4, 1), 3).is_ok());
    let rejection = check_request(b"anything", 3).unwrap_err();
    assert_eq!(rejection.code, ErrorCode::INVALID_RECORD);
}

#[test]
fn compacted_topic_lists_the_records_without_key() {
    let compacted = AppendPolicy {
        compacted: true,
        ..policy()
    };
    for codec in CODECS {
        let rejection = refused(&batch(codec, 8), &compacted);

        assert_eq!(rejection.code, ErrorCode::INVALID_RECORD);
        let indexes: Vec<_> = rejection
            .record_errors
            .iter()
            .map(|error| error.0)
            .collect();
        assert_eq!(indexes, [1, 4, 7], "{codec}");
    }
}

#[test]
fn list_of_record_errors_is_bounded() {
    let compacted = AppendPolicy {
        compacted: true,
        ..policy()
    };
    let keyless = (0..5000).flat_map(|delta| {
        let mut body = vec![0, 0];
        put_varint(&mut body, delta);
        body.extend([1, 1, 0]);
        with_length(&body)
    });

    let rejection = refused(&Forged::new(5000, keyless.collect()).bytes(), &compacted);

    assert_eq!(rejection.record_errors.len(), Rejection::MAX_RECORD_ERRORS);
    assert!(
        rejection
            .message
            .contains("due to 5000 record errors in total"),
        "{}",
        rejection.message
    );
}

#[test]
fn create_time_keeps_within_its_bounds() {
    let bounded = AppendPolicy {
        timestamp_before_max_ms: 1000,
        timestamp_after_max_ms: 500,
        ..policy()
    };
    for (delta, is_legal) in [(-1000, true), (-1001, false), (500, true), (501, false)] {
        let records = [record(0, 0, b"k", b"v"), record(1, delta, b"k", b"v")].concat();
        let sent = Forged::new(2, records).bytes();

        let result = validate_produce(&sent, &bounded, NOW);

        assert_eq!(result.is_ok(), is_legal, "{delta}");
        if let Err(rejection) = result {
            assert_eq!(rejection.code, ErrorCode::INVALID_TIMESTAMP);
            assert_eq!(rejection.record_errors.len(), 1);
            assert_eq!(rejection.record_errors[0].0, 1);
        }
    }
    let without = record(0, -1 - NOW.0, b"k", b"v");
    let accepted = validate_produce(&Forged::new(1, without).bytes(), &bounded, NOW).unwrap();
    assert_eq!(
        accepted.header().max_timestamp(),
        Timestamp::NONE,
        "none is legal"
    );
}

#[test]
fn timestamp_beyond_64_bits_is_refused() {
    let mut forged = Forged::new(1, record(0, 2, b"k", b"v"));
    forged.base_timestamp = i64::MAX - 1;
    let lax = AppendPolicy {
        timestamp_after_max_ms: i64::MAX,
        ..policy()
    };
    assert_eq!(
        refused(&forged.bytes(), &lax).code,
        ErrorCode::INVALID_TIMESTAMP
    );
}

#[test]
fn false_max_timestamp_is_corrected() {
    for claimed in [0, -1, i64::MAX] {
        let mut forged = Forged::new(
            2,
            [record(0, -7, b"k", b"v"), record(1, -9, b"k", b"v")].concat(),
        );
        forged.max_timestamp = claimed;

        let accepted = validate_produce(&forged.bytes(), &policy(), NOW).unwrap();

        assert_eq!(accepted.header().max_timestamp(), Timestamp(NOW.0 - 7));
        let stored = accepted.to_bytes(Offset::ZERO, LeaderEpoch(0));
        assert!(Batch::first_of(&stored).unwrap().unwrap().crc_is_valid());
    }
}

#[test]
fn one_record_of_a_compressed_batch_has_a_limit_of_its_own() {
    let limited = AppendPolicy {
        max_decompressed_message_bytes: 1000,
        ..policy()
    };
    let plain = record(0, 0, b"key", &[7; 1000]);
    let packed = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    let sent = Forged::compressed(Compression::Snappy, 1, packed).bytes();

    assert_eq!(refused(&sent, &limited).code, ErrorCode::INVALID_RECORD);
    assert!(validate_produce(&Forged::new(1, plain).bytes(), &limited, NOW).is_ok());
}

#[test]
fn trusted_batch_is_taken_as_it_is() {
    let own = batch(Compression::Lz4, 5);

    let accepted = ValidatedBatch::trusted(&own).unwrap();

    assert_eq!(accepted.to_bytes(Offset::ZERO, LeaderEpoch::NONE), own);
    assert!(ValidatedBatch::trusted(&own.slice(..70)).is_err());
    assert!(ValidatedBatch::trusted(&Bytes::new()).is_err());
}
