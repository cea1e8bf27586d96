//! LZ4 frames as Kafka's clients write and read them: one frame, independent blocks, no dictionary.
//!
//! ```text
//! magic | flags | block size | [content size 8] | header checksum | blocks: size u32, bytes,
//! [checksum] | end mark 0 | [content checksum]          all little-endian
//! ```
//! A frame that Kafka's own reader refuses is refused, since no Java consumer could read the batch. That
//! reader ignores the checksum of the content, and what follows the frame.

use std::io::Write as _;

use lz4_flex::block::DecompressError;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::buffers::{Failure, Form, Input, Output};

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
/// The bit of a block's size that says the block is not compressed.
const STORED: u32 = 1 << 31;
/// A byte of a block yields at most 255 bytes, and the rest of the last sequence few.
const MAX_RATIO: usize = 255;

const VERSION_AND_RESERVED: u8 = 0b1100_0011;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;

pub(super) fn decompress(input: &[u8], output: &mut Output) -> Result<Form, Failure> {
    let mut reader = Input::new(input);
    let frame = Frame::read(&mut reader)?;
    let begin = output.filled;
    loop {
        let size = reader.u32()?;
        // As in Java's reader, a stored block without bytes ends the stream, too.
        if size & !STORED == 0 {
            break;
        }
        frame.block(size, &mut reader, output)?;
    }
    let is_right = frame.flags & CONTENT_CHECKSUM == 0
        || reader.u32()? == XxHash32::oneshot(0, &output.filled()[begin..]);
    Ok(if is_right && reader.rest().is_empty() {
        Form::Strict
    } else {
        Form::Lax
    })
}

/// The fields of a frame's header.
struct Frame {
    flags: u8,
    block_size: usize,
}

impl Frame {
    fn read(reader: &mut Input<'_>) -> Result<Self, Failure> {
        if reader.take(4)? != MAGIC {
            return Err(Failure::Corrupt("no lz4 frame"));
        }
        let header = reader.rest();
        let [flags, sizes] = [reader.byte()?, reader.byte()?];
        if flags & VERSION_AND_RESERVED != VERSION {
            return Err(Failure::Corrupt("unknown version or flags"));
        }
        if flags & INDEPENDENT == 0 {
            return Err(Failure::Corrupt("blocks depend on each other"));
        }
        // Bits 4 to 6 mean 64 KiB, 256 KiB, 1 MiB or 4 MiB.
        let block_size = match sizes {
            0x40 | 0x50 | 0x60 | 0x70 => 1 << (2 * (sizes >> 4) + 8),
            _ => return Err(Failure::Corrupt("unknown size of blocks")),
        };
        if flags & CONTENT_SIZE != 0 {
            reader.take(8)?;
        }
        let header = &header[..header.len() - reader.rest().len()];
        let checksum = (XxHash32::oneshot(0, header) >> 8) as u8;
        if reader.byte()? != checksum {
            return Err(Failure::Corrupt("checksum of the header"));
        }
        Ok(Self { flags, block_size })
    }

    fn block(&self, size: u32, reader: &mut Input<'_>, output: &mut Output) -> Result<(), Failure> {
        let block = reader.take((size & !STORED) as usize)?;
        if block.len() > self.block_size {
            return Err(Failure::Corrupt("block is larger than the frame allows"));
        }
        if size & STORED == 0 {
            let possible = self.block_size.min(block.len() * MAX_RATIO + MAX_RATIO);
            let room = output.room(possible);
            let at_limit = room.len() < possible;
            let size =
                lz4_flex::block::decompress_into(block, room).map_err(|error| match error {
                    DecompressError::OutputTooSmall { .. } if at_limit => Failure::TooLarge,
                    DecompressError::OffsetZero => Failure::Corrupt("block repeats nothing"),
                    _ => Failure::Corrupt("block"),
                })?;
            if size == 0 {
                // Java's reader would take an empty block for the end of the stream.
                return Err(Failure::Corrupt("block holds nothing"));
            }
            output.advance(size);
        } else {
            output.extend(block)?;
        }
        if self.flags & BLOCK_CHECKSUM != 0 && reader.u32()? != XxHash32::oneshot(0, block) {
            return Err(Failure::Corrupt("checksum of a block"));
        }
        Ok(())
    }
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let info = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder
        .write_all(input)
        .expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail");
}
