//! Compressed batches that attack: bombs, false sizes, streams cut off or of garbage. Each is
//! refused within bounds of time and memory.

use std::io::Write as _;
use std::time::{Duration, Instant};

use broker::model::{LeaderEpoch, Offset};
use broker::protocol::error_code::ErrorCode;
use broker::records::validate::{AppendPolicy, Rejection, validate_produce};
use broker::records::{Compression, RecordsError, Scratch};
use bytes::Bytes;

use crate::support::{CODECS, Forged, NOW, batch, policy};

const LIMIT: usize = 8 << 20;
const SENT: usize = 1 << 20;

/// A policy that lets a batch decompress to no more than [`LIMIT`].
fn strict() -> AppendPolicy {
    AppendPolicy {
        max_decompressed_batch_bytes: LIMIT,
        max_message_bytes: 2 * SENT,
        ..policy()
    }
}

/// Sends a compressed stream as the records of a batch; it must be refused at once.
fn attack(name: &str, codec: Compression, stream: Vec<u8>) -> Rejection {
    let sent = Forged::compressed(codec, 1000, stream).bytes();
    let before = peak_memory();
    let start = Instant::now();

    let rejection = validate_produce(&sent, &strict(), NOW).expect_err(name);

    let elapsed = start.elapsed();
    assert!(
        elapsed < Duration::from_secs(5),
        "{name} took {elapsed:?} (debug build)"
    );
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 12 * LIMIT, "{name} took {grown} bytes");
    assert_eq!(rejection.code, ErrorCode::INVALID_RECORD, "{name}");
    rejection
}

/// The most memory this process has had, in bytes; other tests run beside, so it is a bound.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

fn assert_bomb(name: &str, codec: Compression, stream: Vec<u8>) {
    let message = attack(name, codec, stream).message;
    assert!(message.contains("exceed"), "{name}: {message}");
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0; 4 * LIMIT];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&zeros).unwrap();
    assert_bomb("gzip", Compression::Gzip, gzip.finish().unwrap());

    let block = snap::raw::Encoder::new()
        .compress_vec(&zeros[..1 << 20])
        .unwrap();
    assert_bomb(
        "bare snappy",
        Compression::Snappy,
        snap::raw::Encoder::new().compress_vec(&zeros).unwrap(),
    );
    let mut snappy = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for _ in 0..20 {
        snappy.extend_from_slice(&(block.len() as u32).to_be_bytes());
        snappy.extend_from_slice(&block);
    }
    assert_bomb("framed snappy", Compression::Snappy, snappy);

    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&zeros).unwrap();
    assert_bomb("lz4", Compression::Lz4, lz4.finish().unwrap());

    // 4 bytes make 128 KiB, so this claims 34 GB.
    assert_bomb("zstd", Compression::Zstd, zstd_runs(SENT / 4));
    let honest = zstd::encode_all(&zeros[..], 3).unwrap();
    assert_bomb("zstd that tells no size", Compression::Zstd, honest);
}

/// A zstd frame of `count` blocks, each a run of 128 KiB of zeros.
fn zstd_runs(count: usize) -> Vec<u8> {
    let mut stream = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    for index in 1..=count {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(index == count);
        stream.extend_from_slice(&header.to_le_bytes()[..3]);
        stream.push(0);
    }
    stream
}

#[test]
fn false_sizes_are_not_believed() {
    // 2 GiB less one byte, in five bytes and nothing behind.
    attack(
        "snappy size",
        Compression::Snappy,
        vec![0xff, 0xff, 0xff, 0xff, 0x07],
    );
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    framed.extend_from_slice(&i32::MAX.to_be_bytes());
    attack("snappy block", Compression::Snappy, framed.clone());
    framed[16..].copy_from_slice(&(-1_i32).to_be_bytes());
    attack("negative snappy block", Compression::Snappy, framed);

    // A window of 2^31 and one of 3.75 TiB.
    for window in [0xa8, 0xff] {
        let mut stream = zstd_runs(1);
        stream[5] = window;
        let message = attack("zstd window", Compression::Zstd, stream).message;
        assert!(message.contains("window"), "{message}");
    }
    // A content of 2^62 bytes, and nothing of it.
    let mut stream = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    stream.extend_from_slice(&(1_u64 << 62).to_le_bytes());
    stream.extend_from_slice(&[1, 0, 0]);
    attack("zstd content size", Compression::Zstd, stream);

    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(b"some").unwrap();
    let mut lz4 = lz4.finish().unwrap();
    for size in [0x7fff_ffff_u32, 0x8000_ffff, 0xffff_ffff] {
        lz4[7..11].copy_from_slice(&size.to_le_bytes());
        attack("lz4 block size", Compression::Lz4, lz4.clone());
    }
}

#[test]
fn streams_of_nothing_but_headers_cost_little() {
    let empty = {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.finish().unwrap()
    };
    attack(
        "empty gzip members",
        Compression::Gzip,
        empty.repeat(SENT / empty.len()),
    );
    let frame = zstd::encode_all(&[][..], 1).unwrap();
    attack(
        "empty zstd frames",
        Compression::Zstd,
        frame.repeat(SENT / frame.len()),
    );
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0].repeat(SENT / 8);
    attack("skipped zstd frames", Compression::Zstd, skipped);
    let mut snappy = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    snappy.extend([0, 0, 0, 1, 0].repeat(SENT / 5));
    attack("empty snappy blocks", Compression::Snappy, snappy);
}

#[test]
fn stream_cut_off_anywhere_is_refused() {
    for codec in &CODECS[1..] {
        let sent = batch(*codec, 60);
        let stream = &sent[61..];
        for size in 0..stream.len() {
            let forged = Forged::compressed(*codec, 60, stream[..size].to_vec()).bytes();
            let rejection = validate_produce(&forged, &strict(), NOW);
            assert!(rejection.is_err(), "{codec} of {size} bytes");
        }
    }
}

/// Java's consumer tells the end of the stream at the broken header, and fails at the size behind it
/// if it asks again.
#[test]
fn snappy_blocks_behind_a_broken_second_header_are_refused_unless_they_are_cut_off() {
    let sent = batch(Compression::Snappy, 60);
    for (behind, is_taken) in [
        (&b""[..], true),
        (b"\xdc\xb3\x54", true),
        (b"\xdc\xb3\x54\x70", false),
        (b"\0\0\0\0", false),
        (b"\0\0\0\x01", true),
        (b"\0\0\0\x01\0", false),
    ] {
        let stream = [&sent[61..], b"\x82SNAQQY\0\0\0\0\x01\0\0\0\x01", behind].concat();
        let forged = Forged::compressed(Compression::Snappy, 60, stream).bytes();
        let taken = validate_produce(&forged, &AppendPolicy::default(), NOW);
        assert_eq!(taken.is_ok(), is_taken, "{behind:?}: {:?}", taken.err());
    }
}

/// A batch whose compressed records are `stream`, as it is stored.
fn stored(codec: Compression, stream: Vec<u8>) -> Result<Bytes, Rejection> {
    let sent = Forged::compressed(codec, 60, stream).bytes();
    let accepted = validate_produce(&sent, &strict(), NOW)?;
    Ok(accepted.to_bytes(Offset(0), LeaderEpoch(0)))
}

/// The stream is taken, and stored as the encoder here writes it: other readers than Java's refuse it.
fn assert_cleaned(name: &str, codec: Compression, stream: Vec<u8>) {
    let clean = stored(codec, batch(codec, 60)[61..].to_vec()).unwrap();
    let cleaned = stored(codec, stream).expect(name);
    assert_eq!(cleaned, clean, "{name}");
}

#[test]
fn bytes_behind_a_stream_that_java_does_not_look_at_are_taken_off() {
    let tails: [&[u8]; 4] = [&[0], &[0; 20], &[0xff; 5], &[0x1f, 0x8b, 7]];
    for codec in [Compression::Gzip, Compression::Lz4] {
        for tail in tails {
            let stream = [&batch(codec, 60)[61..], tail].concat();
            assert_cleaned(&format!("{codec} {tail:?}"), codec, stream);
        }
    }
    let snappy = &batch(Compression::Snappy, 60)[61..];
    let (header, blocks) = snappy.split_at(16);
    let not_quite = [&header[..7], &[9; 20]].concat();
    for (name, tail) in [
        ("a cut size", &[0, 0, 0][..]),
        ("a header", header),
        ("no header", &not_quite),
    ] {
        let stream = [snappy, tail].concat();
        assert_cleaned(name, Compression::Snappy, stream);
    }
    assert_cleaned(
        "a second stream",
        Compression::Snappy,
        [header, header, blocks].concat(),
    );
}

#[test]
fn bytes_behind_a_stream_that_java_looks_at_are_refused() {
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
    let gzip_member = [&header[..], &[0xff; 20]].concat();
    let cases: [(Compression, &[u8]); 6] = [
        (Compression::Gzip, &gzip_member),
        (Compression::Snappy, &[0; 20]),
        (Compression::Snappy, &[0xff; 5]),
        (Compression::Snappy, b"\x82SNAPPY"),
        (Compression::Zstd, &[0]),
        (Compression::Zstd, &[0xff; 5]),
    ];
    for (codec, tail) in cases {
        let stream = [&batch(codec, 60)[61..], tail].concat();
        assert!(stored(codec, stream).is_err(), "{codec}, {tail:?}");
    }
}

#[test]
fn random_bytes_are_no_stream() {
    let mut state = 1_u64;
    for codec in &CODECS[1..] {
        for size in 0..2000 {
            let stream = (0..size).map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            });
            attack("random bytes", *codec, stream.collect());
        }
    }
}

#[test]
fn limit_is_the_size_of_the_largest_stream_accepted() {
    for codec in CODECS {
        let plain: Vec<u8> = (0..300_000_u32).map(|at| (at / 100) as u8).collect();
        let mut stream = Vec::new();
        match codec {
            Compression::None => stream.clone_from(&plain),
            Compression::Gzip => {
                let level = flate2::Compression::default();
                let mut gzip = flate2::write::GzEncoder::new(&mut stream, level);
                gzip.write_all(&plain).unwrap();
                gzip.finish().unwrap();
            }
            Compression::Snappy => {
                stream = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
            }
            Compression::Lz4 => {
                let mut lz4 = lz4_flex::frame::FrameEncoder::new(&mut stream);
                lz4.write_all(&plain).unwrap();
                lz4.finish().unwrap();
            }
            Compression::Zstd => stream = zstd::encode_all(&plain[..], 3).unwrap(),
        }
        let mut scratch = Scratch::default();
        let exactly = scratch.decompress_up_to(plain.len(), codec, &stream);
        assert_eq!(exactly, Ok(&plain[..]), "{codec}");
        let limit = plain.len() - 1;
        let below = scratch.decompress_up_to(limit, codec, &stream);
        assert_eq!(
            below,
            Err(RecordsError::DecompressedTooLarge { limit }),
            "{codec}"
        );
        let again = scratch.decompress_up_to(plain.len(), codec, &stream);
        assert_eq!(again, Ok(&plain[..]), "{codec} after a failure");
    }
}

#[test]
fn members_and_frames_in_a_row_are_one_stream() {
    let mut scratch = Scratch::default();
    let mut gzip = Vec::new();
    for text in ["one ", "", "two"] {
        let mut member = flate2::GzBuilder::new()
            .filename("name")
            .comment("comment")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), flate2::Compression::best());
        member.write_all(text.as_bytes()).unwrap();
        gzip.extend(member.finish().unwrap());
    }
    assert_eq!(
        scratch.decompress(Compression::Gzip, &gzip),
        Ok(&b"one two"[..])
    );

    let mut zstd = zstd::encode_all(&b"one "[..], 3).unwrap();
    zstd.extend([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 7, 7, 7]);
    zstd.extend(zstd::encode_all(&b"two"[..], 3).unwrap());
    assert_eq!(
        scratch.decompress(Compression::Zstd, &zstd),
        Ok(&b"one two"[..])
    );
}

#[test]
fn flipped_bit_in_content_is_found_where_the_codec_has_a_checksum() {
    let mut scratch = Scratch::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(b"content").unwrap();
    let mut gzip = gzip.finish().unwrap();
    let at = gzip.len() - 10;
    gzip[at] ^= 1;
    assert!(scratch.decompress(Compression::Gzip, &gzip).is_err());

    let info = lz4_flex::frame::FrameInfo::new()
        .block_checksums(true)
        .content_checksum(true)
        .content_size(Some(7));
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(b"content").unwrap();
    let lz4 = lz4.finish().unwrap();
    assert_eq!(
        scratch.decompress(Compression::Lz4, &lz4),
        Ok(&b"content"[..])
    );
    // Java's reader does not compare the checksum of the content, at the end.
    for at in 0..lz4.len() - 4 {
        let mut flipped = lz4.clone();
        flipped[at] ^= 1;
        assert!(
            scratch.decompress(Compression::Lz4, &flipped).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn a_wrong_checksum_of_lz4_content_is_taken_off_as_java_does_not_look_at_it() {
    let whole = batch(Compression::Lz4, 60);
    let mut plain = Scratch::default();
    let plain = plain.decompress(Compression::Lz4, &whole[61..]).unwrap();
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(plain).unwrap();
    let mut stream = lz4.finish().unwrap();
    *stream.last_mut().unwrap() ^= 1;

    assert_cleaned("checksum", Compression::Lz4, stream);
}

#[test]
fn lz4_block_that_holds_nothing_is_refused_as_java_stops_there() {
    let info = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(b"content").unwrap();
    let whole = lz4.finish().unwrap();
    let (header, blocks) = whole.split_at(7);

    attack(
        "no bytes",
        Compression::Lz4,
        [header, &[1, 0, 0, 0, 0], blocks].concat(),
    );
}

/// Java's reader takes the flag off before it looks for the end mark: consumers stop there.
#[test]
fn stored_lz4_block_of_no_bytes_ends_the_frame() {
    let info = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(b"content").unwrap();
    let whole = lz4.finish().unwrap();
    let empty_block = (1_u32 << 31).to_le_bytes();
    let (header, blocks) = whole.split_at(7);
    let mut scratch = Scratch::default();

    let block = &blocks[..blocks.len() - 4];
    for (name, stream, read) in [
        ("first", [header, &empty_block, blocks].concat(), &b""[..]),
        (
            "second",
            [header, block, &empty_block, &[0; 4]].concat(),
            b"content",
        ),
    ] {
        assert_eq!(scratch.decompress(Compression::Lz4, &stream), Ok(read));
        attack(name, Compression::Lz4, stream);
    }
    let ended = [header, &blocks[..blocks.len() - 4], &empty_block].concat();
    assert_eq!(
        scratch.decompress(Compression::Lz4, &ended),
        Ok(&b"content"[..])
    );
}

#[test]
fn lz4_blocks_that_depend_on_each_other_are_refused_as_kafka_refuses_them() {
    let info = lz4_flex::frame::FrameInfo::new().block_mode(lz4_flex::frame::BlockMode::Linked);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(b"content").unwrap();

    let message = attack("linked blocks", Compression::Lz4, lz4.finish().unwrap()).message;

    assert!(message.contains("depend"), "{message}");
}
