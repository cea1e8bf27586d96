//! Logs that Kafka wrote before 3.0, in its old formats: what is found in them by time.

use std::io::Write as _;
use std::path::Path;

use broker::model::{Offset, Timestamp};
use broker::records::{Batch, Compression, RecordsError, Scratch};
use broker::storage::log::Log;
use bytes::BufMut as _;

use crate::support::{FOLDER, after_crash, new_disk, open_log, write_file};

/// The time of offset 0; one more for each offset.
const TIME: i64 = 1_500_000_000_000;
const LOG_APPEND_TIME: u8 = 1 << 3;

/// A message of magic 0 or 1.
fn message(magic: u8, offset: i64, attributes: u8, timestamp: i64, value: &[u8]) -> Vec<u8> {
    let mut body = vec![magic, attributes];
    if magic == 1 {
        body.put_i64(timestamp);
    }
    body.put_i32(-1);
    body.put_i32(value.len() as i32);
    body.put_slice(value);
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    let mut message = Vec::new();
    message.put_i64(offset);
    message.put_i32(body.len() as i32 + 4);
    message.put_u32(crc.sum());
    message.put_slice(&body);
    message
}

fn compressed(codec: Compression, plain: &[u8]) -> Vec<u8> {
    match codec {
        Compression::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(plain).unwrap();
            gzip.finish().unwrap()
        }
        Compression::Snappy => snap::raw::Encoder::new().compress_vec(plain).unwrap(),
        Compression::Lz4 => {
            let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
            lz4.write_all(plain).unwrap();
            lz4.finish().unwrap()
        }
        Compression::None | Compression::Zstd => unreachable!("the old formats have no zstd"),
    }
}

/// A wrapper of the messages with these offsets, which count from 0 inside.
fn wrapper(codec: Compression, offsets: std::ops::Range<i64>) -> Vec<u8> {
    let inside: Vec<u8> = offsets
        .clone()
        .flat_map(|offset| message(1, offset - offsets.start, 0, TIME + offset, b"value"))
        .collect();
    let last = offsets.end - 1;
    message(
        1,
        last,
        codec.id(),
        TIME + last,
        &compressed(codec, &inside),
    )
}

/// Opens a log whose one segment holds these bytes.
fn log_of(parts: &[Vec<u8>]) -> Log {
    let disk = new_disk();
    let segment = Path::new(FOLDER).join("00000000000000000000.log");
    write_file(&disk, &segment, &parts.concat());
    open_log(&disk, &after_crash(Offset(0))).unwrap()
}

fn find(log: &Log, timestamp: i64) -> Option<(i64, i64)> {
    let mut scratch = Scratch::default();
    let view = log.view();
    let found = view.offset_for_timestamp(Timestamp(timestamp), &mut scratch);
    found
        .unwrap()
        .map(|found| (found.offset.0, found.timestamp.0))
}

#[test]
fn a_message_inside_a_wrapper_is_found_by_its_own_time() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let log = log_of(&[
            wrapper(codec, 0..5),
            message(1, 5, 0, TIME + 5, b"plain"),
            wrapper(codec, 6..9),
            wrapper(codec, 9..10),
        ]);

        assert_eq!(log.end_offset(), Offset(10), "{codec}");
        assert_eq!(find(&log, 0), Some((0, TIME)), "{codec}");
        for offset in 0..10 {
            let expected = Some((offset, TIME + offset));
            assert_eq!(find(&log, TIME + offset), expected, "{codec}");
        }
        assert_eq!(find(&log, TIME + 10), None, "{codec}");
    }
}

#[test]
fn messages_with_the_brokers_time_have_that_of_their_wrapper() {
    let inside = [message(1, 0, 0, 1, b"a"), message(1, 1, 0, 2, b"b")].concat();
    let attributes = Compression::Gzip.id() | LOG_APPEND_TIME;
    let value = compressed(Compression::Gzip, &inside);
    let log = log_of(&[message(1, 1, attributes, TIME, &value)]);

    assert_eq!(find(&log, 3), Some((0, TIME)));
}

#[test]
fn of_a_wrapper_that_cannot_be_read_the_first_offset_is_told() {
    let garbage = |last, codec: Compression| message(1, last, codec.id(), TIME + last, b"garbage");
    let log = log_of(&[
        wrapper(Compression::Gzip, 0..5),
        garbage(8, Compression::Lz4),
        garbage(12, Compression::Gzip),
        wrapper(Compression::Lz4, 13..15),
    ]);

    assert_eq!(find(&log, TIME + 5), Some((5, TIME + 8)));
    assert_eq!(find(&log, TIME + 8), Some((5, TIME + 8)));
    assert_eq!(find(&log, TIME + 9), Some((9, TIME + 12)));
    assert_eq!(find(&log, TIME + 14), Some((14, TIME + 14)));
}

#[test]
fn a_wrapper_that_lies_about_its_messages_is_malformed() {
    let codec = Compression::Gzip;
    let below = [message(1, 0, 0, 1, b"a"), message(1, 9, 0, 2, b"b")].concat();
    for value in [compressed(codec, &below), compressed(codec, &[])] {
        let bytes = message(1, 5, codec.id(), TIME, &value);
        let batch = Batch::first_of(&bytes).unwrap().unwrap();
        let found = batch.find_timestamp(Timestamp(1), Offset(0), &mut Scratch::default());
        assert!(
            matches!(found, Err(RecordsError::Wrapper { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn a_log_of_magic_0_has_no_times() {
    let log = log_of(&[message(0, 0, 0, 0, b"a"), message(0, 1, 0, 0, b"b")]);
    let mut scratch = Scratch::default();

    assert_eq!(find(&log, 0), None);
    assert_eq!(log.view().max_timestamp(&mut scratch).unwrap(), None);
    let newer = log_of(&[message(0, 0, 0, 0, b"a"), wrapper(Compression::Gzip, 1..4)]);
    let newest = newer.view().max_timestamp(&mut scratch).unwrap().unwrap();
    assert_eq!(
        (newest.offset, newest.timestamp),
        (Offset(3), Timestamp(TIME + 3))
    );
}
