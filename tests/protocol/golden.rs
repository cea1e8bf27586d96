//! Messages as they are on the wire, byte by byte: what the oracles agree on, without them.

use broker::model::Uuid;
use broker::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse,
};
use broker::protocol::messages::fetch::{
    EpochEndOffset, FetchResponse, FetchableTopicResponse, PartitionData,
};
use broker::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use broker::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Message, Payload, decode_whole, encode_whole};
use bytes::Bytes;

fn check<T: Message + PartialEq + std::fmt::Debug>(message: &T, version: i16, parts: &[&[u8]]) {
    let bytes = Bytes::from(parts.concat());

    assert_eq!(encode_whole(message, version), bytes);
    assert_eq!(decode_whole::<T>(bytes, version).as_ref(), Ok(message));
}

#[test]
fn api_versions() {
    let request = ApiVersionsRequest {
        client_software_name: "lib".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    check(&request, 3, &[&[4], b"lib", &[2], b"1", &[0]]);
    check(&ApiVersionsRequest::default(), 0, &[]);

    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 5,
        }],
        ..ApiVersionsResponse::default()
    };
    check(
        &response,
        0,
        &[&[0, 35], &[0, 0, 0, 1], &[0, 18, 0, 0, 0, 5]],
    );
    check(
        &response,
        3,
        &[&[0, 35], &[2], &[0, 18, 0, 0, 0, 5, 0], &[0, 0, 0, 0], &[0]],
    );
}

#[test]
fn metadata_asks_for_all_topics_in_three_ways() {
    let all = MetadataRequest::default();
    assert_eq!(encode_whole(&all, 0).as_ref(), [0, 0, 0, 0]);
    assert_eq!(encode_whole(&all, 1).as_ref(), [0xff, 0xff, 0xff, 0xff]);
    assert_eq!(encode_whole(&all, 12).as_ref(), [0, 1, 0, 0]);

    let one = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id: Uuid::ZERO,
            name: Some("t".into()),
        }]),
        ..MetadataRequest::default()
    };
    check(&one, 4, &[&[0, 0, 0, 1], &[0, 1], b"t", &[1]]);
    check(&one, 12, &[&[2], &[0; 16], &[2], b"t", &[0], &[1, 0, 0]]);
}

#[test]
fn produce_carries_records_as_they_are() {
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 1_000,
        topic_data: vec![TopicProduceData {
            name: "t".into(),
            partition_data: vec![PartitionProduceData {
                index: 2,
                records: Some(Bytes::from_static(b"batch")),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    check(
        &request,
        3,
        &[
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0x03, 0xe8],
            &[0, 0, 0, 1, 0, 1, b't'],
            &[0, 0, 0, 1, 0, 0, 0, 2],
            &[0, 0, 0, 5],
            b"batch",
        ],
    );
    check(
        &request,
        9,
        &[
            &[0, 0xff, 0xff, 0, 0, 0x03, 0xe8],
            &[2, 2, b't'],
            &[2, 0, 0, 0, 2],
            &[6],
            b"batch",
            &[0, 0, 0],
        ],
    );
}

#[test]
fn fetch_has_tagged_fields_where_something_is_to_be_said() {
    let response = FetchResponse {
        session_id: 1,
        responses: vec![FetchableTopicResponse {
            topic_id: Uuid::ONE,
            partitions: vec![PartitionData {
                high_watermark: 5,
                records: Payload::EMPTY,
                diverging_epoch: EpochEndOffset {
                    epoch: 3,
                    end_offset: 4,
                },
                ..PartitionData::default()
            }],
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    let minus_one = [0xff; 8];
    check(
        &response,
        13,
        &[
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[2],
            Uuid::ONE.as_bytes(),
            &[2],
            &[0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 5],
            &minus_one,
            &minus_one,
            &[0],
            &minus_one[..4],
            &[1],
            &[1, 0, 13, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0],
            &[0, 0],
        ],
    );
}

#[test]
fn a_partition_change_holds_only_what_has_changed() {
    let record = MetadataRecord::from(PartitionChangeRecord {
        partition_id: 1,
        topic_id: Uuid::ONE,
        isr: Some(vec![1]),
        leader: 1,
        ..PartitionChangeRecord::default()
    });

    let bytes = record.encode(2);

    let expected = [
        [1, 5, 2].as_slice(),
        &[0, 0, 0, 1],
        Uuid::ONE.as_bytes(),
        &[2, 0, 5, 2, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1],
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn a_message_of_a_newer_client_with_unknown_tagged_fields_is_read() {
    let bytes = [[4].as_slice(), b"lib", &[2], b"1", &[1, 99, 2, 0, 0]].concat();

    let request = decode_whole::<ApiVersionsRequest>(bytes.into(), 3).unwrap();

    assert_eq!(request.client_software_name, "lib");
}
