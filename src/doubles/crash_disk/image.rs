//! What a disk in memory holds: the live and the durable image of each file and directory, and what
//! a power cut makes of the two.

use std::collections::BTreeMap;

use super::{InodeId, Tear};
use crate::model::Timestamp;

pub(super) fn index(position: u64) -> usize {
    usize::try_from(position).expect("a file in memory fits it")
}

#[derive(Debug)]
pub(super) enum Inode {
    Dir(DirImage),
    File(FileImage),
}

#[derive(Clone, Debug, Default)]
pub(super) struct DirImage {
    pub(super) live: BTreeMap<String, InodeId>,
    pub(super) durable: BTreeMap<String, InodeId>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileImage {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// The changes since the last sync, in order.
    pub(super) pending: Vec<Change>,
    pub(super) modified: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl FileImage {
    pub(super) fn write(&mut self, position: u64, bytes: Vec<u8>) {
        put(&mut self.live, position, &bytes);
        self.pending.push(Change::Write { position, bytes });
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.live.resize(index(len), 0);
        self.pending.push(Change::SetLen(len));
    }

    /// The durable bytes with some of the pending changes: sector by sector, in any order.
    fn torn(&self, random: &mut Random) -> Vec<u8> {
        const SECTOR: usize = 512;
        let mut content = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::SetLen(len) if random.below(2) == 0 => content.resize(index(*len), 0),
                Change::SetLen(_) => {}
                Change::Write { position, bytes } => {
                    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                        let position = position + (number * SECTOR) as u64;
                        let kept = random.below(sector.len() + 1);
                        match random.below(6) {
                            0 => {}
                            1 => put(&mut content, position, &sector[..kept]),
                            2 => put(&mut content, position, &vec![0; sector.len()]),
                            3 => put(&mut content, position, &random.bytes(sector.len())),
                            _ => put(&mut content, position, sector),
                        }
                    }
                }
            }
        }
        content
    }
}

fn put(content: &mut Vec<u8>, position: u64, bytes: &[u8]) {
    let start = index(position);
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

impl Inode {
    /// Makes all pending changes durable.
    pub(super) fn sync(&mut self) {
        match self {
            Self::Dir(dir) => dir.durable.clone_from(&dir.live),
            Self::File(file) => {
                file.durable.clone_from(&file.live);
                file.pending.clear();
            }
        }
    }

    pub(super) fn after_power_cut(&self, tear: Tear, random: &mut Random) -> Self {
        match self {
            Self::Dir(dir) => {
                let names = match tear {
                    Tear::Lost => dir.durable.clone(),
                    Tear::Kept => dir.live.clone(),
                    Tear::Torn(_) => dir.torn(random),
                };
                Self::Dir(DirImage {
                    live: names.clone(),
                    durable: names,
                })
            }
            Self::File(file) => {
                let content = match tear {
                    Tear::Lost => file.durable.clone(),
                    Tear::Kept => file.live.clone(),
                    Tear::Torn(_) => file.torn(random),
                };
                Self::File(FileImage {
                    live: content.clone(),
                    durable: content,
                    pending: Vec::new(),
                    modified: file.modified,
                })
            }
        }
    }
}

impl DirImage {
    /// Each name that changed is as it was or as it is. A file that was renamed has one of its two
    /// names.
    fn torn(&self, random: &mut Random) -> BTreeMap<String, InodeId> {
        let mut names = self.durable.clone();
        for name in self.durable.keys().chain(self.live.keys()) {
            if self.live.get(name) != self.durable.get(name) && random.below(2) == 0 {
                match self.live.get(name) {
                    Some(inode) => names.insert(name.clone(), *inode),
                    None => names.remove(name),
                };
            }
        }
        for (name, inode) in &self.durable {
            let is_lost = !names.values().any(|kept| kept == inode);
            if is_lost && self.live.values().any(|moved| moved == inode) {
                names.insert(name.clone(), *inode);
            }
        }
        names
    }
}

/// A small generator (xorshift): the same seed tears the same way for ever.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}
