//! The life of a member: it joins, hears what it is to read, says that it is there, and joins again when the
//! group changes. It commits for its consumer, and leaves for it.
//!
//! While members use an assignor that knows no cooperation, all give up everything before they join again. With
//! cooperative sticky alone they keep what they have, and give up what goes to others after the assignment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::{Event, GroupSettings, Offsets, Subscription, protocol};
use crate::client::cluster::{Cluster, ClusterError};
use crate::client::consumer::PartitionKey;
use crate::client::consumer::assignor::{Assignor, Counts, Member};
use crate::protocol::messages::join_group::JoinGroupResponse;
use crate::protocol::messages::metadata::MetadataResponseTopic;
use crate::protocol::messages::sync_group::SyncGroupRequestAssignment;
use crate::protocol::{ErrorCode, Str};

/// The generation of a member that is in none.
const NO_GENERATION: i32 = -1;

/// The consumer wants to leave: what to commit before, and where to say that it is done.
pub(super) struct Leaving {
    pub(super) offsets: Offsets,
    pub(super) done: oneshot::Sender<()>,
}

/// What the consumer tells its membership.
pub(super) struct Orders {
    /// How far was read.
    pub(super) commits: mpsc::UnboundedReceiver<Offsets>,
    /// That it leaves; a consumer that is gone leaves, too.
    pub(super) leaving: mpsc::UnboundedReceiver<Leaving>,
}

/// A member.
pub(super) struct Membership {
    pub(super) cluster: Cluster,
    /// The requests that wait for other members have connections of their own, and their time.
    pub(super) joining: Cluster,
    pub(super) settings: GroupSettings,
    pub(super) member_id: Str,
    pub(super) generation: i32,
    /// What this member asks for: the topics of its subscription that are there.
    pub(super) topics: BTreeSet<Str>,
    pub(super) owned: BTreeSet<PartitionKey>,
    /// The counts that the leader's assignment rests on; empty for all others.
    counts: Counts,
    events: mpsc::UnboundedSender<Event>,
}

/// Why a round of the group has ended.
enum RoundEnd {
    /// The group changes.
    Rejoin,
    /// The coordinator does not know the member any more.
    Forgotten,
    /// The member has left.
    Left,
}

impl Membership {
    pub(super) fn new(
        cluster: Cluster,
        settings: GroupSettings,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let mut options = cluster.options().clone();
        options.request_timeout += settings.rebalance_timeout;
        options.api_timeout += settings.rebalance_timeout;
        Self {
            cluster,
            joining: Cluster::new(options),
            settings,
            member_id: Str::default(),
            generation: NO_GENERATION,
            topics: BTreeSet::new(),
            owned: BTreeSet::new(),
            counts: Counts::new(),
            events,
        }
    }

    /// Takes part until the consumer leaves, or is gone, or the cluster refuses for good.
    pub(super) async fn run(mut self, mut orders: Orders) {
        loop {
            let joined = tokio::select! {
                joined = self.join() => joined,
                leaving = orders.leaving.recv() => return self.leave(leaving).await,
            };
            let ended = match joined {
                Ok(true) => self.take_part(&mut orders).await,
                // What goes to others was given up: they get it in another round.
                Ok(false) => Ok(RoundEnd::Rejoin),
                Err(error) => Err(error),
            };
            match ended {
                Ok(RoundEnd::Rejoin) => self.give_up_before_join().await,
                Ok(RoundEnd::Forgotten) => self.lose_all(),
                Ok(RoundEnd::Left) => return,
                Err(error) => {
                    // The consumer may be gone.
                    let _ = self.events.send(Event::Failed(error));
                    return;
                }
            }
        }
    }

    /// Whether the member keeps what it reads while the group changes.
    fn is_cooperative(&self) -> bool {
        let all = &self.settings.assignors;
        all.iter()
            .all(|assignor| *assignor == Assignor::CooperativeSticky)
    }

    fn lose_all(&mut self) {
        self.member_id = Str::default();
        self.generation = NO_GENERATION;
        self.owned.clear();
        let _ = self.events.send(Event::Lost);
    }

    /// Gives everything up, unless the members cooperate.
    async fn give_up_before_join(&mut self) {
        if !self.is_cooperative() {
            let all = std::mem::take(&mut self.owned);
            self.revoke(all).await;
        }
    }

    /// Takes partitions from the consumer, and commits how far it has read them.
    async fn revoke(&mut self, keys: BTreeSet<PartitionKey>) {
        if keys.is_empty() {
            return;
        }
        let keys = keys.into_iter().collect();
        let (offsets, read) = oneshot::channel();
        if self.events.send(Event::Revoked { keys, offsets }).is_ok()
            && let Ok(read) = read.await
        {
            // What is not committed is read again.
            let _ = self.commit(read).await;
        }
    }

    /// Joins, until there is an assignment. Whether the member reads all that it is to read; if not, it has
    /// given up what others wait for.
    async fn join(&mut self) -> Result<bool, ClusterError> {
        loop {
            let topics = self.subscribed().await?;
            self.topics = topics.into_keys().collect();
            let joined = self.ask_to_join().await?;
            match joined.error_code {
                ErrorCode::NONE => {}
                ErrorCode::MEMBER_ID_REQUIRED => {
                    self.member_id = joined.member_id;
                    continue;
                }
                ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                    self.lose_all();
                    continue;
                }
                ErrorCode::REBALANCE_IN_PROGRESS => continue,
                code => return Err(ClusterError::of(code)),
            }
            self.member_id = joined.member_id.clone();
            self.generation = joined.generation_id;
            let assignments = self.assign(&joined).await?;
            let (code, share) = self.sync(&joined, assignments).await?;
            match code {
                ErrorCode::NONE => {}
                ErrorCode::REBALANCE_IN_PROGRESS => {
                    self.give_up_before_join().await;
                    continue;
                }
                ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                    self.lose_all();
                    continue;
                }
                code => return Err(ClusterError::of(code)),
            }
            let share = protocol::assigned(share)
                .map_err(|_| ClusterError::of(ErrorCode::INCONSISTENT_GROUP_PROTOCOL))?;
            return self.adopt(share).await;
        }
    }

    /// Gives the consumer its share. Whether nothing of what it has read goes to others.
    async fn adopt(&mut self, share: BTreeSet<PartitionKey>) -> Result<bool, ClusterError> {
        let revoked: BTreeSet<_> = self.owned.difference(&share).cloned().collect();
        let added: Vec<_> = share.difference(&self.owned).cloned().collect();
        let gave_up = !revoked.is_empty();
        self.revoke(revoked).await;
        self.owned = share;
        let committed = self.committed(added.into_iter()).await?;
        let _ = self.events.send(Event::Assigned(committed));
        Ok(!(gave_up && self.is_cooperative()))
    }

    /// As the leader, shares the partitions out.
    async fn assign(
        &mut self,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClusterError> {
        self.counts.clear();
        if joined.leader != self.member_id || joined.skip_assignment {
            return Ok(Vec::new());
        }
        let members: Result<Vec<Member>, _> = joined
            .members
            .iter()
            .cloned()
            .map(protocol::member)
            .collect();
        let unreadable = || ClusterError::of(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        let members = members.map_err(|_| unreadable())?;
        let name = joined.protocol_name.as_deref().unwrap_or_default();
        let assignor = Assignor::of(name).ok_or_else(unreadable)?;
        let wanted: BTreeSet<Str> = members.iter().flat_map(|it| it.topics.clone()).collect();
        self.counts = self.count(&wanted).await?;
        let assignment = assignor.assign(&members, &self.counts);
        Ok(protocol::assignments(&assignment))
    }

    /// How many partitions these topics have, those that are there.
    async fn count(&mut self, topics: &BTreeSet<Str>) -> Result<Counts, ClusterError> {
        let names: Vec<Str> = topics.iter().cloned().collect();
        let answer = self.cluster.refresh(Some(&names), true).await?;
        Ok(counts(answer.topics))
    }

    /// The topics of the subscription that are there, and how many partitions they have. Topics that were named
    /// count though they may not be there yet.
    async fn subscribed(&mut self) -> Result<Counts, ClusterError> {
        match &self.settings.subscription {
            Subscription::Topics(names) => {
                let names: BTreeSet<Str> = names.iter().cloned().collect();
                let mut found = self.count(&names).await?;
                for name in names {
                    found.entry(name).or_default();
                }
                Ok(found)
            }
            Subscription::Pattern(pattern) => {
                let pattern = pattern.clone();
                let all = self.cluster.refresh(None, false).await?.topics.into_iter();
                let wanted = all.filter(|topic| {
                    let name = topic.name.as_deref();
                    !topic.is_internal && name.is_some_and(|name| pattern.is_match(name))
                });
                Ok(counts(wanted.collect()))
            }
        }
    }

    /// Says that the member is there, and commits, until the group changes.
    async fn take_part(&mut self, orders: &mut Orders) -> Result<RoundEnd, ClusterError> {
        let mut heartbeat_at = Instant::now() + self.settings.heartbeat_interval;
        let mut look_at = self.next_look();
        loop {
            tokio::select! {
                leaving = orders.leaving.recv() => {
                    self.leave(leaving).await;
                    return Ok(RoundEnd::Left);
                }
                Some(mut offsets) = orders.commits.recv() => {
                    // Others may have read further what was this member's when the commit was ordered.
                    offsets.retain(|key, _| self.owned.contains(key));
                    // What is not committed now is committed later, or read again.
                    let _ = self.commit(offsets).await;
                }
                () = tokio::time::sleep_until(heartbeat_at.into()) => {
                    heartbeat_at = Instant::now() + self.settings.heartbeat_interval;
                    match self.heartbeat().await? {
                        ErrorCode::NONE => {}
                        ErrorCode::REBALANCE_IN_PROGRESS => return Ok(RoundEnd::Rejoin),
                        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                            return Ok(RoundEnd::Forgotten);
                        }
                        code => return Err(ClusterError::of(code)),
                    }
                }
                () = tokio::time::sleep_until(look_at.into()) => {
                    look_at = self.next_look();
                    if self.has_new_partitions().await? {
                        return Ok(RoundEnd::Rejoin);
                    }
                }
            }
        }
    }

    /// When the topics are looked at again: soon, as long as one that was named is not there.
    fn next_look(&self) -> Instant {
        let has_all = self
            .topics
            .iter()
            .all(|topic| self.cluster.known(topic).is_some());
        let age = self.settings.metadata_age;
        Instant::now()
            + if has_all {
                age
            } else {
                age.min(self.settings.heartbeat_interval)
            }
    }

    /// Whether topics or partitions have come that nobody reads yet.
    async fn has_new_partitions(&mut self) -> Result<bool, ClusterError> {
        let subscribed = self.subscribed().await?;
        if !subscribed.keys().eq(self.topics.iter()) {
            return Ok(true);
        }
        if self.counts.is_empty() {
            // Another member leads, and looks itself; it may be about to see what is here.
            return Ok(false);
        }
        let wanted: BTreeSet<Str> = self
            .counts
            .keys()
            .chain(subscribed.keys())
            .cloned()
            .collect();
        Ok(self.count(&wanted).await? != self.counts)
    }

    async fn leave(&mut self, leaving: Option<Leaving>) {
        let (offsets, done) = leaving.map_or_else(Default::default, |leaving| {
            (leaving.offsets, Some(leaving.done))
        });
        // A coordinator that can't be told misses the member after a while.
        let _ = self.commit(offsets).await;
        let _ = self.leave_group().await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

fn counts(topics: Vec<MetadataResponseTopic>) -> BTreeMap<Str, i32> {
    let there = topics
        .into_iter()
        .filter(|topic| !topic.error_code.is_error());
    let there = there.filter_map(|topic| {
        let count = i32::try_from(topic.partitions.len()).ok()?;
        Some((topic.name?, count))
    });
    there.collect()
}
