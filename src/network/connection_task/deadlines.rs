//! What a connection waits for at most: when it is idle, its peer stands still, or an answer does not come.

use std::future::Future as _;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Server;
use crate::network::close::CloseReason;
use crate::network::sys::{self, Hangup};

/// While others wait for memory, a peer that holds some and does not send has this part of the usual time.
const HURRY: u32 = 10;
/// How long a peer may take nothing of its answers while others wait for what these hold. Who reads takes
/// some within about a round trip, also over a slow line: the system buffers about twice what is under way,
/// and takes more once a third of that has arrived.
const LONGEST_SILENCE: Duration = Duration::from_millis(500);
/// How long answers are still made for a peer that has closed its end, and may still read. Work for it is
/// finished within this time; waits for others (records, members, replicas) are given up.
const CLOSED_PATIENCE: Duration = Duration::from_millis(500);
/// How often to look at a peer whose end would not be noticed, since its requests are not read now.
const LOOK_DISTANCE: Duration = Duration::from_millis(250);
/// How long an answer may take beyond `connections.max.idle.ms`. (Kafka closes the connection at that
/// time; here handlers end their waits by then, and the peer gets their answers.)
const LATEST_ANSWER: Duration = Duration::from_secs(5);

/// When something is due.
struct Deadline {
    at: Instant,
    /// How the connection ends then; `None` if it goes on.
    reason: Option<CloseReason>,
}

impl Server {
    /// Looks whether a peer is still there whose end would not be noticed.
    fn look_at_peer(&mut self) -> Result<(), CloseReason> {
        let answers_nobody = self.pipeline.is_empty();
        if answers_nobody || self.reader.listens() || self.closed_by_peer.is_some() {
            self.look_at = None;
            return Ok(());
        }
        let now = Instant::now();
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            match sys::hangup(&self.socket) {
                Some(Hangup::Whole) => return Err(CloseReason::PeerClosed),
                Some(Hangup::Sending) => self.note_close_by_peer(),
                None => {}
            }
        }
        self.look_at.get_or_insert(now + LOOK_DISTANCE);
        Ok(())
    }

    /// Ends the connection when a deadline has passed, else sets the timer to the next.
    pub(super) fn poll_deadlines(&mut self, context: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            if let Err(reason) = self.look_at_peer() {
                return Poll::Ready(reason);
            }
            let next = self.next_deadline();
            // Deadlines move on with every request; the timer follows only when it has fired.
            if let Some(Deadline { at, .. }) = next
                && at < self.timer.deadline().into_std()
            {
                self.timer.as_mut().reset(at.into());
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match next {
                Some(Deadline { at, reason }) if at <= now => {
                    if let Some(reason) = reason {
                        return Poll::Ready(reason);
                    }
                    self.timer
                        .as_mut()
                        .reset((now + self.network.options.max_idle).into());
                    context.waker().wake_by_ref();
                }
                Some(Deadline { at, .. }) => self.timer.as_mut().reset(at.into()),
                None => self
                    .timer
                    .as_mut()
                    .reset((now + self.network.options.max_idle).into()),
            }
        }
    }

    /// The earliest deadline of all that the connection waits for.
    fn next_deadline(&self) -> Option<Deadline> {
        let options = &self.network.options;
        let mut first: Option<Deadline> = None;
        let mut consider = |at: Instant, reason: Option<CloseReason>| {
            if first.as_ref().is_none_or(|first| at < first.at) {
                first = Some(Deadline { at, reason });
            }
        };
        if !self.connection.is_authenticated() {
            let at = self.connection.opened() + options.login_time;
            consider(at, Some(CloseReason::NotAuthenticated));
        }
        if let Some(since) = self.reader.stalled_since() {
            let hurry = options.request_stall / HURRY;
            let in_the_way = self.reader.holds_memory() && self.network.memory.waiting() > 0;
            let patience = if in_the_way {
                hurry
            } else {
                options.request_stall
            };
            consider(since + patience, Some(CloseReason::StalledRequest));
            if self.reader.holds_memory() {
                // Looks again after the shorter time: by then others may wait for that memory.
                consider(Instant::now() + hurry, None);
            }
        }
        if let Some(since) = self.output.stalled_since() {
            self.consider_silence(since, &mut consider);
        } else if !self.pipeline.is_empty() {
            let latest = self.last_active + options.max_idle + LATEST_ANSWER;
            consider(latest, Some(CloseReason::Idle));
            if let Some(since) = self.closed_by_peer {
                let renewed = self.last_active.max(since) + CLOSED_PATIENCE;
                let at = renewed.min(since + options.request_stall);
                consider(at, Some(CloseReason::PeerClosed));
            }
        } else if !self.reader.is_partial() {
            consider(self.last_active + options.max_idle, Some(CloseReason::Idle));
        }
        if let Some(at) = self.look_at {
            consider(at, None);
        }
        if let Some(until) = self.muted_until() {
            consider(until, None);
        }
        first
    }

    /// When to close a peer that has taken nothing since then: soon, if others wait for what its answers hold.
    fn consider_silence(
        &self,
        since: Instant,
        consider: &mut impl FnMut(Instant, Option<CloseReason>),
    ) {
        let (options, memory) = (&self.network.options, &self.network.memory);
        let output = &self.output;
        let hurry = options.request_stall / HURRY;
        let silence = LONGEST_SILENCE.min(hurry);
        let holds_memory =
            self.reader.holds_memory() || self.next.is_some() || output.holds_memory();
        let is_wanted =
            (output.holds_memory() && memory.wants_answers_taken()) || output.holds_wanted_file();
        let patience = if is_wanted {
            silence
        } else if !holds_memory {
            options.max_idle
        } else if memory.waiting() > 0 {
            hurry
        } else {
            options.request_stall.min(options.max_idle)
        };
        consider(since + patience, Some(CloseReason::StalledAnswer));
        // By then others may wait.
        consider(Instant::now() + silence, None);
    }
}
