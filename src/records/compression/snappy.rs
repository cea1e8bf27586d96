//! snappy in the framing of snappy-java, which all Kafka clients use; snappy's own framing differs.
//!
//! ```text
//! 0x82 "SNAPPY" 0x00 | version i32 = 1 | compatible version i32 = 1 | blocks: size i32, bytes
//! ```
//! Without that header the whole is one bare block, as some old clients send it. snappy-java also reads
//! several streams one after the other, and ignores a rest that is shorter than a block's size field. Blocks
//! behind a second header whose magic is wrong are refused.

use super::buffers::{Failure, Form, Output};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_SIZE: usize = 16;
const VERSION: u32 = 1;
/// The block size that snappy-java uses.
const BLOCK_SIZE: usize = 32 << 10;
/// No element of a block yields more than this for each of its bytes: three make a copy of 64.
const MAX_RATIO: usize = 22;

/// A decoder, which is kept between streams.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    raw: snap::raw::Decoder,
}

impl Decoder {
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        output: &mut Output,
    ) -> Result<Form, Failure> {
        if !input.starts_with(&MAGIC) {
            self.block(input, output)?;
            return Ok(Form::Strict);
        }
        let mut rest = behind_header(input)?;
        let mut form = Form::Strict;
        while let Some((size, behind)) = rest.split_first_chunk() {
            // Another stream follows: Java's reader accepts streams that were written one after the other.
            if size == &MAGIC[..4] {
                let behind = behind_header(rest)?;
                form = Form::Lax;
                if !rest.starts_with(&MAGIC) {
                    return end_at_broken_header(behind);
                }
                check_version(rest)?;
                rest = behind;
                continue;
            }
            let (block, behind) = usize::try_from(i32::from_be_bytes(*size))
                .ok()
                .and_then(|size| behind.split_at_checked(size))
                .ok_or(Failure::Corrupt("block is cut off"))?;
            self.block(block, output)?;
            rest = behind;
        }
        Ok(if rest.is_empty() { form } else { Form::Lax })
    }

    fn block(&mut self, block: &[u8], output: &mut Output) -> Result<(), Failure> {
        let claimed =
            snap::raw::decompress_len(block).map_err(|_| Failure::Corrupt("size of a block"))?;
        if claimed / MAX_RATIO > block.len() {
            return Err(Failure::Corrupt("block claims more than it can hold"));
        }
        let room = output.exact_room(claimed)?;
        let size = self
            .raw
            .decompress(block, room)
            .map_err(|_| Failure::Corrupt("block"))?;
        output.advance(size);
        Ok(())
    }
}

/// Java's reader tells the end of the stream at a second header with a wrong magic, and takes what is
/// `behind` it for blocks when it is asked again: it fails at a size below zero, and reads on at a block
/// that is whole. One that is cut off is the end for it.
fn end_at_broken_header(behind: &[u8]) -> Result<Form, Failure> {
    let Some((size, block)) = behind.split_first_chunk() else {
        return Ok(Form::Lax);
    };
    match usize::try_from(i32::from_be_bytes(*size)) {
        Ok(size) if size > block.len() => Ok(Form::Lax),
        _ => Err(Failure::Corrupt("blocks behind a broken second header")),
    }
}

/// Checks a header's version: Java demands 1 or above in every header but the first.
fn check_version(header: &[u8]) -> Result<(), Failure> {
    let version = header[MAGIC.len()..].first_chunk().copied();
    match version.map(i32::from_be_bytes) {
        Some(1..) => Ok(()),
        _ => Err(Failure::Corrupt("version of a second header")),
    }
}

fn behind_header(stream: &[u8]) -> Result<&[u8], Failure> {
    stream
        .get(HEADER_SIZE..)
        .ok_or(Failure::Corrupt("header is cut off"))
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(BLOCK_SIZE)];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    for plain in input.chunks(BLOCK_SIZE) {
        let size = encoder
            .compress(plain, &mut block)
            .expect("the block has room for the worst case");
        // The size is at most max_compress_len(32 KiB).
        out.extend_from_slice(&(size as u32).to_be_bytes());
        out.extend_from_slice(&block[..size]);
    }
}
