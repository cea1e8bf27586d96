//! What time does to a group: it removes members that are silent for too long, completes rebalances, and
//! removes members that joined and never asked for their assignments.

use std::time::Instant;

use super::ClassicGroup;
use super::State;
use super::heartbeat::session_timer;
use super::join;
use super::sync;
use crate::coordinator::group::context::Context;
use crate::coordinator::group::effects::Effects;
use crate::coordinator::group::timers::{Ring, Timer};
use crate::model::Offset;
use crate::protocol::{ErrorCode, Str};

impl ClassicGroup {
    /// Acts on a timer of this group, whose entry for `at` has come up.
    pub(in crate::coordinator::group) fn on_timer(
        &mut self,
        timer: &Timer,
        at: Instant,
        context: &mut Context<'_>,
    ) {
        let now = context.now.instant;
        let again = || timer.clone();
        match timer {
            Timer::Session { member, .. } => self.on_session_timer(member, at, context),
            Timer::Join { .. } => {
                let deadline = &mut self.join_deadline;
                if context.timers.ring(deadline, at, now, again) == Ring::Due {
                    self.on_join_deadline(context);
                }
            }
            Timer::Sync { .. } => {
                let deadline = &mut self.sync_deadline;
                if context.timers.ring(deadline, at, now, again) == Ring::Due {
                    self.on_sync_deadline(context);
                }
            }
            Timer::Expiry => unreachable!("it belongs to the shard"),
        }
    }

    /// Whether the deadline that the timer stands for may ring at its entry for `at`.
    pub(in crate::coordinator::group) fn is_armed(&self, timer: &Timer, at: Instant) -> bool {
        match timer {
            Timer::Session { member, .. } => {
                let deadline = match self.members.get(member) {
                    Some(member) => Some(&member.session),
                    None => self.pending.get(member),
                };
                deadline.is_some_and(|deadline| deadline.is_armed_at(at))
            }
            Timer::Join { .. } => self.join_deadline.is_armed_at(at),
            Timer::Sync { .. } => self.sync_deadline.is_armed_at(at),
            Timer::Expiry => false,
        }
    }

    fn on_session_timer(&mut self, id: &Str, at: Instant, context: &mut Context<'_>) {
        let now = context.now.instant;
        let again = || session_timer(&self.id, id);
        if let Some(deadline) = self.pending.get_mut(id) {
            if context.timers.ring(deadline, at, now, again) == Ring::Due {
                self.pending.remove(id);
                self.complete_if_all_joined(context);
            }
        } else if let Some(member) = self.members.get_mut(id) {
            let is_due = context.timers.ring(&mut member.session, at, now, again) == Ring::Due;
            // A member that waits here is not silent: its session begins anew with the answer.
            if is_due && !member.is_waiting() {
                self.remove_member(id, context);
                match self.state {
                    State::Stable | State::CompletingRebalance => self.prepare_rebalance(context),
                    State::PreparingRebalance => self.complete_if_all_joined(context),
                    State::Empty => {}
                }
            }
        }
    }

    /// Removes members that joined and never asked for their assignments.
    fn on_sync_deadline(&mut self, context: &mut Context<'_>) {
        let has_begun = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !has_begun || self.members.owing_sync() == 0 {
            return;
        }
        let late: Vec<Str> = self
            .members
            .iter()
            .filter(|member| member.owes_sync)
            .map(|member| member.id.clone())
            .collect();
        for id in late {
            self.remove_member(&id, context);
        }
        self.prepare_rebalance(context);
    }

    /// Completes the rebalance if all that are left have joined. As in Kafka, that ends an initial
    /// rebalance early as well.
    fn complete_if_all_joined(&mut self, context: &mut Context<'_>) {
        if self.state == State::PreparingRebalance && self.has_all_joined() {
            self.complete_join(context);
        }
    }

    /// Answers everybody who waits, because the shard is given up.
    pub(in crate::coordinator::group) fn abandon(&self, error: ErrorCode, effects: &mut Effects) {
        for member in self.members.iter() {
            if let Some(token) = member.join {
                let refusal = join::refusal(error, member.id.clone());
                effects.reply(token, Offset::NONE, refusal);
            }
            if let Some(token) = member.sync {
                effects.reply(token, Offset::NONE, sync::refusal(error));
            }
        }
    }

    /// Starts the sessions of a group that was loaded. A group that is too large by now is made to
    /// rebalance, so that members can commit before some are refused.
    pub(in crate::coordinator::group) fn begin(&mut self, context: &mut Context<'_>) {
        self.keep_all_alive(context);
        if self.members.len() > context.settings.max_size {
            self.prepare_rebalance(context);
        }
    }
}
