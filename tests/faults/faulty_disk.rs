//! The disk of one node, syncs and writes of which fail or take long as long as a test wants it, for files
//! below some path.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::nodes::Nodes;
use crate::support::{path_text, preload};
use crate::voice::wait_for;

/// What tells a node's process of faults.
pub struct FaultyDisk {
    library: PathBuf,
    _directory: TempDir,
}

impl FaultyDisk {
    /// The disk of a node, from its next start on; without faults. `None`, said loudly, without a compiler.
    pub fn of(nodes: &mut Nodes, id: i32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let source = include_str!("faulty_disk.c");
        let library = preload::library(directory.path(), "faulty", source)?;
        nodes.place(id).preload(&library);
        Some(Self {
            library,
            _directory: directory,
        })
    }

    fn beside(&self, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}.{ending}", path_text(&self.library)))
    }

    /// From now on, syncs of files whose paths begin so fail.
    pub fn fail_syncs(&self, paths: &Path) {
        self.rule(&format!("sync {} error\n", path_text(paths)));
    }

    /// From now on, syncs and writes of files whose paths begin so take longer by these.
    pub fn delay(&self, paths: &Path, syncs: Duration, writes: Duration) {
        let paths = path_text(paths);
        let (syncs, writes) = (syncs.as_millis(), writes.as_millis());
        self.rule(&format!("sync {paths} {syncs}\nwrite {paths} {writes}\n"));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.rule("");
    }

    fn rule(&self, rules: &str) {
        assert!(self.beside("failed").exists(), "the library is loaded");
        let new = self.beside("new");
        fs::write(&new, rules).expect("the file can be written");
        fs::rename(new, self.beside("rules")).expect("the file can be renamed");
    }

    /// What has failed so far, once there is something: a line each, as often as it was tried.
    pub fn failed(&self) -> Vec<String> {
        wait_for("a failure", || {
            let text = fs::read_to_string(self.beside("failed")).ok()?;
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (!lines.is_empty()).then_some(lines)
        })
    }

    /// Checks that nothing was tried again that had failed.
    pub fn assert_never_tried_again(&self) {
        let failed = self.failed();
        let each: BTreeSet<&String> = failed.iter().collect();
        assert_eq!(each.len(), failed.len(), "tried again: {failed:?}");
    }
}
