//! Carries out what a replica wants done, as its driver would: in order, and with faults on it may
//! crash between any two effects, or wait for its disk.

use broker::model::BrokerId;
use broker::raft::{
    Announcement, BatchContent, Effect, Input, LeaderBatch, OffsetAndEpoch, Refusal, Request,
    RequestToken, Response, ResponseBody,
};
use bytes::{BufMut, BytesMut};

use super::disk::Entry;
use super::faults::Fate;
use super::mutation::Mutation;
use super::network::{Caller, Event};
use super::world::World;

/// At most this many batches in an answer, so that logs part in many places.
const MAX_BATCHES: usize = 4;
/// At most this many bytes of a snapshot in an answer.
const MAX_CHUNK: usize = 100;

impl World {
    pub fn carry_out_all(&mut self, node: usize) {
        loop {
            let acting = &mut self.nodes[node];
            if acting.stalled_until.is_some() {
                return;
            }
            let Some(effect) = acting.effects.pop_front() else {
                if let Some(core) = &acting.core {
                    let process = (node, acting.incarnation);
                    let watermarks = &self.invariants.watermarks;
                    watermarks.on_idle(process, core.high_watermark());
                }
                return;
            };
            let has_waited = std::mem::take(&mut acting.has_waited);
            self.leave_alone_who_settles(node, &effect);
            let fate = if self.ends_newcomer(node, &effect) {
                Fate::Crash
            } else {
                self.fate(&effect)
            };
            match fate {
                Fate::Slow(duration) if !has_waited => {
                    self.nodes[node].effects.push_front(effect);
                    self.nodes[node].has_waited = true;
                    self.stall(node, duration);
                }
                Fate::Crash => self.crash_in(node, effect),
                Fate::Full => self.fill_disk(node),
                Fate::Done | Fate::Slow(_) => {
                    if let Some(input) = self.carry_out(node, effect) {
                        self.nodes[node].give(self.elapsed, input);
                    }
                }
            }
        }
    }

    /// The process ends while it does something: before it, or when it is done.
    fn crash_in(&mut self, node: usize, effect: Effect) {
        let is_message = matches!(
            effect,
            Effect::Send { .. } | Effect::Reply { .. } | Effect::ReplyWithLog { .. }
        );
        if self.random.one_in(2) || is_message {
            self.carry_out(node, effect);
        }
        self.crash(node);
    }

    fn carry_out(&mut self, node: usize, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Send {
                to,
                correlation,
                request,
            } => {
                let to = to.0 as usize;
                let caller = Caller {
                    node,
                    incarnation: self.nodes[node].incarnation,
                    correlation,
                };
                self.send(node, to, || Event::Request {
                    caller,
                    to,
                    request: request.clone(),
                });
                if matches!(&request, Request::Fetch(fetch) if fetch.replica.id >= BrokerId(0)) {
                    self.wipe_who_promised(node, 100);
                }
            }
            Effect::Reply { token, response } => self.reply(node, token, response),
            Effect::ReplyWithLog {
                token,
                from,
                mut response,
                ..
            } => {
                if let ResponseBody::Fetch(answer) = &mut response.body {
                    let count = 1 + self.random.below(MAX_BATCHES);
                    answer.batches = self.nodes[node].disk.read(from, count);
                    let is_empty = answer.batches.is_empty();
                    assert!(
                        !is_empty,
                        "node {node} answers with log that is not written yet"
                    );
                }
                self.reply(node, token, response);
            }
            Effect::ReplyWithSnapshot {
                token,
                request,
                mut response,
            } => {
                let chunk = self.nodes[node].disk.read_snapshot(&request, MAX_CHUNK);
                match chunk {
                    Some(chunk) => response.body = ResponseBody::FetchSnapshot(chunk),
                    None => response.refusal = Some(Refusal::SnapshotNotFound),
                }
                self.reply(node, token, response);
            }
            Effect::Announce(announcement) => self.on_announcement(node, announcement),
            Effect::Halt(reason) => panic!("node {node} halted: {reason}"),
            on_disk => return self.carry_out_on_disk(node, on_disk),
        }
        None
    }

    fn carry_out_on_disk(&mut self, node: usize, effect: Effect) -> Option<Input> {
        let incarnation = self.nodes[node].incarnation;
        let core = self.nodes[node].core.as_ref();
        let epoch = core.map(|core| core.election().epoch);
        let kept = match &effect {
            Effect::Persist(election) => Some(self.distort_election(node, *election)),
            _ => None,
        };
        let keeps_divergence = self.has(Mutation::DivergenceKept);
        let loses_syncs = self.has(Mutation::LostFsync);
        let frees_epoch = self.has(Mutation::FirstEpochIsFree);
        let disk = &mut self.nodes[node].disk;
        match effect {
            Effect::Persist(election) => {
                let before = disk.election;
                let promised = kept.filter(|_| frees_epoch).unwrap_or(election);
                self.invariants.epochs.on_persist(node, before, promised);
                disk.previous_election = before;
                disk.election = kept;
            }
            Effect::Append(batch) => self.append(node, entry_of(node, &batch)),
            Effect::AppendFetched(batch) => self.append(node, Entry::of(&batch)),
            Effect::Truncate(_) if keeps_divergence => {}
            Effect::Truncate(offset) => {
                self.invariants.committed.on_truncate(node, disk, offset);
                disk.truncate(offset);
            }
            Effect::Flush if loses_syncs => return Some(Input::Flushed(disk.write())),
            Effect::Flush => return Some(Input::Flushed(disk.flush())),
            Effect::Commit(offset) => {
                let process = (node, incarnation);
                self.invariants.watermarks.on_commit(process, offset);
                let epoch = epoch.expect("it is up");
                let committed = &mut self.invariants.committed;
                committed.on_commit(process, epoch, disk, offset);
            }
            Effect::StoreSnapshot {
                id,
                position,
                bytes,
                is_last,
            } => {
                disk.store_snapshot(id, position, &bytes, is_last);
                return is_last.then_some(Input::SnapshotStored(id));
            }
            Effect::RestartAtSnapshot(id) => {
                disk.restart_at(id);
                let process = (node, incarnation);
                self.invariants.watermarks.on_commit(process, id.offset);
                self.invariants.committed.on_snapshot(disk, id);
            }
            other => unreachable!("{other:?} has nothing to do with a disk"),
        }
        None
    }

    fn append(&mut self, node: usize, entry: Entry) {
        let disk = &mut self.nodes[node].disk;
        self.invariants.logs.on_append(node, disk, &entry);
        disk.log.push(entry);
    }

    fn on_announcement(&mut self, node: usize, announcement: Announcement) {
        if let Announcement::BecameLeader { epoch, .. } = announcement {
            self.invariants.leaders.on_leader(node, epoch);
            self.last_leader = Some((node, epoch, self.elapsed));
            self.invariants
                .committed
                .on_leader(node, epoch, &self.nodes[node].disk);
        }
    }

    fn send(&mut self, from: usize, to: usize, event: impl Fn() -> Event) {
        let now = self.elapsed;
        for at in self.network.arrivals(&mut self.random, now, from, to) {
            self.network.schedule(at, event());
        }
    }

    fn reply(&mut self, from: usize, token: RequestToken, mut response: Response) {
        let Some(caller) = self.network.caller_of(token) else {
            return;
        };
        let epoch = self.invariants.votes.epoch_asked(token);
        self.distort_response(from, epoch, &mut response);
        self.hold_back(caller.node, &mut response);
        let votes = &mut self.invariants.votes;
        votes.on_reply(token, from, caller.node, &response);
        self.send(from, caller.node, || Event::Response {
            from,
            caller,
            response: response.clone(),
        });
        if epoch.is_some() && response.body == (ResponseBody::Vote { granted: true }) {
            self.wipe_who_promised(from, 3);
        }
    }

    /// A node gives its state as of its high watermark a snapshot, and may cut its log there.
    pub fn write_snapshot(&mut self) {
        let node = self.random.below(self.nodes.len());
        let Some(core) = &self.nodes[node].core else {
            return;
        };
        let Some(high_watermark) = core.high_watermark() else {
            return;
        };
        let end = if self.has(Mutation::SnapshotBeyondCommit) {
            core.log().end_offset()
        } else {
            high_watermark
        };
        if self.nodes[node].stalled_until.is_some() {
            return;
        }
        let disk = &mut self.nodes[node].disk;
        let covered = disk.log.iter().rfind(|entry| entry.last_offset < end);
        let Some(id) = covered.map(|entry| OffsetAndEpoch {
            offset: entry.last_offset + 1,
            epoch: entry.epoch,
        }) else {
            return;
        };
        if disk.snapshots.iter().any(|(other, _)| *other == id) {
            return;
        }
        self.invariants.committed.on_snapshot_written(node, id);
        disk.snapshots
            .push((id, self.invariants.committed.content_up_to(id)));
        self.nodes[node].give(self.elapsed, Input::SnapshotWritten(id));
        if self.random.one_in(2) {
            self.nodes[node].disk.clean(id);
            self.nodes[node].give(self.elapsed, Input::Cleaned(id));
        }
    }
}

fn entry_of(node: usize, batch: &LeaderBatch) -> Entry {
    let mut content = BytesMut::new();
    match &batch.content {
        BatchContent::LeaderChange { .. } => {
            content.put_slice(format!("<node {node} leads>").as_bytes());
        }
        BatchContent::Records(records) => {
            records.iter().for_each(|record| content.put_slice(record))
        }
    }
    Entry {
        base_offset: batch.base_offset,
        last_offset: batch.last_offset(),
        epoch: batch.epoch,
        content: content.freeze(),
    }
}
