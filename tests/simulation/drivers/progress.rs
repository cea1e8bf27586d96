//! What must come about once the faults have ended.

use std::time::Duration;

use broker::doubles::Tear;
use broker::model::Offset;

use super::view::View;
use super::world::World;
use crate::quorum::disk::Entry;

impl World {
    /// Soon there is a leader, all nodes follow it, and writes are committed everywhere.
    pub fn assert_gets_to_work(&mut self) {
        self.run_until(Self::trouble);
    }

    /// Once nobody writes any more, all that was written is committed everywhere, and the logs have the same
    /// bytes, durably.
    pub fn assert_same_logs(&mut self) {
        self.has_clients = false;
        self.run_until(Self::lag);
        let ends = self.machines.iter().map(|machine| {
            let info = machine.process.as_ref().map(|it| it.stepped.raft.info());
            info.expect("all are up").log_end_offset
        });
        let ends: Vec<Offset> = ends.collect();
        assert!(
            ends.iter().all(|end| *end == ends[0]),
            "the logs end at {ends:?}"
        );
        let logs: Vec<Vec<Entry>> = self.machines.iter().map(durable_log).collect();
        let last = |log: &Vec<Entry>| log.last().map_or(Offset::ZERO, |last| last.last_offset + 1);
        for (node, log) in logs.iter().enumerate() {
            // A log may begin at the end, after a snapshot.
            assert!(
                log.is_empty() || last(log) == ends[0],
                "node {node}: what is durable ends at {}, and the log at {}",
                last(log),
                ends[0]
            );
            let common = log.iter().rev().zip(logs[0].iter().rev());
            for (ours, theirs) in common {
                assert_eq!(ours, theirs, "the logs of node {node} and node 0 differ");
            }
        }
    }

    /// Runs until nothing is wrong any more, which is soon.
    fn run_until(&mut self, trouble: impl Fn(&Self) -> Option<String>) {
        let end = self.elapsed + Duration::from_secs(60);
        while let Some(trouble) = trouble(self) {
            assert!(self.elapsed < end, "{trouble}, 60 s after the faults");
            for _ in 0..20 {
                self.step();
            }
        }
    }

    /// What is not committed, or not told.
    fn lag(&self) -> Option<String> {
        let infos = self.machines.iter().enumerate().map(|(node, machine)| {
            let process = machine.process.as_ref()?;
            let info = process.stepped.raft.info();
            Some((node, process.delivered(), info))
        });
        let infos: Option<Vec<_>> = infos.collect();
        let Some(infos) = infos else {
            return Some("a node is down".to_owned());
        };
        let end = infos.iter().map(|(.., info)| info.log_end_offset).max();
        infos.iter().find_map(|(node, delivered, info)| {
            let committed = info.high_watermark;
            let is_behind = committed != end || Some(*delivered) != end;
            is_behind.then(|| format!("node {node}: {committed:?} of {end:?}, {delivered} told"))
        })
    }
}

/// The log that a power cut leaves.
fn durable_log(machine: &super::world::Machine) -> Vec<Entry> {
    let disk = machine.disk.after_power_cut(Tear::Lost);
    let mut view = View::default();
    view.look(&disk).map_or(Vec::new(), |found| found.appended)
}
