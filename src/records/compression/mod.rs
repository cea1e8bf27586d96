//! The codecs of record batches, and decompression that stops at a limit.
//!
//! A compressed batch is decompressed in one piece, into a buffer that is used again for the next one. The
//! limit decides how much memory a hostile batch can take, never what the batch claims, and one budget of
//! the process decides how much all of them can.

mod buffers;
mod gzip;
mod large;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;
use std::str::FromStr;

use super::error::RecordsError;

use buffers::{Failure, Form, Output};

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// A gzip stream.
    Gzip,
    /// Blocks in the framing of snappy-java (xerial). A single bare block is read as well.
    Snappy,
    /// An LZ4 frame with independent blocks.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

impl Compression {
    /// The codec with this number in the attributes of a batch.
    pub fn from_id(id: u8) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|codec| codec.id() == id)
    }

    /// The codec's number in the attributes of a batch.
    pub fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec's name in Kafka's tools and in `compression.type` of producers.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The level that Kafka uses if none is set; 0 for a codec without levels.
    pub fn default_level(self) -> i32 {
        match self {
            Self::None | Self::Snappy => 0,
            Self::Gzip => -1,
            Self::Lz4 => 9,
            Self::Zstd => 3,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The text is not the name of a codec.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of none, gzip, snappy, lz4, zstd")]
pub struct UnknownCodec(String);

impl FromStr for Compression {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "snappy" => Ok(Self::Snappy),
            "lz4" => Ok(Self::Lz4),
            "zstd" => Ok(Self::Zstd),
            _ => Err(UnknownCodec(text.to_owned())),
        }
    }
}

/// A codec to compress with, and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionSetting {
    /// The codec.
    pub codec: Compression,
    /// The level. gzip: 1 to 9, or -1 for its default; zstd: -131072 to 22. It is ignored for lz4, which
    /// knows one level here, and for snappy, which has none.
    pub level: i32,
}

impl CompressionSetting {
    /// No compression.
    pub const NONE: Self = Self {
        codec: Compression::None,
        level: 0,
    };

    /// The codec with its default level.
    pub fn new(codec: Compression) -> Self {
        Self {
            codec,
            level: codec.default_level(),
        }
    }
}

/// Buffers and codec state that are used again from batch to batch: one for each thread, or for each task
/// that reads many batches.
pub struct Scratch {
    output: Output,
    limit: usize,
    gzip: gzip::Decoder,
    snappy: snappy::Decoder,
    zstd: zstd::Decoder,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Scratch")
            .field("limit", &self.limit)
            .field("held", &self.output.held())
            .finish_non_exhaustive()
    }
}

impl Default for Scratch {
    /// Buffers with Kafka's limit, which is none: for batches that were checked when they were appended.
    fn default() -> Self {
        Self::with_limit(i32::MAX as usize - 8)
    }
}

impl Scratch {
    /// Buffers that take no batch which decompresses to more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            output: Output::default(),
            limit,
            gzip: gzip::Decoder::default(),
            snappy: snappy::Decoder::default(),
            zstd: zstd::Decoder::default(),
        }
    }

    /// Decompresses `input`. The bytes stay in the buffer until the next call.
    ///
    /// # Errors
    /// [`RecordsError::CorruptStream`], [`RecordsError::DecompressedTooLarge`].
    pub fn decompress(&mut self, codec: Compression, input: &[u8]) -> Result<&[u8], RecordsError> {
        self.decompress_up_to(self.limit, codec, input)
    }

    /// As [`Self::decompress`], with another limit.
    ///
    /// # Errors
    /// As [`Self::decompress`].
    pub fn decompress_up_to(
        &mut self,
        limit: usize,
        codec: Compression,
        input: &[u8],
    ) -> Result<&[u8], RecordsError> {
        self.read(limit, codec, input).map(|stream| stream.bytes)
    }

    /// As [`Self::decompress_up_to`], and tells how well-formed the stream is.
    ///
    /// # Errors
    /// As [`Self::decompress`].
    pub(super) fn read(
        &mut self,
        limit: usize,
        codec: Compression,
        input: &[u8],
    ) -> Result<Decompressed<'_>, RecordsError> {
        let output = &mut self.output;
        output.clear(limit);
        let decompressed = match codec {
            Compression::None => output.extend(input).map(|()| Form::Strict),
            Compression::Gzip => self.gzip.decompress(input, output),
            Compression::Snappy => self.snappy.decompress(input, output),
            Compression::Lz4 => lz4::decompress(input, output),
            Compression::Zstd => self.zstd.decompress(input, output),
        };
        match decompressed {
            Ok(form) => Ok(Decompressed {
                bytes: self.output.filled(),
                is_strict: form == Form::Strict,
            }),
            Err(failure) => {
                // Garbage may have made the decoders large; they must not stay so.
                self.release();
                Err(match failure {
                    Failure::Corrupt(reason) => RecordsError::CorruptStream { codec, reason },
                    Failure::TooLarge => RecordsError::DecompressedTooLarge { limit },
                })
            }
        }
    }

    /// Gives memory beyond a few MiB back, after a batch that needed it. It should be called as soon as the
    /// records of a batch were read, because large batches of other threads may wait for it.
    pub fn release(&mut self) {
        self.output.release();
    }
}

/// The content of a stream.
pub(super) struct Decompressed<'s> {
    pub(super) bytes: &'s [u8],
    /// Whether every reader of the codec accepts the stream. If not, Java's does.
    pub(super) is_strict: bool,
}

impl<'s> Decompressed<'s> {
    /// Bytes that are not compressed.
    pub(super) fn as_it_is(bytes: &'s [u8]) -> Self {
        Self {
            bytes,
            is_strict: true,
        }
    }
}

/// Compresses the bytes in `plain` behind its first `head_size`, which stay as they are.
pub(super) fn compress_behind(
    plain: Vec<u8>,
    head_size: usize,
    setting: CompressionSetting,
) -> Vec<u8> {
    if setting.codec == Compression::None {
        return plain;
    }
    let (head, records) = plain.split_at(head_size);
    let mut out = Vec::with_capacity(head_size + records.len() / 2);
    out.extend_from_slice(head);
    compress(setting, records, &mut out);
    out
}

/// Compresses `records`, and adds them to the end of `out`.
pub(super) fn compress(setting: CompressionSetting, records: &[u8], out: &mut Vec<u8>) {
    match setting.codec {
        Compression::None => out.extend_from_slice(records),
        Compression::Gzip => gzip::compress(records, setting.level, out),
        Compression::Snappy => snappy::compress(records, out),
        Compression::Lz4 => lz4::compress(records, out),
        Compression::Zstd => zstd::compress(records, setting.level, out),
    }
}
