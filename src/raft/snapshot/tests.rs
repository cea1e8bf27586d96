//! Snapshots written and read back, against Apache's bytes, and damaged ones.

use super::*;

/// `bootstrap.checkpoint` as Apache Kafka 4.3.1's format command writes it.
const BY_APACHE: &str = "\
    000000000000000000000047000000000281806672002000000000000001a205c8ee83000001a205c8ee83ffffffff\
    ffffffffffffffffffff000000012a0000000800000003160000000000000000000000000000000000000001000000\
    f10000000002841632b8000000000005000001a205c8ee9c000001a205c8ee9cffffffffffffffffffffffffffff00\
    0000063a000000012e010c00116d657461646174612e76657273696f6e001e00005a000002014e010c0021656c6967\
    69626c652e6c65616465722e7265706c696361732e76657273696f6e00010000340000040128010c000e67726f7570\
    2e76657273696f6e00010000340000060128010c000e73686172652e76657273696f6e0001000038000008012c010c\
    001073747265616d732e76657273696f6e000100004000000a0134010c00147472616e73616374696f6e2e76657273\
    696f6e0002000000000000000000070000003f00000000022b061df2002000000000000001a205c8ee9d000001a205\
    c8ee9dffffffffffffffffffffffffffff000000011a00000008000000040600000000";

fn by_apache() -> Bytes {
    let digits: Vec<u8> = BY_APACHE.bytes().filter(u8::is_ascii_hexdigit).collect();
    let bytes = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    });
    bytes.collect()
}

fn encode(id: OffsetAndEpoch, now: i64, timestamp: i64, batches: &[Vec<Bytes>]) -> Bytes {
    let mut encoder = SnapshotEncoder::new(id, Timestamp(now));
    let mut content = encoder.header(Timestamp(timestamp)).to_vec();
    for records in batches {
        for batch in encoder.records(records) {
            content.extend_from_slice(&batch);
        }
    }
    content.extend_from_slice(&encoder.footer());
    content.into()
}

#[test]
fn apaches_bootstrap_checkpoint_is_read() {
    let snapshot = Snapshot::parse(&by_apache()).unwrap();

    assert_eq!(snapshot.last_contained_log_timestamp, Timestamp(0));
    assert_eq!(snapshot.batches.len(), 1);
    assert_eq!(snapshot.batches[0].len(), 6);
    assert_eq!(&snapshot.batches[0][0][4..20], b"metadata.version");
}

#[test]
fn the_parts_are_written_byte_for_byte_as_apache_writes_them() {
    let apache = by_apache();
    let batches = Snapshot::parse(&apache).unwrap().batches;
    let mut encoder = SnapshotEncoder::new(OffsetAndEpoch::BOOTSTRAP, Timestamp(0x01a2_05c8_ee83));

    let header = encoder.header(Timestamp(0));
    encoder.now = Timestamp(0x01a2_05c8_ee9c);
    let records = encoder.records(&batches[0]);
    encoder.now = Timestamp(0x01a2_05c8_ee9d);
    let footer = encoder.footer();

    assert_eq!([&header[..], &records[0], &footer].concat(), apache);
}

#[test]
fn records_come_back_in_their_batches() {
    let batches = vec![
        vec![Bytes::from_static(b"a"), Bytes::from_static(b"bc")],
        vec![Bytes::from(vec![7; 1000])],
    ];

    let content = encode(OffsetAndEpoch::new(99, 2), 5, 4, &batches);

    let expected = Snapshot {
        last_contained_log_timestamp: Timestamp(4),
        batches,
    };
    assert_eq!(Snapshot::parse(&content).unwrap(), expected);
}

#[test]
fn records_over_the_size_limit_are_split() {
    let record = Bytes::from(vec![1; MAX_BATCH_BYTES / 2]);
    let records = vec![record.clone(), record.clone(), record.clone()];

    let content = encode(OffsetAndEpoch::new(9, 1), 1, 1, &[records]);

    let lengths: Vec<usize> = Snapshot::parse(&content)
        .unwrap()
        .batches
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(lengths, [1, 1, 1]);
}

#[test]
fn a_cut_snapshot_is_refused_wherever_it_is_cut() {
    let content = encode(
        OffsetAndEpoch::new(9, 1),
        1,
        1,
        &[vec![Bytes::from_static(b"value")]],
    );

    for length in 0..content.len() {
        assert!(
            Snapshot::parse(&content.slice(..length)).is_err(),
            "{length}"
        );
    }
}

#[test]
fn a_flipped_bit_is_noticed_wherever_the_checksum_reaches() {
    let content = encode(
        OffsetAndEpoch::new(9, 1),
        1,
        1,
        &[vec![Bytes::from_static(b"value")]],
    );
    let whole = Snapshot::parse(&content).unwrap();

    for bit in 0..content.len() * 8 {
        let mut flipped = content.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // The epoch of a batch is outside its checksum, and not used.
        if let Ok(read) = Snapshot::parse(&flipped.into()) {
            assert_eq!(read, whole, "bit {bit}");
        }
    }
}

#[test]
fn bytes_behind_the_footer_are_refused() {
    let mut content = encode(OffsetAndEpoch::new(9, 1), 1, 1, &[]).to_vec();
    content.push(0);

    assert!(matches!(
        Snapshot::parse(&content.into()),
        Err(SnapshotError::NoFooter)
    ));
}

#[test]
fn names_are_those_of_apache() {
    let id = OffsetAndEpoch::new(99, 2);
    let name = "00000000000000000099-0000000002.checkpoint";

    assert_eq!(file_name(id), name);
    assert_eq!(SnapshotFile::of_name(name), Some(SnapshotFile::Whole(id)));
    let part = "00000000000000000099-0000000002-123.checkpoint.part";
    assert_eq!(SnapshotFile::of_name(part), Some(SnapshotFile::Remains));
    let deleted = format!("{name}.deleted");
    assert_eq!(SnapshotFile::of_name(&deleted), Some(SnapshotFile::Remains));
    for other in [
        "quorum-state",
        "leader-epoch-checkpoint",
        "bootstrap.checkpoint",
    ] {
        assert_eq!(SnapshotFile::of_name(other), None, "{other}");
    }
}
