//! Whatever the bytes, decoding gives a value or an error, never a panic, and its heap is bounded.
//!
//! Valid frames of every message and version, a million of them, each damaged in a few places: bits
//! flipped, cut short, lengths replaced by the ones that attackers choose, pieces moved.

use std::collections::HashMap;

use broker::protocol::messages::metadata_records::MetadataRecord;
use broker::protocol::messages::offsets_records::OffsetsRecord;
use broker::protocol::reader::{MAX_HEAP_FACTOR, MIN_HEAP_BUDGET};
use broker::protocol::{DecodeError, Reader, RequestHeader};
use bytes::Bytes;

use crate::cases::{self, Case};
use crate::generate::{self, Random};
use crate::heap;

/// What sharing the input takes, whatever its length.
const SHARING: usize = 256;

/// Damaged copies of each valid frame.
const COPIES: usize = 25;

/// Decodes with `decode` and checks that the heap stays within its bounds.
fn check(what: &str, bytes: Vec<u8>, decode: impl FnOnce(Bytes) -> Result<(), DecodeError>) {
    let length = bytes.len();
    let bytes = Bytes::from(bytes);
    let shared = bytes.clone();
    let (_, peak) = heap::peak_of(|| decode(shared));
    let allowed = length * MAX_HEAP_FACTOR + MIN_HEAP_BUDGET + SHARING;
    assert!(
        peak <= allowed,
        "{what}: {peak} bytes of heap for {bytes:x?}"
    );
}

/// Damages `bytes` in one to four places.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            bytes.push(random.next() as u8);
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let piece = bytes[at..].iter().take(random.below(40)).copied();
                let piece: Vec<u8> = piece.collect();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => replace_length(bytes, at, random),
        }
    }
}

/// Puts a length there that attackers choose, in either encoding.
fn replace_length(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    const LENGTHS: [&[u8]; 12] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0x00, 0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0x00, 0x00, 0xff, 0xff],
        &[0x7f, 0xff],
        &[0xff, 0xff],
        &[0xff, 0xfe],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x80, 0x80, 0x04],
        &[0x00],
    ];
    let length = LENGTHS[random.below(LENGTHS.len())];
    let end = bytes.len().min(at + length.len());
    bytes.splice(at..end, length.iter().copied());
}

/// Damaged values of `cases`, `frames` of them or a few more.
fn check_damaged(seed: u64, frames: usize, cases: &[Case]) {
    let mut random = Random::new(seed);
    let versions: usize = cases.iter().map(|case| case.versions.clone().count()).sum();
    let samples = frames.div_ceil(versions * COPIES);
    for case in cases {
        for version in case.versions.clone() {
            for _ in 0..samples {
                let valid = generate::message(case.schema, version, &mut random);
                for _ in 0..COPIES {
                    let mut bytes = valid.clone();
                    damage(&mut bytes, &mut random);
                    let what = format!("{} {version}, SEED={seed}", case.name);
                    check(&what, bytes, |bytes| (case.decode)(bytes, version));
                }
            }
        }
    }
}

#[test]
fn half_a_million_damaged_requests_do_no_harm() {
    let seed = generate::seed(5);
    let mut random = Random::new(seed);
    let apis = cases::apis();
    let decoders: HashMap<i16, _> = apis
        .iter()
        .map(|api| (api.key as i16, api.request.decode))
        .collect();
    let decode = |bytes: Bytes| {
        let mut reader = Reader::new(bytes);
        let header = RequestHeader::decode(&mut reader)?;
        match decoders.get(&header.api_key) {
            Some(decode) => decode(reader.take_rest(), header.api_version),
            None => Err(DecodeError::UnknownApiKey(header.api_key)),
        }
    };
    let versions: usize = apis
        .iter()
        .map(|api| api.request.versions.clone().count())
        .sum();
    let samples = 500_000_usize.div_ceil(versions * COPIES);

    for api in &apis {
        for version in api.request.versions.clone() {
            for _ in 0..samples {
                let mut valid = Vec::new();
                valid.extend((api.key as i16).to_be_bytes());
                valid.extend(version.to_be_bytes());
                valid.extend([0, 0, 0, 1, 0, 2, b'm', b'e']);
                if api.key.is_flexible(version) {
                    valid.push(0);
                }
                valid.extend(generate::message(api.request.schema, version, &mut random));
                assert_eq!(decode(Bytes::from(valid.clone())), Ok(()), "SEED={seed}");
                for _ in 0..COPIES {
                    let mut bytes = valid.clone();
                    damage(&mut bytes, &mut random);
                    check(
                        &format!("{} {version}, SEED={seed}", api.key),
                        bytes,
                        decode,
                    );
                }
            }
        }
    }
}

#[test]
fn a_quarter_of_a_million_damaged_responses_do_no_harm() {
    let responses: Vec<Case> = cases::apis().into_iter().map(|api| api.response).collect();

    check_damaged(generate::seed(6), 250_000, &responses);
}

#[test]
fn a_quarter_of_a_million_damaged_records_do_no_harm() {
    let seed = generate::seed(7);
    let mut records = cases::embedded();
    for (_, key, value) in cases::offsets_records() {
        records.extend([key, value]);
    }
    check_damaged(seed, 150_000, &records);

    let mut random = Random::new(seed);
    for (number, case) in cases::metadata_records() {
        for version in case.versions.clone() {
            for _ in 0..100_000 / 30 {
                let mut bytes = vec![1, number as u8, version as u8];
                bytes.extend(generate::message(case.schema, version, &mut random));
                damage(&mut bytes, &mut random);
                let what = format!("{} {version}, SEED={seed}", case.name);
                let as_key = Bytes::copy_from_slice(&bytes);
                check(&what, bytes, |bytes| {
                    MetadataRecord::decode(bytes).map(drop)
                });
                // Nor does it when it is taken for something else.
                let _ = OffsetsRecord::decode(as_key.clone(), Some(as_key));
            }
        }
    }
}

#[test]
fn a_false_length_anywhere_is_refused_or_harmless() {
    let seed = generate::seed(8);
    let mut random = Random::new(seed);
    for case in cases::all() {
        for version in case.versions.clone() {
            let valid = generate::message(case.schema, version, &mut random);
            for at in 0..valid.len().min(200) {
                let mut bytes = valid.clone();
                replace_length(&mut bytes, at, &mut random);
                let what = format!("{} {version}, SEED={seed}", case.name);
                check(&what, bytes, |bytes| (case.decode)(bytes, version));
            }
        }
    }
}

#[test]
fn a_value_cut_short_or_followed_by_more_is_refused() {
    let mut random = Random::new(generate::seed(9));
    for case in cases::all() {
        for version in case.versions.clone() {
            let valid = generate::message(case.schema, version, &mut random);
            for end in 0..valid.len().min(200) {
                let cut = Bytes::copy_from_slice(&valid[..end]);
                assert!(
                    (case.decode)(cut, version).is_err(),
                    "{} {version} {end}",
                    case.name
                );
            }
            let longer = Bytes::from([valid.as_slice(), &[0]].concat());
            assert_eq!(
                (case.decode)(longer, version),
                Err(DecodeError::TrailingBytes(1))
            );
        }
    }
}

#[test]
fn many_unknown_tagged_fields_cost_nothing() {
    // Heartbeat 4: group, generation, member, instance, 10,000 tagged fields of no bytes.
    let mut bytes = vec![1, 0, 0, 0, 0, 1, 0];
    bytes.extend([0x90, 0x4e]);
    for tag in 0..10_000_u32 {
        let mut tag = tag;
        while tag >= 0x80 {
            bytes.push(tag as u8 | 0x80);
            tag >>= 7;
        }
        bytes.extend([tag as u8, 0]);
    }
    let apis = cases::apis();
    let heartbeat = apis
        .iter()
        .find(|api| api.key.name() == "Heartbeat")
        .expect("it is there");

    let bytes = Bytes::from(bytes);
    let (result, peak) = heap::peak_of(|| (heartbeat.request.decode)(bytes, 4));

    assert_eq!(result, Ok(()));
    assert!(peak <= SHARING, "{peak}");
}

#[test]
fn an_array_of_empty_elements_stays_within_the_budget() {
    // DescribeGroups 5: a million empty group ids, each of one byte, and of 32 in memory.
    let mut bytes = vec![0xc1, 0x84, 0x3d];
    bytes.extend(std::iter::repeat_n(1, 1_000_000));
    let apis = cases::apis();
    let api = apis
        .iter()
        .find(|api| api.key.name() == "DescribeGroups")
        .expect("it is there");

    let bytes = Bytes::from(bytes);
    let (result, peak) = heap::peak_of(|| (api.request.decode)(bytes, 5));

    assert_eq!(result, Err(DecodeError::HeapBudgetExceeded));
    assert!(peak <= SHARING, "{peak}");
}
