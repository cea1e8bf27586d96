//! Carries out what a replica wants done, as its driver would: in order, and with faults on it may
//! crash between any two effects.

use broker::raft::{
    Announcement, BatchContent, Effect, Input, LeaderBatch, OffsetAndEpoch, Refusal, RequestToken,
    Response, ResponseBody,
};
use bytes::{BufMut, BytesMut};

use super::disk::Entry;
use super::network::Event;
use super::world::World;

/// At most this many batches in an answer, so that logs part in many places.
const MAX_BATCHES: usize = 4;
/// At most this many bytes of a snapshot in an answer.
const MAX_CHUNK: usize = 100;

impl World {
    pub fn carry_out_all(&mut self, node: usize) {
        loop {
            let effects = std::mem::take(&mut self.nodes[node].effects);
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                if self.network.has_faults && self.random.one_in(400) {
                    self.crash(node);
                    return;
                }
                if let Some(input) = self.carry_out(node, effect) {
                    self.nodes[node].give(self.now, input);
                }
            }
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Send {
                to,
                correlation,
                request,
            } => {
                let to = to.0 as usize;
                self.send(node, to, |incarnation| Event::Request {
                    from: node,
                    from_incarnation: incarnation,
                    to,
                    correlation,
                    request: request.clone(),
                });
            }
            Effect::Reply { token, response } => self.reply(node, token, &response),
            Effect::ReplyWithLog {
                token,
                from,
                mut response,
                ..
            } => {
                if let ResponseBody::Fetch(answer) = &mut response.body {
                    let count = 1 + self.random.below(MAX_BATCHES);
                    answer.batches = self.nodes[node].disk.read(from, count);
                }
                self.reply(node, token, &response);
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
                self.reply(node, token, &response);
            }
            Effect::Announce(announcement) => self.on_announcement(node, announcement),
            Effect::Halt(reason) => panic!("node {node} halted: {reason}"),
            on_disk => return self.carry_out_on_disk(node, on_disk),
        }
        None
    }

    fn carry_out_on_disk(&mut self, node: usize, effect: Effect) -> Option<Input> {
        let incarnation = self.nodes[node].incarnation;
        let disk = &mut self.nodes[node].disk;
        match effect {
            Effect::Persist(election) => {
                let before = disk.election;
                self.invariants.epochs.on_persist(node, before, election);
                disk.election = election;
            }
            Effect::Append(batch) => disk.log.push(entry_of(&batch)),
            Effect::AppendFetched(batch) => disk.log.push(Entry::of(&batch)),
            Effect::Truncate(offset) => disk.truncate(offset),
            Effect::Flush => return Some(Input::Flushed(disk.flush())),
            Effect::Commit(offset) => {
                let process = (node, incarnation);
                self.invariants.watermarks.on_commit(process, offset);
                self.invariants.committed.on_commit(process, disk, offset);
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
                self.invariants.committed.on_snapshot(disk, id);
            }
            other => unreachable!("{other:?} has nothing to do with a disk"),
        }
        None
    }

    fn on_announcement(&mut self, node: usize, announcement: Announcement) {
        if let Announcement::BecameLeader { epoch, .. } = announcement {
            self.invariants.leaders.on_leader(node, epoch);
            self.invariants
                .committed
                .on_leader(node, &self.nodes[node].disk);
        }
    }

    fn send(&mut self, from: usize, to: usize, event: impl Fn(u64) -> Event) {
        let incarnation = self.nodes[from].incarnation;
        let now = self.elapsed();
        for at in self.network.arrivals(&mut self.random, now, from, to) {
            self.network.schedule(at, event(incarnation));
        }
    }

    fn reply(&mut self, from: usize, token: RequestToken, response: &Response) {
        let Some(caller) = self.network.caller_of(token) else {
            return;
        };
        let votes = &mut self.invariants.votes;
        votes.on_reply(token, from, caller.node, response);
        self.send(from, caller.node, |_| Event::Response {
            from,
            to: caller.node,
            to_incarnation: caller.incarnation,
            correlation: caller.correlation,
            response: response.clone(),
        });
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
        let disk = &mut self.nodes[node].disk;
        let covered = disk
            .log
            .iter()
            .rfind(|entry| entry.last_offset < high_watermark);
        let Some(id) = covered.map(|entry| OffsetAndEpoch {
            offset: entry.last_offset + 1,
            epoch: entry.epoch,
        }) else {
            return;
        };
        if disk.snapshots.iter().any(|(other, _)| *other == id) {
            return;
        }
        disk.snapshots
            .push((id, self.invariants.committed.content_up_to(id)));
        self.nodes[node].give(self.now, Input::SnapshotWritten(id));
        if self.random.one_in(2) {
            self.nodes[node].disk.clean(id);
            self.nodes[node].give(self.now, Input::Cleaned(id));
        }
    }
}

fn entry_of(batch: &LeaderBatch) -> Entry {
    let mut content = BytesMut::new();
    match &batch.content {
        BatchContent::LeaderChange { .. } => content.put_slice(b"leader change"),
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
