//! Makes the logs of partitions that have just come: those of each directory on a thread of that directory. The
//! metadata waits for them as long as any gets made. Once a disk hangs its logs come later, and nobody else
//! makes them anywhere meanwhile; the others are not kept waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::Replicas;
use super::topic_configs::TopicConfigs;
use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::LocalPartition;
use crate::model::{DirectoryId, TopicIdPartition, Uuid};
use crate::replication::dirs::{DataDir, OpenWork, Progress};
use crate::replication::hosted::{HostedPartition, Offline};
use crate::replication::threads::on_threads;

/// For so many logs of a directory another thread is worth starting.
const LOGS_PER_THREAD: usize = 50;

/// The logs that are being made, and in which directory.
pub type BeingMade = Mutex<BTreeMap<TopicIdPartition, DirectoryId>>;

/// The logs that are to be made in each directory.
type Shares = Vec<(Arc<DataDir>, Vec<LocalPartition>)>;

/// What those who make logs share with whoever waits.
#[derive(Default)]
struct Making {
    progress: Arc<Progress>,
    told: Mutex<Told>,
}

/// What the controller is to be told.
#[derive(Default)]
struct Told {
    placed: Vec<ReplicaDirectory>,
    /// Nobody waits any more: it is told at once.
    is_late: bool,
}

/// The logs of one directory that are to be made. Those that are not when it is dropped, as the directory has failed
/// or replication stops, are offline.
struct Share {
    replicas: Arc<Replicas>,
    making: Arc<Making>,
    /// It is waited for until this is dropped.
    open: Option<OpenWork>,
    dir: Arc<DataDir>,
    wanted: Vec<LocalPartition>,
}

impl Replicas {
    /// Whether the log of a replica is to be made by [`Self::make_new`].
    pub fn is_new(&self, replica: &LocalPartition) -> bool {
        let is_unmade = matches!(
            self.hosted.get(&id_of(replica)),
            None | Some(HostedPartition::Offline(Offline::NotMade))
        );
        is_unmade && replica.directory != Uuid::LOST_DIRECTORY
    }

    /// As [`Self::take_roles`], for replicas whose logs are to be made. Those whose disk hangs come later, and
    /// the controller is told of them then.
    pub fn make_new(
        self: &Arc<Self>,
        replicas: &[&LocalPartition],
        configs: &TopicConfigs<'_>,
    ) -> Vec<ReplicaDirectory> {
        if !self.dirs.has_threads() {
            return self.take_roles(replicas, configs);
        }
        let (shares, nowhere) = self.share_out(replicas);
        let making = Arc::new(Making::default());
        for (dir, wanted) in shares {
            let ids = wanted
                .iter()
                .map(|replica| (id_of(replica), dir.log_dir.id()));
            self.being_made.lock().extend(ids);
            let share = Share {
                replicas: Arc::clone(self),
                making: Arc::clone(&making),
                open: Some(making.progress.begin()),
                dir: Arc::clone(&dir),
                wanted,
            };
            dir.do_late_for(move || share.make());
        }
        let mut placed = self.take_roles(&nowhere, configs);
        if !making.progress.wait() {
            let dirs = self.dirs.online().filter(|dir| dir.lags());
            let dirs: Vec<_> = dirs.map(|dir| dir.path().display()).collect();
            tracing::warn!(
                ?dirs,
                "the disk hangs: the logs that are to be made there come later"
            );
        }
        let mut told = making.told.lock();
        told.is_late = true;
        placed.append(&mut told.placed);
        placed
    }

    /// Which directory each log is made in; those without one are offline.
    fn share_out<'r>(&self, replicas: &[&'r LocalPartition]) -> (Shares, Vec<&'r LocalPartition>) {
        let mut shares = Shares::new();
        let mut nowhere = Vec::new();
        for &replica in replicas {
            let planned = |dir: &DataDir| {
                let share = shares.iter().find(|(it, _)| std::ptr::eq(&**it, dir));
                share.map_or(0, |(_, wanted)| wanted.len())
            };
            let wanted = self.wanted_dir(replica);
            let Some(dir) = self.dirs.choose_beside(wanted, planned).cloned() else {
                nowhere.push(replica);
                continue;
            };
            let replica = replica.clone();
            match shares.iter_mut().find(|(it, _)| Arc::ptr_eq(it, &dir)) {
                Some((_, wanted)) => wanted.push(replica),
                None => shares.push((dir, vec![replica])),
            }
        }
        (shares, nowhere)
    }

    /// Where an operator or the controller wants a log that is to be made.
    pub fn wanted_dir(&self, replica: &LocalPartition) -> DirectoryId {
        let preferred = self.moves.take_preferred(&replica.partition);
        match replica.directory {
            // An operator's choice counts for as long as the controller has assigned no directory.
            Uuid::ZERO | Uuid::UNASSIGNED_DIRECTORY => preferred.unwrap_or(replica.directory),
            assigned => assigned,
        }
    }

    /// The directory in which a log is being made.
    pub fn making_dir(&self, id: &TopicIdPartition) -> Option<&Arc<DataDir>> {
        let dir = self.being_made.lock().get(id).copied()?;
        self.dirs.all().iter().find(|it| it.log_dir.id() == dir)
    }
}

impl Share {
    fn make(mut self) -> Option<OpenWork> {
        let image = self.replicas.hosted.image().clone();
        let configs = TopicConfigs::new(&image, &self.replicas.settings.load());
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(self.wanted.len() / LOGS_PER_THREAD);
        let _gathering = self.dir.syncs.gather_folders(self.wanted.len());
        on_threads(threads, &self.wanted, |replica| {
            self.make_one(replica, &configs);
            None::<()>
        });
        self.open.take()
    }

    fn make_one(&self, replica: &LocalPartition, configs: &TopicConfigs<'_>) {
        let (replicas, id) = (&self.replicas, id_of(replica));
        if self.dir.late.is_over() || self.dir.log_dir.is_offline() {
            return;
        }
        if self.making.told.lock().is_late {
            // The metadata may say otherwise by now.
            replicas.settle(&self.dir, id, &replica.partition);
        } else {
            let mut placed_here = replica.clone();
            placed_here.directory = self.dir.log_dir.id();
            if let Some(placed) = replicas.take_role(&placed_here, configs) {
                self.tell(placed);
            }
        }
        replicas.being_made.lock().remove(&id);
        self.making.progress.step();
    }

    fn tell(&self, placed: ReplicaDirectory) {
        let mut told = self.making.told.lock();
        if told.is_late {
            drop(told);
            self.replicas.dirs.tell_placed(placed);
        } else {
            told.placed.push(placed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        for replica in &self.wanted {
            let id = id_of(replica);
            let was_left = self.replicas.being_made.lock().remove(&id).is_some();
            if was_left && self.replicas.hosted.get(&id).is_none() {
                // Where the controller has assigned no directory another one may do.
                let is_tied = replica.directory == self.dir.log_dir.id();
                let offline = if is_tied && self.dir.log_dir.is_offline() {
                    Offline::Directory
                } else {
                    Offline::NotMade
                };
                let offline = HostedPartition::Offline(offline);
                self.replicas.hosted.insert(id, offline);
            }
        }
    }
}

fn id_of(replica: &LocalPartition) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: replica.topic_id,
        partition: replica.partition.partition,
    }
}
