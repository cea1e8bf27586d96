//! The task of one connection: reads requests, starts them, writes their answers in order.
//!
//! It is one poll function over three parts (reader, pipeline, output), none of which blocks. A
//! request that is answered at once costs a read and a write, no other task and no channel.
//! Requests are read only while the peer takes its answers: what waits for it is bounded. So is what
//! the peer waits for: an answer that does not come is given up when the peer is gone, or in the end
//! (`deadlines`).

mod deadlines;

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::Network;
use super::budget::Lane;
use super::close::CloseReason;
use super::connection::Connection;
use super::handler::{Handling, RequestFrame};
use super::pipeline::Pipeline;
use super::read::{Appetite, FrameReader, ReadRules};
use super::turns::{InCrowd, Turn};
use super::write::Output;
use crate::telemetry::RequestClock;

/// The shortest request: the fixed part of its header, which is key, version and correlation id.
const SHORTEST_REQUEST: i32 = 8;
/// Requests that are started at once, before answers are written.
const TURN_REQUESTS: usize = 32;
const TURN_BYTES: usize = 256 << 10;
/// How often a connection does so before other tasks of its runtime get their turn.
const TURNS: usize = 4;
/// While so many bytes of answers are unwritten, no request is started.
const MOST_OUTPUT: usize = 256 << 10;
/// How long, and for how many bytes, a peer may go on sending after the last answer. Closing a socket with
/// bytes unread would throw away what the peer has not read yet.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;

/// The state of one connection's task.
pub(super) struct Server {
    network: Arc<Network>,
    connection: Arc<Connection>,
    socket: TcpStream,
    reader: FrameReader,
    /// A request that was read ahead, and waits for its turn.
    next: Option<RequestFrame>,
    pipeline: Pipeline,
    output: Output,
    turn: Turn,
    /// Set while the connection has more to do, and waits for its next turn.
    in_crowd: Option<InCrowd>,
    /// Why no request is read any more: the connection ends when the last answer is written.
    closing: Option<CloseReason>,
    last_active: Instant,
    /// When the peer was found to have closed its end.
    closed_by_peer: Option<Instant>,
    /// When to look at the peer again, while its end would not be noticed.
    look_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Server {
    pub(super) fn new(
        network: Arc<Network>,
        connection: Arc<Connection>,
        socket: TcpStream,
    ) -> Self {
        let last_active = connection.opened();
        let first_deadline = last_active + network.options.max_idle;
        let output = Output::charged(&network.memory);
        Self {
            network,
            connection,
            socket,
            reader: FrameReader::default(),
            next: None,
            pipeline: Pipeline::default(),
            output,
            turn: Turn::default(),
            in_crowd: None,
            closing: None,
            last_active,
            closed_by_peer: None,
            look_at: None,
            timer: Box::pin(tokio::time::sleep_until(first_deadline.into())),
        }
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Serves the connection until it ends, and says why.
    pub(super) async fn run(mut self) -> CloseReason {
        let mut is_attached = false;
        let reason = poll_fn(|context| {
            if !is_attached {
                self.connection.attach_task(context.waker());
                is_attached = true;
            }
            // What a panic leaves behind is dropped with the connection.
            catch_unwind(AssertUnwindSafe(|| self.poll(context)))
                .unwrap_or_else(|panic| Poll::Ready(CloseReason::Panicked(text_of(&*panic))))
        })
        .await;
        if reason.is_orderly() {
            self.linger().await;
        }
        reason
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<CloseReason> {
        if self.is_its_turn() {
            self.in_crowd = None;
        }
        self.turn = Turn::default();
        for _ in 0..TURNS {
            let progress = match self.go_on(context) {
                Ok(progress) => progress,
                Err(reason) => return Poll::Ready(reason),
            };
            if self.pipeline.is_empty()
                && self.output.bytes() == 0
                && let Some(reason) = self.closing.take()
            {
                return Poll::Ready(reason);
            }
            if !progress {
                return self.poll_deadlines(context);
            }
            if self.turn.is_over() {
                break;
            }
        }
        if self.is_its_turn() {
            self.in_crowd = Some(self.network.crowd.join(context.waker()));
        } else {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether requests may be started now: the connection was not busy before, or it has waited.
    fn is_its_turn(&self) -> bool {
        self.in_crowd.as_ref().is_none_or(InCrowd::is_called)
    }

    /// Lets each part go on as far as it can. Returns whether another call could do more.
    fn go_on(&mut self, context: &mut Context<'_>) -> Result<bool, CloseReason> {
        if let Some(reason) = self.connection.ordered_end() {
            self.close_after_answers(reason)?;
        }
        let started = self.start_requests(context)?;
        let times = &self.network.metrics.request_times;
        let answered = match self.pipeline.poll(context, &mut self.output, times) {
            Ok(answered) => answered,
            Err(reason) => {
                self.pipeline = Pipeline::default();
                self.close_after_answers(reason)?;
                Some(Instant::now())
            }
        };
        if let Some(at) = answered {
            self.last_active = at;
        }
        let unwritten = self.output.bytes();
        if let Poll::Ready(Err(reason)) = self.output.poll_write(context, &mut self.socket) {
            return Err(reason);
        }
        let written = unwritten - self.output.bytes();
        if written > 0 {
            let metrics = &self.network.metrics;
            metrics.sent_bytes.inc_by(written as u64);
            self.output.note_sent(&metrics.request_times);
        }
        Ok(started || answered.is_some() || written > 0)
    }

    fn start_requests(&mut self, context: &mut Context<'_>) -> Result<bool, CloseReason> {
        let (mut requests, mut bytes) = (0, 0);
        while requests < TURN_REQUESTS && bytes < TURN_BYTES && !self.turn.is_over() {
            // What is not read stays with the peer, whose window closes: that is how it is slowed down.
            if self.closing.is_some() || !self.is_its_turn() || self.must_wait() {
                self.reader.pause(&self.network.memory);
                break;
            }
            let was_read_before = self.next.is_some();
            let frame = match self.poll_next(context) {
                Poll::Pending => break,
                Poll::Ready(Ok(frame)) => frame,
                Poll::Ready(Err(reason)) => {
                    self.close_after_answers(reason)?;
                    break;
                }
            };
            let key = api_key(&frame);
            let overlapping = self.network.handler.treatment(key).overlaps.then_some(key);
            if !self.pipeline.has_room(overlapping) {
                self.next = Some(frame);
                self.reader.pause(&self.network.memory);
                break;
            }
            let begun = if was_read_before {
                Instant::now()
            } else {
                self.turn.note(frame.received_at, &self.network.crowd);
                frame.received_at
            };
            requests += 1;
            bytes += frame.bytes.len();
            self.start(context, frame, begun, overlapping);
        }
        if bytes > 0 {
            self.network.metrics.received_bytes.inc_by(bytes as u64);
        }
        Ok(requests > 0)
    }

    /// Whether the peer must take its answers first, or is muted. While the memory of requests is used
    /// up it must take every one: others go on with what is left to them.
    fn must_wait(&self) -> bool {
        let unwritten = self.output.bytes();
        unwritten.max(self.output.in_memory()) >= MOST_OUTPUT
            || (unwritten > 0 && self.network.memory.is_used_up())
            || self.muted_until().is_some()
    }

    fn appetite(&self) -> Appetite {
        if self.output.bytes() > 0 || self.network.memory.is_used_up() {
            Appetite::Least
        } else if self.network.crowd.is_large() {
            Appetite::Little
        } else {
            Appetite::Usual
        }
    }

    fn muted_until(&self) -> Option<Instant> {
        // Most connections are never muted: they need not look at the clock.
        let was_muted = self.connection.was_muted();
        was_muted
            .then(|| self.connection.muted_until(Instant::now()))
            .flatten()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<RequestFrame, CloseReason>> {
        if let Some(frame) = self.next.take() {
            return Poll::Ready(Ok(frame));
        }
        let appetite = self.appetite();
        let Self {
            network,
            connection,
            pipeline,
            reader,
            socket,
            ..
        } = self;
        let admit = |key: i16| -> Option<Lane> {
            let treatment = network.handler.treatment(key);
            pipeline
                .has_room(treatment.overlaps.then_some(key))
                .then(|| connection.lane(treatment.carries_records))
        };
        let options = &network.options;
        // A stranger must not make the broker reserve the memory of a large request.
        let limit = if connection.is_authenticated() {
            options.request_max_bytes
        } else {
            options.request_max_bytes_before_login
        };
        let rules = ReadRules {
            memory: &network.memory,
            shortest: SHORTEST_REQUEST,
            limit,
            appetite,
            admit: &admit,
        };
        reader.poll_frame(context, socket, &rules)
    }

    fn start(
        &mut self,
        context: &mut Context<'_>,
        frame: RequestFrame,
        begun: Instant,
        overlapping: Option<i16>,
    ) {
        self.last_active = frame.received_at;
        let (key, bytes, received) = (api_key(&frame), frame.bytes.len(), frame.received_at);
        let handling = self.network.handler.handle(&self.connection, frame);
        let times = &self.network.metrics.request_times;
        // By now it is known whether a follower asks, or a controller.
        let kind = times.kind(key, self.connection.is_of_brokers());
        let clock = RequestClock::new(kind, received, begun);
        let served = |clock: RequestClock| clock.served_by(Instant::now());
        match handling {
            Handling::Answer(frame) if self.pipeline.is_empty() => {
                self.output.push_answer(frame, served(clock));
            }
            Handling::Answer(frame) => self.pipeline.push_made(frame, served(clock)),
            Handling::Later(pending) => {
                self.pipeline.push(context, pending, (bytes, None), clock);
            }
            Handling::Pipelined(pending) => {
                self.pipeline
                    .push(context, pending, (bytes, overlapping), clock);
            }
            Handling::NoAnswer => {
                let clock = served(clock);
                times.note(&clock, clock.served);
            }
            Handling::Close(reason) => self.pipeline.push_close(reason, clock),
        }
    }

    /// Stops reading. Ends the connection at once if no answer can reach the peer any more.
    fn close_after_answers(&mut self, reason: CloseReason) -> Result<(), CloseReason> {
        if !reason.is_orderly() {
            return Err(reason);
        }
        if matches!(reason, CloseReason::PeerClosed) {
            self.note_close_by_peer();
        }
        self.next = None;
        self.reader = FrameReader::default();
        self.closing.get_or_insert(reason);
        Ok(())
    }

    fn note_close_by_peer(&mut self) {
        self.closed_by_peer.get_or_insert_with(Instant::now);
        self.connection.note_close_by_peer();
    }

    /// Tells the peer that no more comes, and gives it time to read what it was sent.
    async fn linger(&mut self) {
        if self.socket.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            let mut scratch = [0; 4096];
            let mut left = LINGER_BYTES;
            while let Ok(read @ 1..) = self.socket.read(&mut scratch).await {
                left = left.saturating_sub(read);
                if left == 0 {
                    return;
                }
            }
        };
        // Whether the peer ended or the time ran out makes no difference: the socket is closed next.
        let _ = tokio::time::timeout(LINGER, drain).await;
    }
}

/// The first field of every request. A frame has at least 8 bytes.
fn api_key(frame: &RequestFrame) -> i16 {
    i16::from_be_bytes([frame.bytes[0], frame.bytes[1]])
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}
