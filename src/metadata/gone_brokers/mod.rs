//! Which brokers' listeners are tried when, and which of them are gone.
//!
//! A refusal says something only where connections were accepted before: there may be a wall between this
//! controller and what the broker tells its clients. So each controller tries each registration once while it
//! is well, and a broker that has a connection to this node is never taken for gone. One whose connection has
//! ended is tried at once and often for half a second, as a process that dies closes its sockets one after the
//! other. While this node leads the quorum every broker is tried that has no connection to it, for as long as
//! it has none: it may have died with the controller before, or die before it finds out who is active now.
//!
//! Tries are bounded, however many brokers there are: so many at once, so many a second. Those whose
//! connections have just ended come first, and hosts that say nothing hold no more than half of the places.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::model::BrokerId;

/// How often, and with which pause, a broker is tried whose connection has ended, or of which a new leader of the
/// quorum has heard nothing yet.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);
/// The pause after so many tries, while this node leads.
const LONG_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between tries of a broker that was never reached; the first is [`LONG_PAUSE`], each
/// further one twice as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So many are tried at a time, or are being fenced.
const MAX_AT_ONCE: usize = 64;
/// So many of these may be of hosts that said nothing when they were tried before.
const MAX_SILENT: usize = MAX_AT_ONCE / 2;
/// A thousand tries a second, for as long as there is so much to try.
const SPACING: Duration = Duration::from_millis(1);
/// So far may tries be ahead of that.
const BURST: Duration = Duration::from_millis(50);

/// One registration: a broker's id and epoch.
pub(super) type Registration = (BrokerId, i64);

/// What the listeners of a broker do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listeners {
    /// One accepts it.
    Accept,
    /// All refuse it.
    Refuse,
    /// One is being closed: its process is dying, or closes it.
    Close,
    /// One says nothing in time, or the network does in its place.
    Silent,
}

/// What follows of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Open,
    /// The listeners accept connections, for the first time.
    Reached,
    /// The broker's process is gone: it is to be fenced, and [`GoneBrokers::on_fenced`] told of that.
    Gone,
}

/// The order in which registrations are tried that are due: those of the first come before all others, the rest
/// in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    /// Its connection has just ended.
    Broken,
    /// It was never reached, or has no connection to the leader of the quorum.
    Unheard,
    /// The same, and its host said nothing when it was tried before.
    Silent,
}

/// What is known of a registration that counts.
#[derive(Debug, Default)]
struct Known {
    /// Its listeners have accepted a connection.
    is_reached: bool,
    /// Its host said nothing when it was tried last.
    is_silent: bool,
    /// Its connection has ended, and not all of the quick tries have followed yet.
    is_broken: bool,
    /// So many tries follow with short pauses.
    quick_tries: u32,
    /// How often it was tried without being reached.
    misses: u32,
    /// When it is to be tried, if that is not under way.
    next: Option<(Queue, Instant)>,
}

/// Decides whom to try, and whom to fence.
#[derive(Debug, Default)]
pub(super) struct GoneBrokers {
    known: BTreeMap<Registration, Known>,
    /// Those that are to be tried, in order.
    waiting: BTreeMap<Queue, BTreeSet<(Instant, Registration)>>,
    /// Those that are being tried, or fenced, also of registrations that count no more.
    under_way: BTreeMap<Registration, Queue>,
    silent_under_way: usize,
    /// The registrations that have connections to this node, and how many.
    connections: BTreeMap<Registration, usize>,
    /// Whether this node leads the quorum: its controller is active, or will be.
    leads: bool,
    /// How far tries are ahead of their rate: the moment of the next one, if they were spaced.
    next_in_step: Option<Instant>,
}

impl GoneBrokers {
    /// A connection has brought the first heartbeat of this registration.
    pub(super) fn on_connected(&mut self, registration: Registration, now: Instant) {
        *self.connections.entry(registration).or_default() += 1;
        self.settle(registration, now);
    }

    /// Such a connection has ended.
    pub(super) fn on_disconnected(&mut self, registration: Registration, now: Instant) {
        if let Some(count) = self.connections.get_mut(&registration) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&registration);
            }
        }
        self.try_soon(registration, true, now);
    }

    /// This node leads the quorum from now on, or leads it no more.
    pub(super) fn on_leader(&mut self, leads: bool, now: Instant) {
        if leads == self.leads {
            return;
        }
        self.leads = leads;
        let all: Vec<Registration> = self.known.keys().copied().collect();
        for registration in all {
            if leads {
                self.try_soon(registration, false, now);
            } else {
                self.settle(registration, now);
            }
        }
    }

    /// These registrations count from now on, and no others: those that are not fenced, but for this node's.
    pub(super) fn on_brokers(&mut self, counted: &BTreeSet<Registration>, now: Instant) {
        let over = self.known.keys().filter(|it| !counted.contains(it));
        let over: Vec<Registration> = over.copied().collect();
        for registration in over {
            self.forget(registration);
        }
        for registration in counted {
            if !self.known.contains_key(registration) {
                self.known.insert(*registration, Known::default());
                self.settle(*registration, now);
            }
        }
    }

    /// The next registration to be tried now, if one is due and there is a place.
    pub(super) fn start(&mut self, now: Instant) -> Option<Registration> {
        let due = self.heads().filter(|(_, due, _)| *due <= now);
        let (queue, due, registration) =
            due.min_by_key(|(queue, due, _)| (*queue != Queue::Broken, *due))?;
        if self.in_step().is_some_and(|moment| moment > now) {
            return None;
        }
        if let Some(waiting) = self.waiting.get_mut(&queue) {
            waiting.remove(&(due, registration));
        }
        if let Some(known) = self.known.get_mut(&registration) {
            known.next = None;
        }
        self.under_way.insert(registration, queue);
        self.silent_under_way += usize::from(queue == Queue::Silent);
        let from = self.next_in_step.map_or(now, |next| next.max(now));
        self.next_in_step = Some(from + SPACING);
        Some(registration)
    }

    /// When [`Self::start`] has something to start, if nothing else happens before.
    pub(super) fn next_start(&self) -> Option<Instant> {
        let due = self.heads().map(|(_, due, _)| due).min()?;
        Some(self.in_step().map_or(due, |moment| moment.max(due)))
    }

    /// What has come of a try that was started.
    pub(super) fn on_tried(
        &mut self,
        registration: Registration,
        listeners: Listeners,
        now: Instant,
    ) -> Verdict {
        let is_connected = self.connections.contains_key(&registration);
        let Some(known) = self.known.get_mut(&registration) else {
            self.end(registration);
            return Verdict::Open;
        };
        known.is_silent = listeners == Listeners::Silent;
        known.quick_tries = known.quick_tries.saturating_sub(1);
        let verdict = match (listeners, known.is_reached) {
            // There may be a wall by now where there is a connection: its heartbeats come through.
            (Listeners::Refuse, true) if !is_connected => return Verdict::Gone,
            (Listeners::Accept, false) => {
                known.is_reached = true;
                known.quick_tries = 0;
                Verdict::Reached
            }
            (_, false) => {
                known.misses = known.misses.saturating_add(1);
                Verdict::Open
            }
            (_, true) => Verdict::Open,
        };
        let pause = known.pause();
        self.end(registration);
        self.settle(registration, now + pause);
        verdict
    }

    /// Whether the controller has fenced a broker of which [`Self::on_tried`] said that it is gone.
    pub(super) fn on_fenced(&mut self, registration: Registration, is_fenced: bool, now: Instant) {
        self.end(registration);
        let Some(known) = self.known.get_mut(&registration) else {
            return;
        };
        if is_fenced {
            known.quick_tries = 0;
        } else if self.leads {
            // A new leader is active once its first batch is committed: disks may take their time.
            known.quick_tries = TRIES;
        }
        let pause = known.pause();
        self.settle(registration, now + pause);
    }

    /// The metadata counts on a registration no more, or does not say where it listens.
    pub(super) fn on_over(&mut self, registration: Registration) {
        self.end(registration);
        self.forget(registration);
    }

    /// Has a registration tried at once, and often for a while.
    fn try_soon(&mut self, registration: Registration, is_broken: bool, now: Instant) {
        self.unschedule(registration);
        if let Some(known) = self.known.get_mut(&registration) {
            known.is_broken |= is_broken;
            known.quick_tries = TRIES;
        }
        self.settle(registration, now);
    }

    /// Has a registration tried at `due`, or not at all, as is right for what is known of it by now.
    fn settle(&mut self, registration: Registration, due: Instant) {
        let is_connected = self.connections.contains_key(&registration);
        let Some(known) = self.known.get_mut(&registration) else {
            return;
        };
        if is_connected || known.quick_tries == 0 {
            known.is_broken = false;
        }
        let wanted = known.queue(is_connected, self.leads);
        let is_settled = match known.next {
            Some((queue, _)) => Some(queue) == wanted,
            None => wanted.is_none(),
        };
        if is_settled || self.under_way.contains_key(&registration) {
            return;
        }
        self.unschedule(registration);
        if let Some(queue) = wanted
            && let Some(known) = self.known.get_mut(&registration)
        {
            known.next = Some((queue, due));
            self.waiting
                .entry(queue)
                .or_default()
                .insert((due, registration));
        }
    }

    fn unschedule(&mut self, registration: Registration) {
        let next = self
            .known
            .get_mut(&registration)
            .and_then(|known| known.next.take());
        if let Some((queue, due)) = next
            && let Some(waiting) = self.waiting.get_mut(&queue)
        {
            waiting.remove(&(due, registration));
        }
    }

    fn forget(&mut self, registration: Registration) {
        self.unschedule(registration);
        self.known.remove(&registration);
    }

    /// Nothing of this registration is under way any more.
    fn end(&mut self, registration: Registration) {
        if let Some(queue) = self.under_way.remove(&registration) {
            self.silent_under_way -= usize::from(queue == Queue::Silent);
        }
    }

    /// The first of each queue for which there is a place.
    fn heads(&self) -> impl Iterator<Item = (Queue, Instant, Registration)> {
        let is_free = self.under_way.len() < MAX_AT_ONCE;
        let takes_silent = self.silent_under_way < MAX_SILENT;
        let waiting = self
            .waiting
            .iter()
            .filter(move |(queue, _)| is_free && (takes_silent || **queue != Queue::Silent));
        waiting.filter_map(|(queue, waiting)| {
            let (due, registration) = waiting.first()?;
            Some((*queue, *due, *registration))
        })
    }

    /// The moment from which on the rate permits a try; `None` if it always does.
    fn in_step(&self) -> Option<Instant> {
        self.next_in_step.and_then(|next| next.checked_sub(BURST))
    }
}

impl Known {
    /// Where the registration waits; `None` if it is not to be tried.
    fn queue(&self, is_connected: bool, leads: bool) -> Option<Queue> {
        let is_wanted = !self.is_reached || !is_connected && (self.quick_tries > 0 || leads);
        is_wanted.then_some(if self.is_silent {
            Queue::Silent
        } else if self.is_reached && self.is_broken {
            Queue::Broken
        } else {
            Queue::Unheard
        })
    }

    /// The pause after a try.
    fn pause(&self) -> Duration {
        if !self.is_reached {
            let pause = LONG_PAUSE.saturating_mul(1 << self.misses.saturating_sub(1).min(16));
            return pause.min(LONGEST_PAUSE);
        }
        if self.quick_tries > 0 {
            PAUSE
        } else {
            LONG_PAUSE
        }
    }
}

#[cfg(test)]
mod tests;
