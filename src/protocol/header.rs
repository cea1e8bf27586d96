//! What precedes the body of each frame, after its size.
//!
//! In flexible versions headers have tagged fields. The client id keeps its old encoding even there, so
//! that the header of an ApiVersions request can be read before its version is known.

use super::field::Field as _;
use super::{ApiKey, Decode, DecodeError, Encode, Reader, Size, Str, Writer};

/// The header of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The key of the API: a known one after decoding.
    pub api_key: i16,
    /// The version of the request; it need not be a valid one.
    pub api_version: i16,
    /// A number that the response repeats.
    pub correlation_id: i32,
    /// The name that the client gives itself.
    pub client_id: Option<Str>,
}

impl RequestHeader {
    /// Reads a header in the version that the API and its version demand.
    ///
    /// # Errors
    /// The bytes are not a header, or the API is unknown.
    pub fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let api_key = reader.i16()?;
        let api_version = reader.i16()?;
        let correlation_id = reader.i32()?;
        let key = ApiKey::try_from(api_key)?;
        let client_id = reader.lossy_string(false)?;
        if key.is_flexible(api_version) {
            reader.skip_tags()?;
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
        })
    }

    fn is_flexible(&self) -> bool {
        ApiKey::try_from(self.api_key).is_ok_and(|key| key.is_flexible(self.api_version))
    }

    /// Adds the size of what [`RequestHeader::encode`] writes.
    pub fn add_size(&self, size: &mut Size) {
        size.add(8);
        self.client_id.add_size(size, 0, false);
        size.add(usize::from(self.is_flexible()));
    }

    /// Writes the header that the API and its version demand.
    pub fn encode(&self, writer: &mut Writer) {
        writer.i16(self.api_key);
        writer.i16(self.api_version);
        writer.i32(self.correlation_id);
        self.client_id.write(writer, 0, false);
        if self.is_flexible() {
            writer.uvarint(0);
        }
    }
}

/// The header of a response: version 0, or 1 with tagged fields. For ApiVersions it is always 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The correlation id of the request.
    pub correlation_id: i32,
}

impl Decode for ResponseHeader {
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        let correlation_id = reader.i32()?;
        if version >= 1 {
            reader.skip_tags()?;
        }
        Ok(Self { correlation_id })
    }
}

impl Encode for ResponseHeader {
    fn add_size(&self, size: &mut Size, version: i16) {
        size.add(4);
        size.add(usize::from(version >= 1));
    }

    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.correlation_id);
        if version >= 1 {
            writer.uvarint(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn check(bytes: &'static [u8], header: &RequestHeader) {
        let mut reader = Reader::new(Bytes::from_static(bytes));
        assert_eq!(RequestHeader::decode(&mut reader).as_ref(), Ok(header));
        assert_eq!(reader.finish(), Ok(()));

        let mut writer = Writer::default();
        header.encode(&mut writer);
        assert_eq!(writer.into_bytes().unwrap(), bytes);
    }

    #[test]
    fn the_client_id_keeps_the_old_encoding_in_flexible_headers() {
        check(
            &[0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'm', b'e', 0],
            &RequestHeader {
                api_key: 18,
                api_version: 3,
                correlation_id: 7,
                client_id: Some("me".into()),
            },
        );
        check(
            &[0, 3, 0, 8, 0, 0, 0, 7, 0xff, 0xff],
            &RequestHeader {
                api_key: 3,
                api_version: 8,
                correlation_id: 7,
                client_id: None,
            },
        );
    }

    #[test]
    fn a_client_id_that_is_no_text_is_taken_as_java_takes_it() {
        let bytes = &[0, 3, 0, 8, 0, 0, 0, 7, 0, 3, b'a', 0xff, b'b'];

        let header = RequestHeader::decode(&mut Reader::new(Bytes::from_static(bytes))).unwrap();

        assert_eq!(header.client_id.as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let mut reader = Reader::new(Bytes::from_static(&[0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0]));

        let error = RequestHeader::decode(&mut reader).unwrap_err();

        assert_eq!(error, DecodeError::UnknownApiKey(5000));
    }
}
