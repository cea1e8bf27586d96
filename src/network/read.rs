//! Cuts the bytes of a socket into requests.
//!
//! Small requests share one buffer: many arrive in one read, each becomes a slice, nothing is
//! copied. A large one is read straight into memory of its own. That memory, and its charge to
//! the budget, grow with the bytes that have arrived: a length that is only claimed costs nothing.
//! A request of which a megabyte has arrived gets a mapping of its own for all of it: that is resident only
//! as far as it is filled, grows without a copy, and is gone when the request is. What an allocator keeps
//! of such memory to use it again would be beside the budget: when many such connections close at once,
//! hundreds of megabytes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memmap2::MmapMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::budget::{Lane, MemoryCharge, RequestMemory};
use super::close::CloseReason;
use super::handler::RequestFrame;
use super::sniff::Foreign;

const SIZE_FIELD: usize = 4;
/// The largest request that lives in the shared buffer.
const SMALL_REQUEST: usize = 32 << 10;
/// How many bytes of a larger request must have arrived before memory is taken for it.
const LARGE_START: usize = 16 << 10;
/// How much is read at once, as long as the peer sends no more than that.
const READ_LITTLE: usize = 16 << 10;
const READ_MUCH: usize = 64 << 10;
/// How much is read at once of a peer that must take answers first, and while memory is used up.
const READ_LEAST: usize = 4 << 10;
/// The beginning of a request up to this size is moved to a buffer of its own until more comes.
const LITTLE_TO_KEEP: usize = 1 << 10;
/// Requests up to this size altogether are moved to a buffer of their own until they may be begun.
const LITTLE_TO_HOLD: usize = 4 << 10;
/// The memory that a large request gets first: by default producers send up to 1 MiB and headers.
const FIRST_STEP: usize = (1 << 20) + (64 << 10);
/// From then on the memory grows by this factor: few copies, and little memory that is not yet filled.
const STEP_FACTOR: usize = 4;
/// A request gets a mapping of its own when more than this has arrived of it.
const MAPPED_FROM: usize = 1 << 20;
/// The stall deadline is renewed each time so many bytes have arrived.
const STALL_BYTES: usize = 64 << 10;

/// What holds for the next request of a connection.
pub(super) struct ReadRules<'a> {
    pub(super) memory: &'a RequestMemory,
    /// A shorter frame is refused: 2 or above, in bytes without the size field.
    pub(super) shortest: i32,
    /// A longer frame is refused: in bytes without the size field.
    pub(super) limit: u32,
    /// How much is read ahead.
    pub(super) appetite: Appetite,
    /// Tells, by API key, whether a large request may begin now and which memory it may use.
    pub(super) admit: &'a dyn Fn(i16) -> Option<Lane>,
}

/// How much is read of a peer that sends many small requests: what cannot be begun at once stays in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    /// Much, if that is there.
    Usual,
    /// Less: many connections are busy.
    Little,
    /// No more than a few: the peer must take answers first, or memory is used up.
    Least,
}

/// The receiving half of a connection.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    small: BytesMut,
    /// How many bytes `small` takes, with what was cut from its front.
    taken: usize,
    /// The charge for `small`, while requests lie in it that may not be begun.
    held: Option<MemoryCharge>,
    large: Option<LargeFrame>,
    read_much: bool,
    began: bool,
    stall: Stall,
    /// Whether the socket wakes the task when more bytes come, or the end of them.
    listens: bool,
}

#[derive(Debug)]
struct LargeFrame {
    arrived: Arrived,
    /// Memory that `arrived` may fill, all of it charged: with huge pages it is resident as soon as its first
    /// byte is written. The allocator may have given more.
    granted: usize,
    length: usize,
    charge: MemoryCharge,
}

/// The bytes of a large request that have arrived.
#[derive(Debug)]
enum Arrived {
    Little(Vec<u8>),
    Much { mapping: MmapMut, filled: usize },
}

/// Since when a request has been arriving too slowly.
#[derive(Debug, Default)]
struct Stall {
    since: Option<Instant>,
    arrived: usize,
}

enum Next {
    Whole(usize),
    Large { length: usize, lane: Lane },
    More(usize),
    NotNow,
}

impl FrameReader {
    /// The next request.
    ///
    /// # Errors
    /// `PeerClosed` at an end between two requests; otherwise why the connection cannot go on.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
        rules: &ReadRules<'_>,
    ) -> Poll<Result<RequestFrame, CloseReason>> {
        self.listens = false;
        self.held = None;
        loop {
            if self.large.is_some() {
                return self.poll_large(context, socket);
            }
            match self.next_in_buffer(rules)? {
                Next::Whole(length) => return Poll::Ready(Ok(self.cut(length, rules))),
                Next::Large { length, lane } => self.begin_large(length, rules.memory.charge(lane)),
                Next::More(bytes) => ready!(self.poll_more(context, socket, bytes, rules))?,
                Next::NotNow => {
                    self.pause(rules.memory);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Since when the request that is arriving has made too little progress.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stall.since
    }

    /// Whether a request has begun and is not complete.
    pub(super) fn is_partial(&self) -> bool {
        self.large.is_some() || !self.small.is_empty()
    }

    /// Whether a request that is not complete holds memory of the budget.
    pub(super) fn holds_memory(&self) -> bool {
        self.large.is_some()
    }

    /// Whether the end of what the peer sends would be noticed. It is noticed only behind all bytes that
    /// came before it, so not while these are left unread.
    pub(super) fn listens(&self) -> bool {
        self.listens
    }

    /// Stops the stall clock: this broker does not read now, so the peer is not to blame for what does not
    /// arrive. Requests that were read and must wait are charged meanwhile.
    pub(super) fn pause(&mut self, memory: &RequestMemory) {
        self.listens = false;
        self.stall = Stall::default();
        if self.small.len() <= LITTLE_TO_HOLD && self.taken > 2 * self.small.len() {
            self.move_to_own_buffer();
        }
        if self.taken > 0 && self.held.is_none() {
            let mut held = memory.charge(Lane::Reserved);
            held.grow_at_once(self.taken as u64);
            self.held = Some(held);
        }
    }

    fn move_to_own_buffer(&mut self) {
        self.small = BytesMut::from(&self.small[..]);
        self.taken = self.small.len();
    }

    fn next_in_buffer(&mut self, rules: &ReadRules<'_>) -> Result<Next, CloseReason> {
        let Some((size, rest)) = self.small.split_first_chunk::<SIZE_FIELD>() else {
            return Ok(Next::More(0));
        };
        if !self.began {
            if let Some(foreign) = Foreign::recognise(*size) {
                return Err(CloseReason::Foreign(foreign));
            }
            self.began = true;
        }
        let length = i32::from_be_bytes(*size);
        let refused = || CloseReason::RequestSize {
            length,
            limit: rules.limit,
        };
        let size = u32::try_from(length).map_err(|_| refused())?;
        if length < rules.shortest || size > rules.limit {
            return Err(refused());
        }
        let length = size as usize;
        if rest.len() >= length {
            return Ok(Next::Whole(length));
        }
        // Its first bytes name the API, which decides on the memory it may use.
        if length > SMALL_REQUEST {
            if rest.len() < LARGE_START {
                return Ok(Next::More(LARGE_START - rest.len()));
            }
            let key = i16::from_be_bytes([rest[0], rest[1]]);
            let lane = (rules.admit)(key);
            return Ok(lane.map_or(Next::NotNow, |lane| Next::Large { length, lane }));
        }
        Ok(Next::More(length - rest.len()))
    }

    fn cut(&mut self, length: usize, rules: &ReadRules<'_>) -> RequestFrame {
        self.small.advance(SIZE_FIELD);
        let bytes = self.small.split_to(length).freeze();
        let mut charge = rules.memory.charge(Lane::Reserved);
        charge.grow_at_once(length as u64);
        self.stall = Stall::default();
        RequestFrame {
            bytes,
            charge,
            received_at: Instant::now(),
        }
    }

    fn poll_more(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
        wanted: usize,
        rules: &ReadRules<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        let usual = match rules.appetite {
            Appetite::Usual if self.read_much => READ_MUCH,
            Appetite::Usual | Appetite::Little => READ_LITTLE,
            Appetite::Least => READ_LEAST,
        };
        let room = wanted.max(usual);
        self.small.reserve(room);
        self.taken = self.taken.max(self.small.capacity());
        let polled = poll_read(context, socket, &mut (&mut self.small).limit(room));
        let Poll::Ready(read) = polled else {
            self.listens = true;
            self.shrink();
            return Poll::Pending;
        };
        let read = read.map_err(CloseReason::Socket)?;
        if read == 0 {
            let is_between = self.small.is_empty();
            let (between, within) = (CloseReason::PeerClosed, CloseReason::PeerClosedMidRequest);
            return Poll::Ready(Err(if is_between { between } else { within }));
        }
        // The socket had more than was asked for: the next read asks for much.
        self.read_much |= read == room;
        self.stall.advance(read);
        Poll::Ready(Ok(()))
    }

    /// Lets go of a buffer that is larger than needed: it may take long until more comes, and many
    /// connections wait.
    fn shrink(&mut self) {
        if self.small.is_empty() {
            self.small = BytesMut::new();
            self.taken = 0;
            return;
        }
        self.stall.begin();
        if self.small.len() <= LITTLE_TO_KEEP && self.small.capacity() > LITTLE_TO_KEEP {
            self.move_to_own_buffer();
        }
    }

    fn begin_large(&mut self, length: usize, charge: MemoryCharge) {
        self.small.advance(SIZE_FIELD);
        self.large = Some(LargeFrame {
            arrived: Arrived::Little(Vec::new()),
            granted: 0,
            length,
            charge,
        });
        // Reads little again: after a large request mostly comes another, and what is read along with its
        // size must be copied.
        self.read_much = false;
    }

    fn poll_large(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<Result<RequestFrame, CloseReason>> {
        let Some(large) = &mut self.large else {
            return Poll::Pending;
        };
        while large.arrived.len() < large.length {
            if large.arrived.len() == large.granted {
                if large.poll_grow(context).is_pending() {
                    // Waiting for memory is not the peer's fault.
                    self.stall = Stall::default();
                    return Poll::Pending;
                }
                large.arrived.begin_with(&std::mem::take(&mut self.small));
                self.taken = 0;
            }
            match large.arrived.poll_read(context, socket, large.granted) {
                Poll::Pending => {
                    self.listens = true;
                    self.stall.begin();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(CloseReason::PeerClosedMidRequest)),
                Poll::Ready(Ok(read)) => self.stall.advance(read),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseReason::Socket(error))),
            }
        }
        self.stall = Stall::default();
        let large = self.large.take().expect("it was filled above");
        Poll::Ready(Ok(RequestFrame {
            bytes: large.arrived.into_bytes(),
            charge: large.charge,
            received_at: Instant::now(),
        }))
    }
}

impl LargeFrame {
    /// Takes memory for the next step of a large request. What the small buffer held always has room in it.
    fn poll_grow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let step = FIRST_STEP.max(self.granted.saturating_mul(STEP_FACTOR));
        let target = step.min(self.length);
        ready!(
            self.charge
                .poll_grow(context, (target - self.granted) as u64)
        );
        self.arrived.make_room(target, self.length);
        self.granted = target;
        Poll::Ready(())
    }
}

impl Arrived {
    fn len(&self) -> usize {
        match self {
            Self::Little(bytes) => bytes.len(),
            Self::Much { filled, .. } => *filled,
        }
    }

    /// What was read along with the request's size: the first step has room for it.
    fn begin_with(&mut self, bytes: &[u8]) {
        if let Self::Little(little) = self {
            little.extend_from_slice(bytes);
        }
    }

    /// Makes room for `target` bytes in all, of a request of `length` bytes.
    fn make_room(&mut self, target: usize, length: usize) {
        let Self::Little(bytes) = self else {
            return;
        };
        // Without address space for a mapping it goes on as it began.
        if bytes.len() > MAPPED_FROM
            && let Ok(mut mapping) = MmapMut::map_anon(length)
        {
            let filled = bytes.len();
            mapping[..filled].copy_from_slice(bytes);
            *self = Self::Much { mapping, filled };
            return;
        }
        bytes.reserve_exact(target - bytes.len());
    }

    /// Reads once, up to `granted` bytes in all.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
        granted: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Little(bytes) => {
                let room = granted - bytes.len();
                poll_read(context, socket, &mut bytes.limit(room))
            }
            Self::Much { mapping, filled } => {
                let mut room = &mut mapping[*filled..granted];
                let read = ready!(poll_read(context, socket, &mut room))?;
                *filled += read;
                Poll::Ready(Ok(read))
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Little(bytes) => Bytes::from(bytes),
            Self::Much { mapping, .. } => Bytes::from_owner(mapping),
        }
    }
}

impl Stall {
    fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn advance(&mut self, bytes: usize) {
        self.arrived += bytes;
        if self.arrived >= STALL_BYTES {
            *self = Self::default();
        }
    }
}

/// Reads once. Polling the future afresh loses nothing: the socket keeps the waker, not the future.
fn poll_read(
    context: &mut Context<'_>,
    socket: &mut TcpStream,
    buffer: &mut impl BufMut,
) -> Poll<io::Result<usize>> {
    pin!(socket.read_buf(buffer)).poll(context)
}
