//! Writes answers to a socket: those that are ready leave together, and records go from their
//! file to the socket without passing through here.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::close::CloseReason;
use super::sys::{self, FileSend};
use crate::protocol::{FileRegion, ResponseFrame, Segment};

/// Pieces of memory handed to the system at once.
const MOST_SLICES: usize = 32;
/// How much is read at once of records that are not in memory.
const COLD_READ: u32 = 1 << 20;

/// The sending half of a connection: what is yet to be written.
#[derive(Debug, Default)]
pub(super) struct Output {
    segments: VecDeque<Segment>,
    bytes: usize,
    /// A thread reads the beginning of the first segment.
    cold: Option<JoinHandle<io::Result<Vec<u8>>>>,
    stalled_since: Option<Instant>,
}

impl Output {
    /// Adds an answer.
    pub(super) fn push(&mut self, frame: ResponseFrame) {
        for segment in frame.segments {
            if !segment.is_empty() {
                self.bytes += segment.len();
                self.segments.push_back(segment);
            }
        }
    }

    /// Bytes that are not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the peer has taken nothing.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Writes until all is written or the socket takes no more.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        while let Some(first) = self.segments.front() {
            let polled = match first {
                Segment::Bytes(_) => self.poll_bytes(context, socket),
                Segment::File(_) if self.cold.is_some() => self.poll_cold(context),
                Segment::File(_) => self.poll_file(context, socket),
            };
            if polled.is_pending() && self.cold.is_none() {
                self.stalled_since.get_or_insert_with(Instant::now);
            }
            ready!(polled)?;
            self.stalled_since = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let mut count = 0;
        let mut records_follow = false;
        for segment in self.segments.iter().take(MOST_SLICES) {
            let Segment::Bytes(bytes) = segment else {
                records_follow = true;
                break;
            };
            slices[count] = IoSlice::new(bytes);
            count += 1;
        }
        let slices = &slices[..count];
        let written = if records_follow {
            poll_io(context, socket, |socket| {
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
        let Some(Segment::File(region)) = self.segments.front() else {
            return Poll::Ready(Ok(()));
        };
        let length = region.length as usize;
        let send =
            |socket: &TcpStream| sys::send_file(socket, &region.file, region.position, length);
        match ready!(poll_io(context, socket, send)).map_err(CloseReason::Socket)? {
            FileSend::Sent(sent) => self.advance(sent),
            FileSend::Cold => self.cold = Some(read_cold(region)),
            FileSend::Ended => {
                let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Poll::Ready(Err(CloseReason::Records(ended)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Puts what a thread has read in place of that part of the file.
    fn poll_cold(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let Some(reading) = &mut self.cold else {
            return Poll::Ready(Ok(()));
        };
        let read = ready!(Pin::new(reading).poll(context));
        self.cold = None;
        let read = read.map_err(io::Error::other).and_then(|read| read);
        let read = Bytes::from(read.map_err(CloseReason::Records)?);
        self.bytes += read.len();
        self.advance(read.len());
        self.segments.push_front(Segment::Bytes(read));
        Poll::Ready(Ok(()))
    }

    /// Takes `count` bytes from the front.
    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while count > 0 {
            let first = self
                .segments
                .front_mut()
                .expect("what was written is still queued");
            let length = first.len();
            if count >= length {
                self.segments.pop_front();
                count -= length;
                continue;
            }
            match first {
                Segment::Bytes(bytes) => bytes.advance(count),
                Segment::File(region) => {
                    region.position += count as u64;
                    region.length -= u32::try_from(count).expect("it is less than the length");
                }
            }
            return;
        }
    }
}

/// Runs a system call that this runtime has no name for.
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

fn read_cold(region: &FileRegion) -> JoinHandle<io::Result<Vec<u8>>> {
    let (file, position) = (region.file.clone(), region.position);
    let length = region.length.min(COLD_READ) as usize;
    tokio::task::spawn_blocking(move || sys::read_file(&file, position, length))
}
