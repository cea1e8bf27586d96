//! Writes answers to a socket: those that are ready leave together, and records go from their
//! file to the socket without passing through here.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Buf;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::budget::{AnswerCharge, RequestMemory};
use super::close::CloseReason;
use super::sys::{self, FileSend};
use crate::protocol::{FramePiece, ResponseFrame};
use crate::telemetry::{RequestClock, RequestTimes};

/// Pieces of memory handed to the system at once.
const MOST_SLICES: usize = 32;
/// What a piece takes beside its bytes: its places in the queue and in memory.
const PIECE_BYTES: usize = 192;
/// How much less may be unwritten than is charged before the difference is given back.
const CHARGE_STEP: usize = 64 << 10;
/// Bytes that are written before other tasks of the runtime get their turn.
const TURN_BYTES: usize = 256 << 10;
/// How much is read at once of records that are not in memory.
const COLD_READ: usize = 1 << 20;
/// Up to so many bytes, a part of a file is read into memory and leaves in one write with what is around it: to
/// send it from its file takes two calls more for itself and one for what follows, which cost more than a copy.
const SMALL_REGION: usize = 8 << 10;
/// How much of small parts is read into memory for one write at the most. A peer that takes nothing has this
/// much of them in memory, and no more.
const MOST_COPIED: usize = 16 << 10;

/// The sending half of a connection: what is yet to be written.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<FramePiece>,
    bytes: usize,
    /// The answers that are not sent whole, each with the count of bytes that is sent by then.
    answers: VecDeque<(u64, RequestClock)>,
    /// All bytes that were ever added.
    added: u64,
    /// What those pieces take that are in memory, and not in files. The first counts whole until all of it is
    /// written, as it is held whole.
    in_memory: usize,
    /// How much of the first piece was written, if that is in memory.
    written_of_first: usize,
    /// A thread brings the beginning of the first piece into memory.
    warming: Option<JoinHandle<io::Result<()>>>,
    /// How much of the first piece a thread has brought into memory.
    warmed: usize,
    stalled_since: Option<Instant>,
    /// The budget that answers are charged to which the peer does not take at once; `None` for a connection
    /// that only asks.
    memory: Option<RequestMemory>,
    /// What is charged of what is unwritten.
    charge: Option<AnswerCharge>,
}

impl Output {
    /// An output that charges to `memory` what its peer does not take at once.
    pub(super) fn charged(memory: &RequestMemory) -> Self {
        Self {
            memory: Some(memory.clone()),
            ..Self::default()
        }
    }

    /// Whether what is not written holds memory of the budget.
    pub(super) fn holds_memory(&self) -> bool {
        self.charge.is_some()
    }

    /// Charges what is in memory and unwritten: of a peer that takes its answers it is nothing.
    fn charge_unwritten(&mut self) {
        let Some(memory) = &self.memory else {
            return;
        };
        if self.in_memory == 0 {
            self.charge = None;
            return;
        }
        let charge = self.charge.get_or_insert_with(|| memory.charge_answers());
        let charged = charge.bytes() as usize;
        if self.in_memory > charged || charged - self.in_memory >= CHARGE_STEP {
            charge.set(self.in_memory as u64);
        }
    }

    /// Adds an answer.
    pub(super) fn push(&mut self, frame: ResponseFrame) {
        for piece in frame.pieces {
            if !piece.is_empty() {
                if let FramePiece::Bytes(bytes) = &piece {
                    self.in_memory += bytes.len() + PIECE_BYTES;
                }
                self.bytes += piece.len();
                self.added += piece.len() as u64;
                self.pieces.push_back(piece);
            }
        }
    }

    /// Adds an answer, whose end is noted when it is sent.
    pub(super) fn push_answer(&mut self, frame: ResponseFrame, clock: RequestClock) {
        self.push(frame);
        self.answers.push_back((self.added, clock));
    }

    /// Notes the ends of those answers that are sent whole.
    pub(super) fn note_sent(&mut self, times: &RequestTimes) {
        let sent = self.added - self.bytes as u64;
        if self.answers.front().is_none_or(|(end, _)| *end > sent) {
            return;
        }
        // The clock is read once for all of them.
        let now = Instant::now();
        while let Some((_, clock)) = self.answers.pop_front_if(|(end, _)| *end <= sent) {
            times.note(&clock, now);
        }
    }

    /// The count of bytes that are not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether what is not written is also records in files that others wait to use.
    pub(super) fn holds_wanted_file(&self) -> bool {
        let in_files = self.pieces.iter().find_map(|piece| match piece {
            FramePiece::Bytes(_) => None,
            FramePiece::File(region) => Some(region),
        });
        in_files.is_some_and(|region| region.file.is_wanted())
    }

    /// How much memory is taken by what is not written.
    pub(super) fn in_memory(&self) -> usize {
        self.in_memory
    }

    /// Since when the peer has taken no bytes.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Writes until all is written, the socket takes no more, or other tasks should get their turn.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        let polled = self.poll_pieces(context, socket);
        self.charge_unwritten();
        polled
    }

    fn poll_pieces(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        let before = self.bytes;
        while !self.pieces.is_empty() {
            if before - self.bytes >= TURN_BYTES {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let polled = if self.warming.is_some() {
                self.poll_warming(context)
            } else {
                self.poll_first(context, socket)
            };
            if polled.is_pending() && self.warming.is_none() {
                self.stalled_since.get_or_insert_with(Instant::now);
            }
            ready!(polled)?;
            self.stalled_since = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the first piece, with others if it can, once the socket takes something.
    fn poll_first(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        ready!(socket.poll_write_ready(context)).map_err(CloseReason::Socket)?;
        self.copy_small_regions();
        match self.pieces.front() {
            Some(FramePiece::File(_)) => self.poll_file(context, socket),
            _ => self.poll_bytes(context, socket),
        }
    }

    /// Reads those small parts of files into memory that the next write can take along. What is not in the page
    /// cache, or can't be read, stays a part of its file: sending it finds out why.
    fn copy_small_regions(&mut self) {
        let mut copied = 0;
        for piece in self.pieces.iter_mut().take(MOST_SLICES) {
            let FramePiece::File(region) = piece else {
                continue;
            };
            let length = region.length as usize;
            copied += length;
            if length > SMALL_REGION || copied > MOST_COPIED {
                return;
            }
            let Some(bytes) = sys::read_present(&region.file, region.position, length) else {
                return;
            };
            self.in_memory += length + PIECE_BYTES;
            *piece = FramePiece::Bytes(bytes.into());
        }
    }

    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let mut count = 0;
        let mut records_follow = false;
        for piece in self.pieces.iter().take(MOST_SLICES) {
            let FramePiece::Bytes(bytes) = piece else {
                records_follow = true;
                break;
            };
            slices[count] = IoSlice::new(bytes);
            count += 1;
        }
        let slices = &slices[..count];
        let written = if records_follow {
            poll_io(context, socket, |socket| {
                // The head leaves in one packet with the records of the file, which another call sends.
                sys::send_with_more_to_come(socket, slices)
            })
        } else {
            Pin::new(&mut *socket).poll_write_vectored(context, slices)
        };
        let written = ready!(written).map_err(CloseReason::Socket)?;
        if written == 0 {
            return Poll::Ready(Err(CloseReason::Socket(io::ErrorKind::WriteZero.into())));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn poll_file(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        let Some(FramePiece::File(region)) = self.pieces.front() else {
            return Poll::Ready(Ok(()));
        };
        let (length, is_warmed) = match self.warmed {
            0 => (region.length as usize, false),
            warmed => (warmed, true),
        };
        let send = |socket: &TcpStream| {
            sys::send_file(socket, &region.file, region.position, length, is_warmed)
        };
        match ready!(poll_io(context, socket, send)).map_err(CloseReason::Socket)? {
            FileSend::Sent(sent) => self.advance(sent),
            FileSend::Cold => self.start_warming(),
            FileSend::Ended => {
                let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Poll::Ready(Err(CloseReason::Records(ended)));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn start_warming(&mut self) {
        let Some(FramePiece::File(region)) = self.pieces.front() else {
            return;
        };
        let (file, position) = (region.file.clone(), region.position);
        let length = COLD_READ.min(region.length as usize);
        let warm = move || sys::warm(&file, position, length);
        self.warming = Some(tokio::task::spawn_blocking(warm));
        self.warmed = length;
    }

    fn poll_warming(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let Some(warming) = &mut self.warming else {
            return Poll::Ready(Ok(()));
        };
        let warmed = ready!(Pin::new(warming).poll(context));
        self.warming = None;
        let warmed = warmed.map_err(io::Error::other).and_then(|warmed| warmed);
        Poll::Ready(warmed.map_err(CloseReason::Records))
    }

    /// Takes `count` written bytes from the front.
    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        self.warmed = self.warmed.saturating_sub(count);
        while count > 0 {
            let first = self
                .pieces
                .front_mut()
                .expect("what was written is still queued");
            let length = first.len();
            if count >= length {
                if matches!(first, FramePiece::Bytes(_)) {
                    let written = std::mem::take(&mut self.written_of_first);
                    self.in_memory -= written + length + PIECE_BYTES;
                }
                self.pieces.pop_front();
                count -= length;
                continue;
            }
            match first {
                FramePiece::Bytes(bytes) => {
                    bytes.advance(count);
                    self.written_of_first += count;
                }
                FramePiece::File(region) => {
                    region.position += count as u64;
                    region.length -= u32::try_from(count).expect("it is less than the length");
                }
            }
            return;
        }
    }
}

/// Runs a system call on the socket that tokio has no method for.
fn poll_io<T>(
    context: &mut Context<'_>,
    socket: &TcpStream,
    call: impl Fn(&TcpStream) -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(socket.poll_write_ready(context))?;
        match socket.try_io(Interest::WRITABLE, || call(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use super::*;
    use crate::protocol::{FileRegion, LentFile};

    const FILE_BYTES: usize = 64 << 10;

    /// An answer of a head and parts of a file, each by its position and length.
    fn answer(parts: &[(usize, usize)]) -> Output {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[7; FILE_BYTES]).expect("the disk has room");
        let file = LentFile::new(Arc::new(OwnedFd::from(file)));
        let mut pieces = vec![FramePiece::Bytes(vec![1; 40].into())];
        for (position, length) in parts {
            pieces.push(FramePiece::File(FileRegion {
                file: file.clone(),
                position: *position as u64,
                length: u32::try_from(*length).expect("small"),
            }));
        }
        let len = pieces.iter().map(FramePiece::len).sum();
        let mut output = Output::default();
        output.push(ResponseFrame { pieces, len });
        output
    }

    /// The lengths of the pieces, those of files as negative numbers.
    fn lengths(output: &Output) -> Vec<i64> {
        let length = |piece: &FramePiece| match piece {
            FramePiece::Bytes(bytes) => bytes.len() as i64,
            FramePiece::File(region) => -i64::from(region.length),
        };
        output.pieces.iter().map(length).collect()
    }

    #[test]
    fn small_parts_of_a_file_are_read_and_large_ones_are_left() {
        let mut output = answer(&[(0, 170), (170, SMALL_REGION), (0, SMALL_REGION + 1), (0, 1)]);

        output.copy_small_regions();

        let left = -(SMALL_REGION as i64 + 1);
        assert_eq!(
            lengths(&output),
            [40, 170, SMALL_REGION as i64, left, -1],
            "nothing is read before what goes on its own has gone"
        );
        assert_eq!(output.in_memory, 40 + 170 + SMALL_REGION + 3 * PIECE_BYTES);
        assert_eq!(output.bytes(), 40 + 170 + 2 * SMALL_REGION + 1 + 1);
    }

    #[test]
    fn only_so_much_is_read_for_one_write() {
        let mut output = answer(&[(0, SMALL_REGION); 5]);

        output.copy_small_regions();

        let read = lengths(&output)
            .iter()
            .filter(|length| **length > 40)
            .count();
        assert_eq!(read, MOST_COPIED / SMALL_REGION);
    }

    #[test]
    fn a_part_that_its_file_does_not_have_whole_is_left_to_the_sending() {
        let mut output = answer(&[(FILE_BYTES - 10, 11)]);

        output.copy_small_regions();

        assert_eq!(lengths(&output), [40, -11]);
    }
}
