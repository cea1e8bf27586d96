//! A node's quorum goes on, and what comes of it is looked at: its messages, its disk, what it tells.

use std::time::Duration;

use broker::doubles::{Tear, comes_back};
use broker::model::{LeaderEpoch, Offset};
use broker::raft::{ElectionState, OffsetAndEpoch, RaftEvent, Request, Response};

use super::mutation::Mutation;
use super::process::Process;
use super::view;
use super::world::{Event, World};

impl World {
    /// A node starts with what its disk says.
    pub fn start(&mut self, node: usize) {
        if self.machines[node].process.is_some() {
            return;
        }
        self.begin_disk_fault_at_start(node);
        self.set_clock(node);
        let found = view::read_election(&self.machines[node].disk);
        if let Some(election) = found {
            self.invariants.votes.on_start(node, election);
        }
        self.invariants.epochs.on_start(node, found);
        let config = self.config(node);
        let machine = &mut self.machines[node];
        machine.lies.begin();
        let started = Process::start(&config, &machine.disk, &machine.lies, &machine.shown);
        machine.lies.catch_up(&machine.disk);
        match started {
            _ if self.has_lost_power(node) => {
                drop(started);
                self.crash(node);
            }
            Ok(process) => {
                self.machines[node].process = Some(process);
                self.tell(|| format!("node {node} starts with {found:?}"));
                self.wake(node);
            }
            Err(why) => {
                let has_failed = self.has_failed(node);
                let names = view::names(&self.machines[node].disk);
                assert!(
                    has_failed,
                    "node {node} does not start: {why}; it has {names:?}"
                );
                self.tell(|| format!("node {node} does not start: {why}"));
                self.end(node, Tear::Kept);
            }
        }
    }

    pub fn on_step(&mut self, node: usize, incarnation: u64) {
        let machine = &mut self.machines[node];
        if machine.incarnation != incarnation {
            return;
        }
        // Another one may have been earlier.
        if machine.armed.is_none_or(|armed| armed > self.elapsed) {
            return;
        }
        machine.armed = None;
        self.slow_down(node);
        self.set_clock(node);
        let machine = &mut self.machines[node];
        let Some(process) = &mut machine.process else {
            return;
        };
        let begun = machine.shown.shown();
        let info = process.stepped.raft.info();
        for from in std::mem::take(&mut process.fetching) {
            if info.leads {
                let leadership = (node, incarnation, info.epoch);
                let majorities = &mut self.invariants.majorities;
                majorities.on_fetch(begun, leadership, from);
            }
        }
        process.stepped.step();
        let done = machine.shown.shown();
        self.steps += 1;
        self.look_after(node, done == begun);
        let at = self.machines[node].clock.when(done).max(self.elapsed);
        if at > self.elapsed {
            self.machines[node].stalled_until = Some(at);
        }
        self.pass_on(node, at);
        self.settle(node, at);
    }

    /// What a step has done to the disk and told.
    fn look_after(&mut self, node: usize, took_no_time: bool) {
        let process = self.machines[node].process.as_ref();
        let told = process.map(Process::take_told).unwrap_or_default();
        let is_whole = !self.has_lost_power(node)
            && !told.iter().any(|told| matches!(told, RaftEvent::Failed(_)));
        if is_whole {
            self.look_at_disk(node);
        }
        for event in told {
            self.on_told(node, event, is_whole);
        }
        if is_whole {
            self.look_at_info(node, took_no_time);
        }
    }

    pub fn look_at_disk(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let Some(changes) = machine.view.look(&machine.disk) else {
            return;
        };
        let shown = &mut machine.view.shown;
        if let Some(offset) = changes.cut {
            // A snapshot that was fetched takes the place of the log before it.
            let covered = changes.newest_snapshot.max(offset);
            shown.truncate(machine.log_end.max(offset));
            self.invariants.committed.on_truncate(node, shown, covered);
            shown.truncate(offset);
        }
        for entry in changes.appended {
            self.invariants.logs.on_append(node, shown, &entry);
            shown.log.push(entry);
        }
        shown.flush();
        if let Some(before) = changes.election {
            let election = shown.election.expect("it is never removed");
            let epochs = &mut self.invariants.epochs;
            epochs.on_persist(node, before, election);
        }
        for id in changes.snapshots {
            let committed = &self.invariants.committed;
            committed.on_snapshot_written(node, id);
            let records = view::read_snapshot(&self.machines[node].disk, id);
            self.states.check_snapshot(node, id, &records);
        }
    }

    fn on_told(&mut self, node: usize, event: RaftEvent, is_whole: bool) {
        self.tell(|| format!("node {node}: {}", brief(&event)));
        let Some(process) = &mut self.machines[node].process else {
            return;
        };
        match event {
            RaftEvent::Committed(batch) => {
                self.states.on_committed(node, &mut process.state, &batch);
            }
            RaftEvent::LoadSnapshot { id, batches, .. } => {
                let records = batches.concat();
                let state = &mut process.state;
                self.states.on_load(node, state, id, records);
            }
            RaftEvent::BecameLeader { epoch, .. } => process.leads = Some(epoch),
            RaftEvent::Resigned { .. } => process.leads = None,
            RaftEvent::LeaderChanged {
                leader: Some(leader),
                epoch,
            } => {
                let leader = leader.0 as usize;
                self.invariants.leaders.on_leader(leader, epoch);
                let info = process.stepped.raft.info();
                // One whose disk was replaced hears from others that it leads.
                if leader == node && is_whole && info.leads && info.epoch == epoch {
                    let shown = &self.machines[node].view.shown;
                    let committed = &self.invariants.committed;
                    committed.on_leader(node, epoch, shown);
                }
            }
            RaftEvent::LeaderChanged { leader: None, .. } => {}
            RaftEvent::Failed(reason) => {
                assert!(self.has_failed(node), "node {node} failed: {reason}");
            }
        }
    }

    /// What a node says of itself.
    fn look_at_info(&mut self, node: usize, took_no_time: bool) {
        let machine = &mut self.machines[node];
        let Some(process) = &machine.process else {
            return;
        };
        let name = (node, machine.incarnation);
        let info = process.stepped.raft.info();
        machine.log_end = info.log_end_offset;
        let shown = &machine.view.shown;
        if let Some(high_watermark) = info.high_watermark {
            let committed = &mut self.invariants.committed;
            committed.on_commit(name, info.epoch, shown, high_watermark);
            self.published.on_commit(name, high_watermark);
        }
        let watermarks = &mut self.invariants.watermarks;
        watermarks.on_commit(name, process.delivered());
        watermarks.on_idle(name, info.high_watermark);
        if info.leads && took_no_time && process.stepped.wakes_at().is_some() {
            let now = machine.shown.shown();
            let leadership = (node, machine.incarnation, info.epoch);
            let majorities = &mut self.invariants.majorities;
            majorities.check(now, leadership, self.voters.len());
        }
    }

    /// The messages of a step leave.
    fn pass_on(&mut self, node: usize, at: Duration) {
        let sent = self.machines[node].process.as_ref().map(Process::take_sent);
        for sent in sent.into_iter().flatten() {
            if !self.has_left(node, sent.operations) {
                continue;
            }
            let to = sent.to.0 as usize;
            self.note_epoch(node, epoch_of(&sent.request));
            let left = self.machines[node].clock.when(sent.at).max(self.elapsed);
            let correlation = self.send(node, to, left, &sent.request);
            if let Some(process) = &mut self.machines[node].process {
                process.expect_answer(sent.to, correlation, sent.slot);
            }
        }
        let process = self.machines[node].process.as_mut();
        for (token, asked, served) in process.map(Process::take_answers).unwrap_or_default() {
            // Whether it got away before the power failed is a matter of chance.
            if self.has_lost_power(node) && self.random.one_in(2) {
                continue;
            }
            let Some(caller) = self.network.caller_of(token) else {
                continue;
            };
            self.note_epoch(node, served.response.epoch);
            let response: Response = comes_back(&self.addresses, &asked, &served)
                .expect("what a node answers can be read");
            let votes = &mut self.invariants.votes;
            votes.on_reply(token, node, caller.node, &response);
            let to = caller.node;
            for arrival in self.network.arrivals(&mut self.random, at, node, to) {
                self.network.schedule(
                    arrival,
                    Event::Response {
                        from: node,
                        caller,
                        response: response.clone(),
                    },
                );
            }
        }
    }

    /// Others were told of an epoch: it is on the disk, unless the node is a newcomer, which promises nothing.
    fn note_epoch(&mut self, node: usize, epoch: LeaderEpoch) {
        if self.machines[node].view.shown.election.is_some() {
            let told = ElectionState {
                epoch,
                ..ElectionState::default()
            };
            self.invariants.epochs.on_persist(node, None, told);
        }
    }

    /// A step is over: the node goes on when there is something to do, unless it has ended.
    fn settle(&mut self, node: usize, at: Duration) {
        if self.has_lost_power(node) {
            self.crash(node);
            return;
        }
        let Some(process) = &self.machines[node].process else {
            return;
        };
        let Some(wakes_at) = process.stepped.wakes_at() else {
            self.on_end(node);
            return;
        };
        let wakes_at = if process.stepped.has_work() {
            at
        } else {
            self.machines[node].clock.when(wakes_at).max(at)
        };
        // The next step finds what was late.
        self.arm(node, wakes_at);
        self.overwrite_state(node);
        let machine = &self.machines[node];
        machine.lies.catch_up(&machine.disk);
    }

    /// The quorum has ended: it was closed, or it has failed with its disk.
    fn on_end(&mut self, node: usize) {
        if self.has_failed(node) {
            self.crash(node);
            return;
        }
        let process = self.machines[node].process.as_ref();
        let is_stopping = process.is_some_and(|process| process.is_stopping);
        assert!(is_stopping, "node {node} ended, and nobody asked it to");
        self.tell(|| format!("node {node} has stopped"));
        let machine = &mut self.machines[node];
        machine.process = None;
        machine.fault = None;
        machine.disk = machine.disk.after_power_cut(Tear::Kept);
        self.gone(node);
    }

    /// A node gives its state as of what it was given a snapshot.
    pub fn write_snapshot(&mut self) {
        let node = self.random.below(self.machines.len());
        self.set_clock(node);
        let machine = &self.machines[node];
        let Some(process) = &machine.process else {
            return;
        };
        if self.mutation == Some(Mutation::SnapshotBeyondCommit) {
            let info = process.stepped.raft.info();
            let id = OffsetAndEpoch {
                offset: info.log_end_offset,
                epoch: info.epoch,
            };
            if info.log_end_offset > Offset::ZERO {
                let snapshots = view::snapshots(&machine.disk);
                let records = std::iter::once(process.state.records.clone());
                let now = broker::model::Timestamp(0);
                let _ = snapshots.write(id, now, records, now);
            }
            return;
        }
        let Some(end) = process.state.end else {
            return;
        };
        let records = process.state.records.clone();
        let batches = records.chunks(10).map(<[_]>::to_vec);
        let appended = broker::model::Timestamp(process.state.last_append);
        // A disk that fails is noticed where the log is written.
        let written = process.stepped.raft.write_snapshot(end, appended, batches);
        self.tell(|| format!("node {node} writes a snapshot {end}: {written:?}"));
        if self.has_lost_power(node) {
            self.crash(node);
        } else {
            self.wake(node);
        }
    }
}

fn epoch_of(request: &Request) -> LeaderEpoch {
    match request {
        Request::Vote(request) => request.epoch,
        Request::BeginQuorumEpoch(request) => request.epoch,
        Request::EndQuorumEpoch(request) => request.epoch,
        Request::Fetch(request) => request.epoch,
        Request::FetchSnapshot(request) => request.epoch,
    }
}

fn brief(event: &RaftEvent) -> String {
    match event {
        RaftEvent::Committed(batch) => {
            format!("committed {}..={}", batch.base_offset, batch.last_offset)
        }
        RaftEvent::LoadSnapshot { id, .. } => format!("loads the snapshot {id}"),
        other => format!("{other:?}"),
    }
}
