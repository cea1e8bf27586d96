//! Kafka's wire protocol: primitives, headers, frames, the table of APIs, error codes and messages.
//!
//! It is pure: bytes in, values out, and back. It reads hostile bytes, so nothing here indexes or does
//! arithmetic that could fail: any input gives a value or a [`DecodeError`], and the heap that a decode
//! takes is bounded by the length of its input (see [`reader`]).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// All live API keys: name, versions, listeners.
pub mod api_key;
/// The records of coordinators' topics as JSON.
pub mod coordinator_json;
/// Why bytes are refused.
pub mod error;
/// Error codes that answers carry.
pub mod error_code;
/// How each type of field looks on the wire.
pub mod field;
/// A whole frame, ready to be sent.
pub mod frame;
/// What precedes the body of each frame.
pub mod header;
/// Messages as JSON, as tools print them.
pub mod json;
/// What a message is.
pub mod message;
/// The notation that messages are defined in.
#[macro_use]
mod notation;
/// The messages, one file per API.
pub mod messages;
/// Bytes that are passed on without being read.
pub mod payload;
/// Takes values from hostile bytes.
pub mod reader;
/// Definitions of messages as data.
pub mod schema;
/// Immutable strings that share their frame.
pub mod str;
/// Integers of variable length.
pub mod varint;
/// Collects the bytes of a frame.
pub mod writer;

pub use api_key::{ApiKey, ListenerSet};
pub use error::DecodeError;
pub use error_code::ErrorCode;
pub use frame::{Frame, ResponseFrame};
pub use header::{RequestHeader, ResponseHeader};
pub use message::{Decode, Encode, Message, Request, decode_request, decode_whole, encode_whole};
pub use payload::{FileRegion, FramePiece, LentFile, Payload};
pub use reader::Reader;
pub use str::Str;
pub use writer::{Size, Writer};
