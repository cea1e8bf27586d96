//! The members of a classic group, with totals that are needed without looking at each: how many wait, how
//! many support a protocol, how many bytes they take. Every change goes through here.
//!
//! Finding a member costs the same in a group of ten and of ten thousand. The order of members is
//! that of joining, except that the last takes the place of one that leaves.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::member::{Member, Protocol};
use crate::coordinator::group::timers::Deadline;
use crate::coordinator::shard::Token;
use crate::protocol::Str;

/// The members of a classic group.
#[derive(Debug, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    /// The index of each member in `list`. Ids contain random bits of this broker, so nobody can make them
    /// collide.
    places: HashMap<Str, usize, FixedState>,
    /// The member ids of static members, by instance id.
    instances: BTreeMap<Str, Str>,
    tally: Tally,
}

/// The totals over all members.
#[derive(Debug, Default)]
struct Tally {
    /// How many members support a protocol.
    support: BTreeMap<Str, usize>,
    awaiting_join: usize,
    owing_sync: usize,
    bytes: usize,
    record_bytes: usize,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many members wait in a JoinGroup.
    pub(super) fn awaiting_join(&self) -> usize {
        self.tally.awaiting_join
    }

    /// How many members have joined the generation and not asked for their assignment.
    pub(super) fn owing_sync(&self) -> usize {
        self.tally.owing_sync
    }

    /// The bytes that all members take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.tally.bytes
    }

    /// The most bytes that all members take in the group's record.
    pub(super) fn record_bytes(&self) -> usize {
        self.tally.record_bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.list.iter()
    }

    /// All members, to change fields that no total depends on: timers and `is_new`.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.list.iter_mut()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Member> {
        Some(&self.list[*self.places.get(id)?])
    }

    /// A member, to change fields that no total depends on.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        Some(&mut self.list[*self.places.get(id)?])
    }

    /// The member id of a static member.
    pub(super) fn by_instance(&self, instance_id: &str) -> Option<&Str> {
        self.instances.get(instance_id)
    }

    /// How many members support the protocol.
    pub(super) fn supporters(&self, protocol: &str) -> usize {
        self.tally.support.get(protocol).copied().unwrap_or(0)
    }

    /// Adds a member, whose id and instance id are new.
    pub(super) fn insert(&mut self, member: Member) {
        self.tally.count(&member);
        if let Some(instance_id) = &member.instance_id {
            self.instances
                .insert(instance_id.clone(), member.id.clone());
        }
        let previous = self.places.insert(member.id.clone(), self.list.len());
        assert!(previous.is_none(), "a member joins a group once");
        self.list.push(member);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let place = self.places.remove(id)?;
        let member = self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(moved.id.clone(), place);
        }
        self.tally.discount(&member);
        if let Some(instance_id) = &member.instance_id {
            self.instances.remove(instance_id);
        }
        Some(member)
    }

    /// Removes the members for which `is_gone` returns true, and returns them.
    pub(super) fn remove_all(&mut self, is_gone: impl Fn(&Member) -> bool) -> Vec<Member> {
        let gone = self.list.iter().filter(|member| is_gone(member));
        let ids: Vec<Str> = gone.map(|member| member.id.clone()).collect();
        ids.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Changes anything of a member but its ids.
    pub(super) fn update<R>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Member) -> R,
    ) -> Option<R> {
        let place = *self.places.get(id)?;
        let member = &mut self.list[place];
        self.tally.discount(member);
        let result = change(member);
        self.tally.count(member);
        Some(result)
    }

    /// Gives a member another id; its place stays.
    pub(super) fn rename(&mut self, id: &str, new_id: Str) {
        let mut member = self.remove(id).expect("only a member is renamed");
        member.id = new_id;
        // The entry among the timers has the old id.
        member.session = Deadline::default();
        self.insert(member);
    }

    /// Lets a member wait in a JoinGroup, and returns the request that waited before.
    pub(super) fn set_join(&mut self, id: &str, token: Token) -> Option<Token> {
        let previous = self.get_mut(id)?.join.replace(token);
        self.tally.awaiting_join += usize::from(previous.is_none());
        previous
    }

    /// Takes the JoinGroup in which the member waits: it does not wait any more.
    pub(super) fn take_join(&mut self, id: &str) -> Option<Token> {
        let token = self.get_mut(id)?.join.take()?;
        self.tally.awaiting_join -= 1;
        Some(token)
    }

    /// Notes whether a member has to ask for its assignment.
    pub(super) fn set_owes_sync(&mut self, id: &str, owes_sync: bool) {
        let Some(member) = self.get_mut(id) else {
            return;
        };
        let previous = std::mem::replace(&mut member.owes_sync, owes_sync);
        self.tally.owing_sync += usize::from(owes_sync);
        self.tally.owing_sync -= usize::from(previous);
    }

    /// Notes for all members whether they have to ask for their assignment.
    pub(super) fn all_owe_sync(&mut self, owe_sync: bool) {
        for member in &mut self.list {
            member.owes_sync = owe_sync;
        }
        self.tally.owing_sync = if owe_sync { self.list.len() } else { 0 };
    }

    /// The protocol that most members prefer among those that all support; of equal ones the first by name.
    /// `None` if there are no members.
    pub(super) fn vote(&self) -> Option<Str> {
        let is_candidate = |protocol: &&Protocol| self.supporters(&protocol.name) == self.len();
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for member in &self.list {
            let choice = member.protocols.iter().find(is_candidate);
            let choice = choice.expect("nobody joins who shares no protocol with all others");
            *votes.entry(&choice.name).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        let mut winners = votes.into_iter().filter(|(_, count)| *count == most);
        winners.next().map(|(name, _)| name.clone())
    }
}

impl Tally {
    fn count(&mut self, member: &Member) {
        for protocol in &member.protocols {
            match self.support.get_mut(&protocol.name) {
                Some(count) => *count += 1,
                None => {
                    self.support.insert(protocol.name.clone(), 1);
                }
            }
        }
        self.awaiting_join += usize::from(member.join.is_some());
        self.owing_sync += usize::from(member.owes_sync);
        self.bytes += member.bytes();
        self.record_bytes += member.record_bytes();
    }

    fn discount(&mut self, member: &Member) {
        for protocol in &member.protocols {
            let count = self.support.get_mut(&protocol.name);
            let count = count.expect("it was counted");
            *count -= 1;
            if *count == 0 {
                self.support.remove(&protocol.name);
            }
        }
        self.awaiting_join -= usize::from(member.join.is_some());
        self.owing_sync -= usize::from(member.owes_sync);
        self.bytes -= member.bytes();
        self.record_bytes -= member.record_bytes();
    }
}
