//! What ends a connection, and what it survives: raw bytes, and what comes back.
//!
//! After each case the same connection is asked for the versions: an answer shows that it lives.

use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::metadata::MetadataRequest;
use broker::protocol::messages::produce::ProduceRequest;
use broker::protocol::{ApiKey, Str};
use bytes::{BufMut as _, Bytes};

use super::batches::good;
use super::fetch;
use super::pair::Pair;
use super::side::{Reply, Side};
use super::topics::{create, produce, topic};

pub fn compare(pair: &mut Pair) {
    create(pair, &[topic("raw", 1, &[])]);
    for (case, bytes) in sizes().into_iter().chain(headers()).chain(bodies()) {
        raw(pair, &case, &bytes);
    }
    for key in unserved() {
        for version in [0, 1] {
            raw(
                pair,
                &format!("API {key} version {version}"),
                &framed(&header(key, version)),
            );
        }
    }
    without_acks(pair);
    several_at_once(pair);
}

/// A header without flexible parts, with a client id.
fn header(key: i16, version: i16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i16(key);
    bytes.put_i16(version);
    bytes.put_i32(77);
    bytes.put_i16(1);
    bytes.put_slice(b"c");
    bytes
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i32(i32::try_from(body.len()).expect("it is short"));
    bytes.put_slice(body);
    bytes
}

fn sizes() -> Vec<(String, Vec<u8>)> {
    let size = |size: i32| {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend([0; 64]);
        bytes
    };
    let sizes = [-1, i32::MIN, 0, 1, 7, 100 * 1024 * 1024 + 1, i32::MAX];
    sizes.map(|it| (format!("a size of {it}"), size(it))).into()
}

fn headers() -> Vec<(String, Vec<u8>)> {
    let metadata = ApiKey::Metadata as i16;
    let mut null_client = Vec::new();
    null_client.put_i16(metadata);
    null_client.put_i16(1);
    null_client.put_i32(-5);
    null_client.put_i16(-1);
    null_client.put_i32(0);
    let bad_text = [&header(metadata, 1)[..10], &[0xff, 0, 0, 0, 0]].concat();
    let long_client = [&header(metadata, 1)[..8], &[0x7f, 0xff, b'c', 0, 0, 0, 0]].concat();
    let tagged = |tags: &[u8]| [&header(metadata, 9)[..], tags, &[1, 0, 0, 0, 0]].concat();
    let mut cases = vec![
        ("a null client id and a negative id".to_owned(), null_client),
        ("a client id that is no UTF-8".to_owned(), bad_text),
        ("a client id beyond the end".to_owned(), long_client),
        ("no tags in the header".to_owned(), tagged(&[0])),
        (
            "an unknown tag in the header".to_owned(),
            tagged(&[1, 9, 2, 0, 0]),
        ),
        (
            "tags beyond the end in the header".to_owned(),
            tagged(&[1, 9, 0x7f]),
        ),
        (
            "a tag twice in the header".to_owned(),
            tagged(&[2, 9, 0, 9, 0]),
        ),
        (
            "tags out of order in the header".to_owned(),
            tagged(&[2, 9, 0, 8, 0]),
        ),
    ];
    for length in [2, 4, 6, 8, 9, 11] {
        let cut = header(metadata, 1)[..length].to_vec();
        cases.push((format!("{length} bytes of a header"), cut));
    }
    for (key, version) in [
        (3, 99),
        (3, -1),
        (0, 2),
        (1, 3),
        (1, 19),
        (2, 0),
        (19, 1),
        (32, 0),
        (18, 6),
        (18, 99),
        (18, -1),
        (-1, 0),
        (9_999, 0),
        (4, 0),
        (5, 0),
        (7, 0),
        (i16::MAX, i16::MAX),
    ] {
        cases.push((format!("API {key} version {version}"), header(key, version)));
    }
    for version in [6, 99, i16::MAX] {
        let mut with_tags = header(18, version);
        with_tags.push(0);
        cases.push((format!("API 18 version {version} with tags"), with_tags));
    }
    cases
        .into_iter()
        .map(|(case, body)| (case, framed(&body)))
        .collect()
}

fn bodies() -> Vec<(String, Vec<u8>)> {
    let with =
        |version: i16, body: &[u8]| [&header(ApiKey::Metadata as i16, version)[..], body].concat();
    let cases = vec![
        ("no body", with(1, &[])),
        ("half a body", with(1, &[0, 0])),
        ("bytes behind the body", with(1, &[0, 0, 0, 0, 1, 2, 3])),
        (
            "bytes behind a flexible body",
            with(9, &[0, 1, 0, 0, 0, 0, 9, 9]),
        ),
        (
            "an array beyond the end",
            with(1, &[0, 0, 0, 5, 0, 1, b'a']),
        ),
        ("a huge array", with(1, &[0x7f, 0xff, 0xff, 0xff])),
        ("a negative array", with(1, &[0xff, 0xff, 0xff, 0xfe])),
        (
            "a null array where none may be",
            with(0, &[0xff, 0xff, 0xff, 0xff]),
        ),
        (
            "a null text where none may be",
            with(1, &[0, 0, 0, 1, 0xff, 0xff]),
        ),
        (
            "a text of negative length",
            with(1, &[0, 0, 0, 1, 0xff, 0xfe]),
        ),
        (
            "a text that is no UTF-8",
            with(1, &[0, 0, 0, 1, 0, 1, 0xff]),
        ),
        (
            "a huge compact array",
            with(9, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
        ),
        (
            "a varint that is too long",
            with(9, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ),
        ("a boolean of 2", with(9, &[0, 1, 2, 2, 2, 0])),
        (
            "an unknown tag in the body",
            with(9, &[0, 1, 0, 0, 0, 1, 30, 1, 5]),
        ),
        (
            "an unknown tag twice in the body",
            with(9, &[0, 1, 0, 0, 0, 2, 30, 1, 5, 30, 1, 6]),
        ),
        (
            "unknown tags out of order in the body",
            with(9, &[0, 1, 0, 0, 0, 2, 31, 1, 5, 30, 1, 6]),
        ),
        (
            "a tag beyond the end",
            with(9, &[0, 1, 0, 0, 0, 1, 30, 100, 5]),
        ),
    ];
    let framed = cases
        .into_iter()
        .map(|(case, body)| (case.to_owned(), framed(&body)));
    let mut cases: Vec<_> = framed.collect();
    cases.push((
        "an HTTP request".to_owned(),
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec(),
    ));
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0];
    cases.push(("a TLS hello".to_owned(), tls.to_vec()));
    cases
}

/// APIs that a broker's listener does not serve, or only with security set up.
fn unserved() -> [i16; 15] {
    [52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 94, 17, 36]
}

/// Sends `bytes` to both, then a request, and compares what came.
fn raw(pair: &mut Pair, case: &str, bytes: &[u8]) {
    let [ours, apache] = [&mut pair.ours, &mut pair.apache].map(|side| outcome(side, bytes));
    let api = "Connection";
    pair.compare_texts(api, case, ours, apache);
}

fn outcome(side: &mut Side, bytes: &[u8]) -> String {
    side.hang_up();
    side.send(bytes);
    // What is sent behind a request that cannot be served is never read.
    let versions = framed(&header(ApiKey::ApiVersions as i16, 0));
    side.send(&versions);
    let mut seen = Vec::new();
    for _ in 0..2 {
        match side.receive() {
            Reply::Answer(bytes) => seen.push(answer(&bytes)),
            Reply::Closed => {
                seen.push("closed".to_owned());
                break;
            }
            Reply::Silent => {
                seen.push("silence".to_owned());
                break;
            }
        }
    }
    side.hang_up();
    seen.join(", then ")
}

/// An answer's correlation id, and its error if it refuses a version of ApiVersions; what else is in
/// answers is compared elsewhere.
fn answer(bytes: &Bytes) -> String {
    let id = bytes.first_chunk().map_or(0, |id| i32::from_be_bytes(*id));
    match bytes.get(4..6) {
        Some([0, 35]) => format!("a refusal of {id}"),
        _ => format!("an answer to {id}"),
    }
}

/// Produces without an answer: good ones leave the connection alone, bad ones end it.
fn without_acks(pair: &mut Pair) {
    let silent = |side: &Side, topic: &str, index: i32, records: Bytes| ProduceRequest {
        acks: 0,
        ..produce(side, topic, index, Some(records))
    };
    let mut bad = good(1).to_vec();
    bad[18] ^= 1;
    for version in pair.versions(ApiKey::Produce) {
        for (case, topic, index, records) in [
            ("good", "raw", 0, good(1)),
            ("corrupt", "raw", 0, Bytes::from(bad.clone())),
            ("unknown topic", "absent", 0, good(1)),
            ("unknown partition", "raw", 9, good(1)),
            ("no records", "raw", 0, Bytes::new()),
        ] {
            pair.ours.hang_up();
            pair.apache.hang_up();
            pair.send(version, |side| silent(side, topic, index, records.clone()));
            pair.compare(
                &format!("after acks=0, {case}, version {version}"),
                3,
                |_| ApiVersionsRequest {
                    client_software_name: Str::from_static("a"),
                    client_software_version: Str::from_static("1"),
                    ..ApiVersionsRequest::default()
                },
            );
        }
        fetch::compare_log(
            pair,
            &format!("what acks=0 of version {version} left"),
            "raw",
        );
    }
}

/// Many requests before the first answer is read: all are answered, in order.
fn several_at_once(pair: &mut Pair) {
    pair.ours.hang_up();
    pair.apache.hang_up();
    const COUNT: usize = 20;
    for index in 0..COUNT {
        match index % 3 {
            0 => pair.send(9, |_| MetadataRequest::default()),
            _ => pair.send(9, |side| produce(side, "raw", 0, Some(good(1)))),
        }
    }
    let [ours, apache] = [&mut pair.ours, &mut pair.apache].map(|side| {
        let answers = (0..COUNT).map(|_| match side.receive() {
            Reply::Answer(bytes) => bytes.first_chunk().map_or(0, |id| i32::from_be_bytes(*id)),
            Reply::Closed | Reply::Silent => 0,
        });
        let ids: Vec<i32> = answers.collect();
        let in_order = ids.windows(2).all(|pair| pair[1] == pair[0] + 1);
        format!("answers in order: {in_order}")
    });
    pair.compare_texts("Connection", "many requests at once", ours, apache);
}
