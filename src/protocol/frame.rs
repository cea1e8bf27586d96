//! A whole frame, ready to be sent: its size as int32, a header, a body.

use bytes::{Bytes, BytesMut};

use super::payload::FramePiece;
use super::{Encode, Request, RequestHeader, ResponseHeader, Size, Str, Writer};

/// A frame in the order of its pieces; the first one begins with the size of what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The pieces, at least one.
    pub pieces: Vec<FramePiece>,
    /// The bytes of all pieces, including the four of the size.
    pub len: usize,
}

/// A frame that answers a request.
pub type ResponseFrame = Frame;

/// The frame of a response. `header_version` is that of [`super::ApiKey::response_header_version`].
///
/// # Panics
/// The frame has 2 GiB or more. Whoever makes an answer bounds it.
pub fn response(
    correlation_id: i32,
    header_version: i16,
    body: &impl Encode,
    version: i16,
) -> ResponseFrame {
    let most = i32::MAX as usize;
    response_within(correlation_id, header_version, body, version, most)
        .expect("a frame has less than 2 GiB")
}

/// As [`response`], but `None` if more than `most` bytes of it would be in memory; records in files do not
/// count. Nothing is allocated for such a frame.
pub fn response_within(
    correlation_id: i32,
    header_version: i16,
    body: &impl Encode,
    version: i16,
    most: usize,
) -> Option<ResponseFrame> {
    let header = ResponseHeader { correlation_id };
    let mut size = Size::default();
    header.add_size(&mut size, header_version);
    body.add_size(&mut size, version);
    if size.head > most {
        return None;
    }

    let mut writer = start(size);
    header.encode(&mut writer, header_version);
    body.encode(&mut writer, version);
    Some(end(writer, size))
}

/// The frame of a request.
///
/// # Panics
/// As [`response`].
pub fn request<R: Request>(
    correlation_id: i32,
    client_id: Option<Str>,
    body: &R,
    version: i16,
) -> Frame {
    let header = RequestHeader {
        api_key: R::KEY as i16,
        api_version: version,
        correlation_id,
        client_id,
    };
    let mut size = Size::default();
    header.add_size(&mut size);
    body.add_size(&mut size, version);

    let mut writer = start(size);
    header.encode(&mut writer);
    body.encode(&mut writer, version);
    end(writer, size)
}

/// Header and body of a request without the size before them, as an Envelope carries it.
///
/// # Panics
/// A payload of the request is in a file.
pub fn unframed_request<R: Request>(
    correlation_id: i32,
    client_id: Option<Str>,
    body: &R,
    version: i16,
) -> Bytes {
    let frame = request(correlation_id, client_id, body, version);
    frame.unframed().expect("no payload in a file")
}

impl Frame {
    /// What the frame carries, without the size before it; `None` if a piece of it is in a file.
    pub fn unframed(&self) -> Option<Bytes> {
        let mut bytes = BytesMut::with_capacity(self.len);
        for piece in &self.pieces {
            match piece {
                FramePiece::Bytes(piece) => bytes.extend_from_slice(piece),
                FramePiece::File(_) => return None,
            }
        }
        Some(bytes.freeze().slice(4..))
    }
}

fn start(size: Size) -> Writer {
    let mut writer = Writer::with_capacity(size.head.saturating_add(4));
    writer.i32(i32::try_from(size.total()).expect("a frame has less than 2 GiB"));
    writer
}

fn end(writer: Writer, size: Size) -> Frame {
    let pieces = writer.into_pieces();
    let len = size.total().saturating_add(4);
    debug_assert_eq!(
        pieces.iter().map(FramePiece::len).sum::<usize>(),
        len,
        "the size pass and the write pass agree"
    );
    Frame { pieces, len }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
    use crate::protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
    use crate::protocol::{ErrorCode, Payload};

    #[test]
    fn a_response_is_size_header_body() {
        let body = HeartbeatResponse {
            error_code: ErrorCode::REBALANCE_IN_PROGRESS,
            ..HeartbeatResponse::default()
        };

        let frame = response(7, 1, &body, 4);

        let bytes = [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 27, 0];
        assert_eq!(
            frame.pieces,
            [FramePiece::Bytes(Bytes::copy_from_slice(&bytes))]
        );
        assert_eq!(frame.len, bytes.len());
    }

    #[test]
    fn a_request_is_size_header_body() {
        let body = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: 1,
            member_id: "m".into(),
            ..HeartbeatRequest::default()
        };

        let frame = request(7, None, &body, 0);

        let header = [0, 0, 0, 20, 0, 12, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
        let bytes = [&header, [0, 1, b'g', 0, 0, 0, 1, 0, 1, b'm'].as_slice()].concat();
        assert_eq!(frame.pieces, [FramePiece::Bytes(bytes.into())]);
    }

    #[test]
    fn records_are_passed_on_between_the_parts_of_the_head() {
        let records = Bytes::from(vec![1; 5_000]);
        let partition = PartitionData {
            records: Payload::Bytes(records.clone()),
            ..PartitionData::default()
        };
        let body = FetchResponse {
            responses: vec![FetchableTopicResponse {
                partitions: vec![partition.clone(), partition],
                ..FetchableTopicResponse::default()
            }],
            ..FetchResponse::default()
        };

        let frame = response(7, 1, &body, 17);

        let passed_on = |piece: &FramePiece| match piece {
            FramePiece::Bytes(bytes) => bytes.as_ptr() == records.as_ptr(),
            FramePiece::File(_) => false,
        };
        let shape: Vec<bool> = frame.pieces.iter().map(passed_on).collect();
        assert_eq!(shape, [false, true, false, true, false]);
    }
}
