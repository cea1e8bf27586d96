//! Zstandard frames, decompressed in one piece.
//!
//! Clients do not write the size of the content, so the headers of the blocks are walked first: they bound
//! it. Nothing is allocated because a frame claims it: the output bounds memory, as decompression in one
//! piece needs no window. A window above 128 MiB is refused all the same, since no other client's decoder
//! accepts it.

use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound};

use super::buffers::{Failure, Form, Input, Output};

const MAGIC: u32 = 0xFD2F_B528;
const SKIPPABLE: u32 = 0x184D_2A50;
const MAX_BLOCK: usize = 128 << 10;
const MAX_WINDOW: u64 = 1 << 27;

/// A decoder, which keeps its tables between streams.
#[derive(Default)]
pub(super) struct Decoder {
    context: Option<DCtx<'static>>,
}

impl Decoder {
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        output: &mut Output,
    ) -> Result<Form, Failure> {
        let bound = bound(input)?;
        let room = output.room(bound);
        let at_limit = room.len() < bound;
        let size = self
            .context
            .get_or_insert_with(DCtx::create)
            .decompress(room, input)
            .map_err(|_| {
                if at_limit {
                    Failure::TooLarge
                } else {
                    Failure::Corrupt("not a zstd stream")
                }
            })?;
        output.advance(size);
        Ok(Form::Strict)
    }
}

/// An upper bound of the bytes in all frames.
fn bound(input: &[u8]) -> Result<usize, Failure> {
    let mut bound = 0_usize;
    let mut reader = Input::new(input);
    while !reader.rest().is_empty() {
        let magic = reader.little_endian(4)?;
        if magic == u64::from(MAGIC) {
            bound = bound.saturating_add(frame_bound(&mut reader)?);
        } else if magic & !0xf == u64::from(SKIPPABLE) {
            let size = reader.little_endian(4)?;
            reader.take(size as usize)?;
        } else {
            return Err(Failure::Corrupt("no zstd frame"));
        }
    }
    Ok(bound)
}

/// An upper bound of the bytes in one frame, whose magic was read.
fn frame_bound(reader: &mut Input<'_>) -> Result<usize, Failure> {
    let descriptor = reader.little_endian(1)? as u8;
    let single_segment = descriptor & 0b10_0000 != 0;
    if single_segment {
        // The window is as large as the content, whose size follows.
    } else {
        let window = reader.little_endian(1)?;
        let base = 1_u64 << (10 + (window >> 3));
        if base + base / 8 * (window & 7) > MAX_WINDOW {
            return Err(Failure::Corrupt("window is larger than 128 MiB"));
        }
    }
    reader.take([0, 1, 2, 4][usize::from(descriptor & 0b11)])?;
    let content_size = match (descriptor >> 6, single_segment) {
        (0, false) => None,
        (0, true) => Some(reader.little_endian(1)?),
        (1, _) => Some(reader.little_endian(2)? + 256),
        (2, _) => Some(reader.little_endian(4)?),
        _ => Some(reader.little_endian(8)?),
    };
    let blocks = blocks_bound(reader)?;
    if descriptor & 0b100 != 0 {
        reader.take(4)?;
    }
    // The decoder finds a false content size; here it can only lower the bound.
    let content_size = content_size.and_then(|size| usize::try_from(size).ok());
    Ok(content_size.map_or(blocks, |size| size.min(blocks)))
}

fn blocks_bound(reader: &mut Input<'_>) -> Result<usize, Failure> {
    let mut bound = 0_usize;
    loop {
        let header = reader.little_endian(3)? as usize;
        let size = header >> 3;
        let (stored, held) = match (header >> 1) & 0b11 {
            0 => (size, size),
            1 => (1, size),
            2 => (size, MAX_BLOCK),
            _ => return Err(Failure::Corrupt("reserved type of block")),
        };
        if held > MAX_BLOCK {
            return Err(Failure::Corrupt("block is larger than 128 KiB"));
        }
        reader.take(stored)?;
        bound = bound.saturating_add(held);
        if header & 1 != 0 {
            return Ok(bound);
        }
    }
}

pub(super) fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) {
    let mut context = CCtx::create();
    context
        .set_parameter(CParameter::CompressionLevel(level))
        .expect("the level is one that the config allows");
    let begin = out.len();
    out.resize(begin + compress_bound(input.len()), 0);
    let size = context
        .compress2(&mut out[begin..], input)
        .expect("there is room for the worst case");
    out.truncate(begin + size);
}
