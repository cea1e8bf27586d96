//! gzip streams of one or more members, as Java's `GZIPInputStream` reads them: bytes behind a member that
//! are not the header of another one are ignored.
//!
//! The header and the trailer are read here, because the library keeps its state for the next stream only
//! if it is asked for bare deflate.

use std::io::Write as _;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::buffers::{Failure, Form, Input, Output};

const MAGIC_AND_DEFLATE: [u8; 3] = [0x1f, 0x8b, 8];
const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;
/// Java looks for another member only if more bytes than these follow.
const TOO_FEW_FOR_A_MEMBER: usize = 18;
/// The level that Kafka's default, -1, stands for.
const DEFAULT_LEVEL: u32 = 6;

/// A decoder, which keeps its window between streams.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    inflate: Option<Decompress>,
}

impl Decoder {
    pub(super) fn decompress(
        &mut self,
        bytes: &[u8],
        output: &mut Output,
    ) -> Result<Form, Failure> {
        let mut input = Input::new(bytes);
        let mut form = skip_header(&mut input)?;
        loop {
            self.content(&mut input, output)?;
            if input.rest().is_empty() {
                return Ok(form);
            }
            if input.rest().len() <= TOO_FEW_FOR_A_MEMBER {
                return Ok(Form::Lax);
            }
            match skip_header(&mut input) {
                Ok(Form::Strict) => {}
                Ok(Form::Lax) => form = Form::Lax,
                Err(_) => return Ok(Form::Lax),
            }
        }
    }

    /// Decompresses the content of a member, behind its header.
    fn content(&mut self, input: &mut Input<'_>, output: &mut Output) -> Result<(), Failure> {
        let begin = output.filled;
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        inflate_all(inflate, input, output)?;
        let content = &output.filled()[begin..];
        let mut crc = Crc::new();
        crc.update(content);
        // The size is that of the content modulo 2^32.
        if (input.u32()?, input.u32()?) == (crc.sum(), content.len() as u32) {
            Ok(())
        } else {
            Err(Failure::Corrupt("checksum or size of the content"))
        }
    }
}

/// Skips the header of a member. Java ignores flags without a meaning.
fn skip_header(input: &mut Input<'_>) -> Result<Form, Failure> {
    let header = input.rest();
    let fixed = input.take(10)?;
    let flags = fixed[3];
    if !fixed.starts_with(&MAGIC_AND_DEFLATE) {
        return Err(Failure::Corrupt("not a gzip stream"));
    }
    if flags & EXTRA != 0 {
        let size = input.little_endian(2)?;
        input.take(size as usize)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            while input.byte()? != 0 {}
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        let mut crc = Crc::new();
        crc.update(&header[..header.len() - input.rest().len()]);
        if input.little_endian(2)? != u64::from(crc.sum() & 0xffff) {
            return Err(Failure::Corrupt("checksum of the header"));
        }
    }
    Ok(if flags & RESERVED == 0 {
        Form::Strict
    } else {
        Form::Lax
    })
}

/// Decompresses up to the end of the deflate stream at the front of `input`.
fn inflate_all(
    inflate: &mut Decompress,
    input: &mut Input<'_>,
    output: &mut Output,
) -> Result<(), Failure> {
    loop {
        let before = (inflate.total_in(), inflate.total_out());
        let bytes = input.rest();
        // Records often compress to a quarter; where that is not enough, more room is made.
        let room = output.room(bytes.len().saturating_mul(4).clamp(4 << 10, 1 << 20));
        let had_room = !room.is_empty();
        let status = inflate
            .decompress(bytes, room, FlushDecompress::None)
            .map_err(|_| Failure::Corrupt("not a deflate stream"))?;
        let consumed = (inflate.total_in() - before.0) as usize;
        let produced = (inflate.total_out() - before.1) as usize;
        output.advance(produced);
        input.take(consumed)?;
        if status == Status::StreamEnd {
            return Ok(());
        }
        if consumed == 0 && produced == 0 {
            // The decoder waits for input, of which there is no more, or for room.
            return Err(if had_room || input.rest().is_empty() {
                Failure::Corrupt("stream is cut off")
            } else {
                Failure::TooLarge
            });
        }
    }
}

pub(super) fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) {
    let level = u32::try_from(level).map_or(DEFAULT_LEVEL, |level| level.min(9));
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
    encoder
        .write_all(input)
        .and_then(|()| encoder.try_finish())
        .expect("writing to memory does not fail");
}
