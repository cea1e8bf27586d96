//! A whole frame, ready to be sent: its size as int32, a header, a body.

use super::payload::Segment;
use super::{Encode, Request, RequestHeader, ResponseHeader, Size, Str, Writer};

/// A frame in the order of its segments; the first one begins with the size of what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Not empty.
    pub segments: Vec<Segment>,
    /// The bytes of all segments, the four of the size included.
    pub len: usize,
}

/// A frame that answers a request.
pub type ResponseFrame = Frame;

/// The frame of a response. `header_version` is that of [`super::ApiKey::response_header_version`].
pub fn response(
    correlation_id: i32,
    header_version: i16,
    body: &impl Encode,
    version: i16,
) -> ResponseFrame {
    let header = ResponseHeader { correlation_id };
    let mut size = Size::default();
    header.add_size(&mut size, header_version);
    body.add_size(&mut size, version);

    let mut writer = start(size);
    header.encode(&mut writer, header_version);
    body.encode(&mut writer, version);
    end(writer, size)
}

/// The frame of a request.
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

fn start(size: Size) -> Writer {
    let mut writer = Writer::with_capacity(size.head.saturating_add(4));
    writer.i32(i32::try_from(size.total()).expect("a frame has less than 2 GiB"));
    writer
}

fn end(writer: Writer, size: Size) -> Frame {
    let segments = writer.into_segments();
    let len = size.total().saturating_add(4);
    debug_assert_eq!(
        segments.iter().map(Segment::len).sum::<usize>(),
        len,
        "the size pass and the write pass agree"
    );
    Frame { segments, len }
}
