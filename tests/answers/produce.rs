//! Produce: what is taken, and each way to be refused.

use broker::model::{Offset, ProducerId};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ApiKey, Str};
use broker::records::{BatchBuilder, Compression, HEADER_SIZE, NewRecord};
use bytes::Bytes;

use super::batches::{self, T0, at, good, raw, raw_record, with_attributes, with_i32, with_i64};
use super::fetch;
use super::masked::now;
use super::pair::Pair;
use super::side::Side;
use super::topics::{create, new_producer, produce, topic};

/// Bits of a batch's attributes.
const LOG_APPEND_TIME: i16 = 0b1000;
const TRANSACTIONAL: i16 = 0b1_0000;
const CONTROL: i16 = 0b10_0000;
const DELETE_HORIZON: i16 = 0b100_0000;

/// The kinds of topics that each version writes to, with what they are configured to.
const KINDS: [(&str, &[(&str, &str)]); 8] = [
    ("plain", &[]),
    // For what only Apache takes: its offsets must not run away where others are compared.
    ("lax", &[]),
    ("compacted", &[("cleanup.policy", "compact")]),
    (
        "append-time",
        &[("message.timestamp.type", "LogAppendTime")],
    ),
    ("small", &[("max.message.bytes", "200")]),
    (
        "bounded",
        &[
            ("message.timestamp.before.max.ms", "60000"),
            ("message.timestamp.after.max.ms", "60000"),
        ],
    ),
    ("gzipped", &[("compression.type", "gzip")]),
    ("uncompressed", &[("compression.type", "uncompressed")]),
];

/// Cases that Apache takes and we refuse.
const LAX: [&str; 3] = [
    "offset deltas from 1",
    "an offset delta twice",
    "a negative offset delta",
];

pub fn compare(pair: &mut Pair) {
    create(pair, &[topic("__consumer_offsets", 1, &[])]);
    for version in pair.versions(ApiKey::Produce) {
        let topics: Vec<_> = KINDS
            .iter()
            .map(|(kind, configs)| topic(&format!("{kind}-{version}"), 2, configs))
            .collect();
        create(pair, &topics);
        let producer = 2 * usize::try_from(version).expect("versions are not negative");
        // Kinds of producers: the first is used in order, the second out of it.
        while pair.ours.own.producer_count() < producer + 2 {
            new_producer(pair);
        }
        let mut run = Run { pair, version };
        run.batches();
        run.codecs();
        run.streams();
        run.producers(producer);
        run.transactions(producer);
        run.records();
        run.topics();
        run.requests();
        run.several();
        for (kind, _) in KINDS.into_iter().filter(|(kind, _)| *kind != "lax") {
            let name = format!("{kind}-{version}");
            fetch::compare_log(run.pair, &format!("what Produce {version} left"), &name);
        }
    }
}

/// The cases of one version.
struct Run<'a> {
    pair: &'a mut Pair,
    version: i16,
}

impl Run<'_> {
    fn name(&self, kind: &str) -> String {
        format!("{kind}-{}", self.version)
    }

    /// Writes `records` to the first partition of the topic of this kind.
    fn case(&mut self, case: &str, kind: &str, records: &Bytes) {
        self.case_of(case, kind, |_| records.clone());
    }

    fn case_of(&mut self, case: &str, kind: &str, records: impl Fn(&Side) -> Bytes) {
        let topic = self.name(kind);
        self.pair.compare(case, self.version, |side| {
            produce(side, &topic, 0, Some(records(side)))
        });
    }

    fn batches(&mut self) {
        let fine = good(2);
        for (case, records) in framed(&fine)
            .iter()
            .chain(&flagged(&fine))
            .chain(&counted(&fine))
        {
            let is_lax = LAX.contains(case);
            self.case(case, if is_lax { "lax" } else { "plain" }, records);
        }
        for (case, length) in [
            ("a length of 0", 0),
            ("a negative length", -1),
            ("a length below a header", 40),
            ("a length one too large", fine.len() as i32 - 11),
            ("a huge length", i32::MAX),
        ] {
            let mut bytes = fine.to_vec();
            bytes[at::LENGTH..at::LENGTH + 4].copy_from_slice(&length.to_be_bytes());
            self.case(case, "plain", &bytes.into());
        }
    }

    fn codecs(&mut self) {
        for codec in [
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let name = codec.name();
            let batch = batches::compressed(codec, 5);
            let none = with_attributes(&good(2), i16::from(codec.id()));
            let cut = batches::sealed(batch[..batch.len() - 3].to_vec());
            let miscounted = with_i32(&batch, at::RECORD_COUNT, 4);
            let counted_0 = with_i32(&batch, at::RECORD_COUNT, 0);
            let empty = with_i32(&counted_0, at::LAST_OFFSET_DELTA, 0);
            self.case(name, "plain", &batch);
            for (case, records) in [
                ("that is none", none),
                ("with a wrong checksum", flipped(&batch)),
                ("that is cut", cut),
                ("with a wrong count", miscounted),
                ("with a count of 0", empty),
            ] {
                self.case(&format!("{name} {case}"), "plain", &records);
            }
        }
    }

    /// Streams that Java's reader takes and others do not, and such as no consumer reads.
    fn streams(&mut self) {
        let zeros = [0; 30];
        let header = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
        for (codec, tails) in [
            (Compression::Gzip, [&zeros[..], &[7], &zeros[..3]]),
            (Compression::Lz4, [&zeros[..], &[7], &zeros[..3]]),
            (Compression::Snappy, [&header[..], &[7], &zeros[..3]]),
        ] {
            for tail in tails {
                let stream = [&batches::compressed(codec, 5), tail].concat();
                let case = format!("{} with {} bytes behind it", codec.name(), tail.len());
                self.case(&case, "plain", &batches::sealed(stream));
            }
        }
        let zstd = batches::compressed(Compression::Zstd, 5);
        let twice = [&zstd, &zstd[HEADER_SIZE..zstd.len() - 3]].concat();
        self.case("zstd and half a frame", "lax", &batches::sealed(twice));
        for (case, kind, block) in [
            ("that is stored", "plain", [0, 0, 0, 0x80].as_slice()),
            ("that is compressed", "lax", &[1, 0, 0, 0, 0]),
        ] {
            let lz4 = batches::compressed(Compression::Lz4, 5);
            let (frame, blocks) = lz4.split_at(HEADER_SIZE + 7);
            let stream = [frame, block, blocks].concat();
            let case = format!("lz4 with an empty block {case}");
            self.case(&case, kind, &batches::sealed(stream));
        }
    }

    fn producers(&mut self, first: usize) {
        let sequenced = |side: &Side, index: usize, epoch: i16, sequence: i32| {
            batches::sequenced(side.own.producer(first + index), epoch, sequence)
        };
        for (case, index, epoch, sequence) in [
            ("the first of a producer", 0, 0, 0),
            ("the second of a producer", 0, 0, 2),
            ("a duplicate of the last", 0, 0, 2),
            ("a duplicate of the first", 0, 0, 0),
            ("a gap in the sequence", 0, 0, 7),
            ("an overlap in the sequence", 0, 0, 3),
            ("a negative sequence", 0, 0, -1),
            ("a negative epoch", 0, -1, 4),
            ("a higher epoch with a sequence", 0, 1, 4),
            ("a higher epoch from 0", 0, 1, 0),
            ("an epoch of the past", 0, 0, 4),
            ("an epoch of the past from 0", 0, 0, 0),
            ("a new producer with a sequence", 1, 0, 5),
            ("the last sequence there is", 1, 0, i32::MAX - 1),
            ("the sequence after the last", 1, 0, 0),
            ("again the sequence after the last", 1, 0, 0),
        ] {
            self.case_of(case, "plain", |side| {
                sequenced(side, index, epoch, sequence)
            });
        }
        self.case(
            "an unknown producer",
            "plain",
            &batches::sequenced(ProducerId(4_711), 3, 0),
        );
        for sequence in (2..=14).step_by(2) {
            let case = format!("the sequence {sequence}");
            self.case_of(&case, "plain", |side| sequenced(side, 1, 0, sequence));
        }
        for sequence in (2..=14).step_by(2) {
            let case = format!("again the sequence {sequence}");
            self.case_of(&case, "plain", |side| sequenced(side, 1, 0, sequence));
        }
        self.case_of("a longer duplicate", "plain", |side| {
            let id = side.own.producer(first + 1);
            let mut builder = BatchBuilder::new(Offset::ZERO).producer(id, 0, 14);
            for _ in 0..3 {
                builder.append(NewRecord::default());
            }
            builder.build()
        });
    }

    fn transactions(&mut self, first: usize) {
        let sequenced = |side: &Side| batches::sequenced(side.own.producer(first), 1, 2);
        let transactional = |side: &Side| with_attributes(&sequenced(side), TRANSACTIONAL);
        self.case_of("a transaction that nobody began", "plain", transactional);
        self.case_of("control records of a producer", "plain", |side| {
            with_attributes(&sequenced(side), CONTROL)
        });
        let topic = self.name("plain");
        for (case, id) in [
            ("a transactional id", "mine"),
            ("an empty transactional id", ""),
        ] {
            self.pair
                .compare(case, self.version, |side| ProduceRequest {
                    transactional_id: Some(Str::from_static(id)),
                    ..produce(side, &topic, 0, Some(transactional(side)))
                });
            let case = format!("{case} without a transaction");
            self.pair
                .compare(&case, self.version, |side| ProduceRequest {
                    transactional_id: Some(Str::from_static(id)),
                    ..produce(side, &topic, 0, Some(good(1)))
                });
        }
    }

    fn records(&mut self) {
        let nothing = [1, 1, 0];
        let cases: Vec<(&str, Bytes)> = vec![
            (
                "a record without key and value",
                raw(&[raw_record(0, &nothing)]),
            ),
            ("offset deltas from 1", raw(&[raw_record(1, &nothing)])),
            (
                "an offset delta twice",
                raw(&[raw_record(0, &nothing), raw_record(0, &nothing)]),
            ),
            ("a negative offset delta", raw(&[raw_record(-1, &nothing)])),
            ("a key length of -2", raw(&[raw_record(0, &[3, 1, 0])])),
            ("a value length of -2", raw(&[raw_record(0, &[1, 3, 0])])),
            ("a key that is too long", raw(&[raw_record(0, &[20, 1, 0])])),
            (
                "a value that is too long",
                raw(&[raw_record(0, &[1, 20, 0])]),
            ),
            ("a negative header count", raw(&[raw_record(0, &[1, 1, 1])])),
            (
                "a header count too large",
                raw(&[raw_record(0, &[1, 1, 8])]),
            ),
            (
                "a header without a key",
                raw(&[raw_record(0, &[1, 1, 2, 1, 1])]),
            ),
            (
                "headers with empty key and null value",
                raw(&[raw_record(0, &[1, 1, 4, 0, 1, 0, 0])]),
            ),
            (
                "bytes behind a record",
                raw(&[raw_record(0, &[1, 1, 0, 9])]),
            ),
            ("a record of no bytes", raw(&[vec![]])),
            ("a record of one byte", raw(&[vec![0]])),
            (
                "record attributes",
                raw(&[[&[9], &raw_record(0, &nothing)[1..]].concat()]),
            ),
        ];
        for (case, records) in &cases {
            let is_lax = LAX.contains(case);
            self.case(case, if is_lax { "lax" } else { "plain" }, records);
        }
        let mut bytes = good(1).to_vec();
        bytes.push(0);
        self.case(
            "a byte behind the records",
            "plain",
            &batches::sealed(bytes),
        );
    }

    fn topics(&mut self) {
        let keyless = raw(&[raw_record(0, &[1, 1, 0])]);
        let half_keyless = raw(&[
            raw_record(0, &[2, b'k', 1, 0]),
            raw_record(1, &[1, 1, 0]),
            raw_record(2, &[1, 1, 0]),
        ]);
        self.case("keys for a compacted topic", "compacted", &good(2));
        self.case("no key for a compacted topic", "compacted", &keyless);
        self.case(
            "some keys for a compacted topic",
            "compacted",
            &half_keyless,
        );
        for kind in ["append-time", "gzipped", "uncompressed", "small"] {
            for (case, records) in [
                ("one record", good(1)),
                ("more records", good(4)),
                ("snappy", batches::compressed(Compression::Snappy, 4)),
                ("gzip", batches::compressed(Compression::Gzip, 4)),
            ] {
                self.case(&format!("{case} to a topic that is {kind}"), kind, &records);
            }
        }
        let append_time = with_attributes(&good(1), LOG_APPEND_TIME);
        self.case(
            "log append time to a topic that has it",
            "append-time",
            &append_time,
        );
        let hour = 3_600_000;
        for (case, time) in [
            ("a timestamp too old", now() - hour),
            ("a timestamp too new", now() + hour),
            ("a timestamp of now", now()),
            ("no timestamp", -1),
            ("a negative timestamp", -5),
        ] {
            self.case(case, "bounded", &batches::filled_at(time, 1).build());
            self.case(
                &format!("{case} among records"),
                "bounded",
                &batches::filled_at(time - 1_000, 2).build(),
            );
        }
        self.case(
            "a timestamp of the far future",
            "plain",
            &batches::filled_at(now() + 26 * hour, 1).build(),
        );
        self.case(
            "a timestamp of the distant past",
            "plain",
            &batches::filled_at(1, 1).build(),
        );
    }

    fn requests(&mut self) {
        let plain = self.name("plain");
        let version = self.version;
        let pair = &mut *self.pair;
        for acks in [1, 2, -2, 100] {
            pair.compare(&format!("acks={acks}"), version, |side| ProduceRequest {
                acks,
                ..produce(side, &plain, 0, Some(good(1)))
            });
        }
        for timeout_ms in [0, -1, i32::MAX] {
            pair.compare(&format!("a timeout of {timeout_ms}"), version, |side| {
                ProduceRequest {
                    timeout_ms,
                    ..produce(side, &plain, 0, Some(good(1)))
                }
            });
        }
        for (case, topic, index) in [
            ("an unknown topic", "absent", 0),
            ("an unknown partition", plain.as_str(), 2),
            ("a negative partition", plain.as_str(), -1),
            ("an internal topic", "__consumer_offsets", 0),
            ("an internal topic that is absent", "__transaction_state", 0),
            ("the metadata log", "__cluster_metadata", 0),
            ("an invalid topic name", "a/b", 0),
            ("an empty topic name", "", 0),
        ] {
            for (what, records) in [("good", good(1)), ("bad", flipped(&good(1)))] {
                pair.compare(&format!("{what} records for {case}"), version, |side| {
                    produce(side, topic, index, Some(records.clone()))
                });
            }
        }
        // One version shows it: Apache's silence takes all the patience there is.
        if version == pair.newest(ApiKey::Produce) {
            pair.compare("null records", version, |side| {
                produce(side, &plain, 0, None)
            });
        }
        pair.compare("no topics", version, |_| ProduceRequest {
            acks: -1,
            ..ProduceRequest::default()
        });
        pair.compare("no topics with acks=7", version, |_| ProduceRequest {
            acks: 7,
            ..ProduceRequest::default()
        });
        pair.client_id = Some(Str::from_static("__admin_client"));
        pair.compare("an internal topic by the admin client", version, |side| {
            produce(side, "__consumer_offsets", 0, Some(good(1)))
        });
        pair.client_id = Some(Str::from_static("answers"));
    }

    /// Several partitions in one request.
    fn several(&mut self) {
        let plain = self.name("plain");
        let lax = self.name("lax");
        let compacted = self.name("compacted");
        let version = self.version;
        let pair = &mut *self.pair;
        let partition = |index, records: &Bytes| PartitionProduceData {
            index,
            records: Some(records.clone()),
        };
        let data = |side: &Side, topic: &str, partition_data: Vec<PartitionProduceData>| {
            TopicProduceData {
                name: Str::from(topic.to_owned()),
                topic_id: side.own.topic_id(topic),
                partition_data,
            }
        };
        let request = |topic_data| ProduceRequest {
            acks: -1,
            timeout_ms: 5_000,
            topic_data,
            ..ProduceRequest::default()
        };
        let (fine, bad) = (good(1), flipped(&good(1)));
        pair.compare("a topic without partitions", version, |side| {
            request(vec![data(side, &plain, vec![])])
        });
        pair.compare("a good and a bad partition", version, |side| {
            request(vec![data(
                side,
                &plain,
                vec![partition(0, &fine), partition(1, &bad)],
            )])
        });
        pair.compare("two topics, one unknown", version, |side| {
            request(vec![
                data(side, &plain, vec![partition(1, &fine)]),
                data(side, "absent", vec![partition(0, &fine)]),
                data(
                    side,
                    &compacted,
                    vec![partition(1, &fine), partition(3, &fine)],
                ),
            ])
        });
        pair.compare("a partition twice", version, |side| {
            request(vec![data(
                side,
                &lax,
                vec![partition(0, &fine), partition(0, &good(2))],
            )])
        });
        pair.compare("a topic twice", version, |side| {
            request(vec![
                data(side, &plain, vec![partition(0, &fine)]),
                data(side, &plain, vec![partition(1, &fine)]),
            ])
        });
        if version >= 13 {
            pair.compare("a topic id of zero", version, |_| {
                request(vec![TopicProduceData {
                    partition_data: vec![partition(0, &fine)],
                    ..TopicProduceData::default()
                }])
            });
        }
    }
}

/// Batches whose place among other bytes is wrong, and bytes that are no batch.
fn framed(fine: &Bytes) -> Vec<(&'static str, Bytes)> {
    let two = [good(1), good(1)].concat().into();
    let behind = [&good(1)[..], &[0; 9]].concat().into();
    let empty = BatchBuilder::new(Offset::ZERO).build_empty(Offset(-1));
    vec![
        ("two records", fine.clone()),
        ("a wrong checksum", batches::with_byte(fine, at::CRC, 0x55)),
        ("a flipped bit in a record", flipped(fine)),
        ("magic 0", batches::legacy(0)),
        ("magic 1", batches::legacy(1)),
        ("magic 3", batches::with_byte(fine, at::MAGIC, 3)),
        ("magic -1", batches::with_byte(fine, at::MAGIC, 0xff)),
        ("no bytes", Bytes::new()),
        ("half a header", fine.slice(..30)),
        ("half a batch", fine.slice(..fine.len() - 1)),
        ("an empty batch", empty),
        ("two batches", two),
        ("bytes behind the batch", behind),
        ("a base offset", with_i64(fine, at::BASE_OFFSET, 5)),
        ("a leader epoch", with_i32(fine, at::LEADER_EPOCH, 99)),
    ]
}

/// Batches with bits that a client does not set.
fn flagged(fine: &Bytes) -> Vec<(&'static str, Bytes)> {
    let bits = [
        ("the control bit", CONTROL),
        ("the transactional bit", TRANSACTIONAL),
        ("log append time from the client", LOG_APPEND_TIME),
        ("a delete horizon", DELETE_HORIZON),
        ("unknown attribute bits", 0x4000),
        ("codec 5", 5),
        ("codec 7", 7),
    ];
    let batches = bits.map(|(case, attributes)| (case, with_attributes(fine, attributes)));
    batches.into()
}

/// Batches whose header says something else than their records.
fn counted(fine: &Bytes) -> Vec<(&'static str, Bytes)> {
    let small = [
        ("a count too large", at::RECORD_COUNT, 3),
        ("a count too small", at::RECORD_COUNT, 1),
        ("a count of 0", at::RECORD_COUNT, 0),
        ("a negative count", at::RECORD_COUNT, -1),
        ("a last offset too large", at::LAST_OFFSET_DELTA, 2),
        ("a last offset too small", at::LAST_OFFSET_DELTA, 0),
        ("a negative last offset", at::LAST_OFFSET_DELTA, -1),
        ("a sequence without a producer", at::BASE_SEQUENCE, 3),
    ];
    let large = [
        (
            "a maximal timestamp too large",
            at::MAX_TIMESTAMP,
            T0 + 9_999,
        ),
        ("a maximal timestamp too small", at::MAX_TIMESTAMP, T0),
        ("no maximal timestamp", at::MAX_TIMESTAMP, -1),
        ("a producer id without epoch", at::PRODUCER_ID, 77),
        ("no producer id at all", at::PRODUCER_ID, -2),
    ];
    let small = small.map(|(case, at, value)| (case, with_i32(fine, at, value)));
    let large = large.map(|(case, at, value)| (case, with_i64(fine, at, value)));
    small.into_iter().chain(large).collect()
}

/// `batch` with a flipped bit in its last byte.
fn flipped(batch: &Bytes) -> Bytes {
    let mut bytes = batch.to_vec();
    *bytes.last_mut().expect("a batch has bytes") ^= 1;
    bytes.into()
}
