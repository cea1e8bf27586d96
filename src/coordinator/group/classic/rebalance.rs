//! The way from one generation to the next: members are made to join, and when all have, or their time is
//! up, the generation begins.
//!
//! An empty group waits a while for more members before its first generation
//! (`group.initial.rebalance.delay.ms`), longer if some come, up to the largest rebalance timeout.
//! Later rebalances wait for all members up to the largest rebalance timeout; then dynamic members
//! that have not joined are removed, and static ones stay, with their sessions to run out. If nobody
//! has joined, the wait begins again.

use std::time::Duration;

use super::{ClassicGroup, InitialRebalance, State};
use crate::coordinator::group::context::{Context, timeout};
use crate::coordinator::group::timers::Timer;
use crate::protocol::ErrorCode;

/// The shortest wait after one in which nobody has joined: a group of absent static members without a
/// rebalance time-out must not keep the coordinator busy.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);

impl ClassicGroup {
    /// Reacts to a member that has joined or left: begins a rebalance, or completes the current one if it
    /// waited for nobody else.
    pub(super) fn rebalance_or_complete(&mut self, context: &mut Context<'_>) {
        if self.state == State::PreparingRebalance {
            self.maybe_complete_join(context);
        } else {
            self.prepare_rebalance(context);
        }
    }

    /// Begins a rebalance.
    pub(in crate::coordinator::group) fn prepare_rebalance(&mut self, context: &mut Context<'_>) {
        if self.state == State::CompletingRebalance {
            self.refuse_syncs(ErrorCode::REBALANCE_IN_PROGRESS, context);
        }
        // Who has yet to ask for the last generation's assignment is to join instead.
        self.members.all_owe_sync(false);
        self.sync_deadline.cancel();
        let is_initial = self.state == State::Empty;
        self.state = State::PreparingRebalance;
        if is_initial {
            let delay = context.settings.initial_rebalance_delay;
            self.initial = Some(InitialRebalance {
                delay,
                remaining: self.rebalance_timeout().saturating_sub(delay),
                has_new_member: false,
            });
            self.set_join_deadline(delay, context);
        } else if self.has_all_joined() {
            self.complete_join(context);
        } else {
            self.set_join_deadline(self.rebalance_timeout(), context);
        }
    }

    /// Completes the rebalance if everybody has joined, unless it is the initial one, which runs for its
    /// time.
    pub(super) fn maybe_complete_join(&mut self, context: &mut Context<'_>) {
        let may_complete = self.state == State::PreparingRebalance && self.initial.is_none();
        if may_complete && self.has_all_joined() {
            self.complete_join(context);
        }
    }

    /// Acts when the time of a rebalance is up.
    pub(super) fn on_join_deadline(&mut self, context: &mut Context<'_>) {
        let initial_delay = context.settings.initial_rebalance_delay;
        match &mut self.initial {
            Some(initial) if initial.has_new_member && !initial.remaining.is_zero() => {
                let delay = initial_delay.min(initial.remaining);
                *initial = InitialRebalance {
                    delay,
                    remaining: initial.remaining.saturating_sub(initial.delay),
                    has_new_member: false,
                };
                self.set_join_deadline(delay, context);
            }
            _ => self.complete_join(context),
        }
    }

    /// Begins the next generation with the members that have joined.
    pub(super) fn complete_join(&mut self, context: &mut Context<'_>) {
        self.join_deadline.cancel();
        let is_gone =
            |member: &super::member::Member| member.join.is_none() && member.instance_id.is_none();
        for member in self.members.remove_all(is_gone) {
            self.elect_if_gone(&member.id);
        }
        if !self.members.is_empty() && !self.elect_joined() {
            let retry = self.rebalance_timeout().max(SHORTEST_RETRY);
            self.set_join_deadline(retry, context);
            return;
        }
        // A negative generation would mean that there is none.
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.protocol = self.members.vote();
        if self.members.is_empty() {
            // Nobody will come for an assignment, so this generation is written down at once.
            let value = self.record(context.now.timestamp, |_| bytes::Bytes::new());
            self.write(value, context);
        } else {
            self.state = State::CompletingRebalance;
            self.initial = None;
            self.answer_joins(context);
        }
    }

    /// Tells all who wait that the generation has begun; they have to ask for their assignments.
    fn answer_joins(&mut self, context: &mut Context<'_>) {
        let ids: Vec<_> = self
            .members
            .iter()
            .map(|member| member.id.clone())
            .collect();
        for id in ids {
            if let Some(token) = self.members.take_join(&id) {
                let answer = self.joined(&id);
                context.reply(token, answer);
            }
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
        }
        self.members.all_owe_sync(true);
        self.keep_all_alive(context);
        // Members have as long to ask for their assignments as they had to join.
        let due = context.now.instant + self.rebalance_timeout();
        let group = &self.id;
        context
            .timers
            .set(&mut self.sync_deadline, due, || Timer::Sync {
                group: group.clone(),
            });
    }

    /// Makes sure that a member who has joined leads. Returns whether there is one.
    fn elect_joined(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(|leader| leader.join.is_some()) {
            return true;
        }
        let joined = self.members.iter().find(|member| member.join.is_some());
        match joined.map(|member| member.id.clone()) {
            Some(id) => {
                self.leader = Some(id);
                true
            }
            None => false,
        }
    }

    /// Makes another member lead, if the leader was the one that has left.
    pub(super) fn elect_if_gone(&mut self, gone: &str) {
        if self.is_leader(gone) {
            self.leader = self.members.iter().next().map(|member| member.id.clone());
        }
    }

    /// The longest time that any member wants a rebalance to wait for it.
    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self
            .members
            .iter()
            .map(|member| member.rebalance_timeout_ms);
        timeout(timeouts.max().unwrap_or(0))
    }

    fn set_join_deadline(&mut self, delay: Duration, context: &mut Context<'_>) {
        let due = context.now.instant + delay;
        let group = &self.id;
        context
            .timers
            .set(&mut self.join_deadline, due, || Timer::Join {
                group: group.clone(),
            });
    }
}
