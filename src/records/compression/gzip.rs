//! gzip streams, of one or more members, as `GZIPInputStream` reads them.

use std::io::Write as _;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Failure, Output};

/// The window of deflate: 32 KiB.
const WINDOW_BITS: u8 = 15;
/// What a level of Kafka's default, -1, means.
const DEFAULT_LEVEL: u32 = 6;

/// Keeps the window between streams.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    inflate: Option<Decompress>,
}

impl Decoder {
    pub(super) fn decompress(
        &mut self,
        mut input: &[u8],
        output: &mut Output,
    ) -> Result<(), Failure> {
        let inflate = self
            .inflate
            .get_or_insert_with(|| Decompress::new_gzip(WINDOW_BITS));
        loop {
            inflate.reset(true);
            input = member(inflate, input, output)?;
            if input.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Decompresses one member; gives what follows it.
fn member<'a>(
    inflate: &mut Decompress,
    mut input: &'a [u8],
    output: &mut Output,
) -> Result<&'a [u8], Failure> {
    loop {
        let (consumed, produced) = (inflate.total_in(), inflate.total_out());
        // Small records compress to about a quarter; more room is made when that is not enough.
        let room = output.room(input.len().saturating_mul(4).clamp(16 << 10, 1 << 20));
        let room_size = room.len();
        let status = inflate
            .decompress(input, room, FlushDecompress::None)
            .map_err(|_| Failure::Corrupt("not a gzip stream"))?;
        let consumed = (inflate.total_in() - consumed) as usize;
        let produced = (inflate.total_out() - produced) as usize;
        output.advance(produced);
        input = &input[consumed..];
        match status {
            Status::StreamEnd => return Ok(input),
            _ if produced == 0 && room_size == 0 => return Err(Failure::TooLarge),
            // There was room, yet nothing happened: it waits for bytes that are not there.
            _ if produced == 0 && consumed == 0 => {
                return Err(Failure::Corrupt("stream is cut off"));
            }
            _ => {}
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
