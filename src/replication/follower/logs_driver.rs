//! Does to logs what a fetcher has decided, on the fetcher's own thread, which may wait for the disk.
//!
//! A panic at one log is a bug, and costs the others nothing: what was done to it counts as failed, and is tried
//! again later.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

#[cfg(test)]
use parking_lot::Mutex;

use super::work::{Act, Outcome, Work};
use crate::model::{LeaderEpoch, TopicIdPartition};
use crate::replication::dirs::{self, DataDir, Dirs};
use crate::replication::error::ReplicaError;
use crate::replication::hosted::Hosted;
use crate::replication::partition::{
    Cut, CutLog, CutPlan, Fetched, FollowerAppend, FollowerEnd, Partition,
};
use crate::replication::threads::{now, on_threads};
use crate::replication::throttle::Throttles;
use crate::telemetry::{LogGate, ReplicationMetrics};

static FAILED: LogGate = LogGate::of_many(100);
static BUGS: LogGate = LogGate::of_many(10);

/// So many logs are synced at a time: a journalling file system commits their syncs together.
const SYNCING_THREADS: usize = 4;

/// The logs of this broker's followers.
#[derive(Clone)]
pub struct Logs {
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    throttles: Arc<Throttles>,
    /// Each append to this log panics.
    #[cfg(test)]
    pub(crate) plants_panic_at: Arc<Mutex<Option<TopicIdPartition>>>,
}

/// How far a work has come.
enum Step {
    Done(Outcome),
    /// Its log must be cut, and then what was fetched is appended, if it was an append.
    Cuts(Arc<Partition>, Cut),
    /// Its log must be synced before it counts.
    Syncs(Arc<Partition>),
}

impl Logs {
    pub fn new(hosted: &Arc<Hosted>, dirs: &Arc<Dirs>, throttles: &Arc<Throttles>) -> Self {
        Self {
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            throttles: Arc::clone(throttles),
            #[cfg(test)]
            plants_panic_at: Arc::default(),
        }
    }

    /// When throttled replicas may be fetched again; `None` if they may now.
    pub fn throttled_until(&self, now: Instant) -> Option<Instant> {
        self.throttles.follower.blocked_until(now)
    }

    /// What was appended counts under the throttle.
    fn paced(&self, partition: &Partition, fetched: &Fetched<'_>, end: FollowerEnd) -> Outcome {
        if !partition.is_throttled_follower() {
            return Outcome::Ends(end);
        }
        let (throttle, now) = (&self.throttles.follower, now().instant);
        if !fetched.records.is_empty() {
            throttle.spend(fetched.records.len() as u64, now);
        }
        match throttle.blocked_until(now) {
            Some(_) => Outcome::Throttled(end),
            None => Outcome::Ends(end),
        }
    }

    /// The metrics of replication.
    pub fn metrics(&self) -> &ReplicationMetrics {
        &self.dirs.metrics.replication
    }

    /// The place of a partition's log directory among all; 0 if it has none.
    pub fn place_of(&self, id: &TopicIdPartition) -> usize {
        let partition = self.hosted.partition(id).ok();
        let mut dirs = self.dirs.all().iter();
        let place = partition.and_then(|it| dirs.position(|dir| it.is_in(&dir.log_dir)));
        place.unwrap_or(0)
    }

    /// Where the log of a partition ends that is followed from now on. A log without leader epochs is cut to
    /// its high watermark first: what lies above it may not be what the leader has, and no Fetch would show
    /// it. Where writes count only once they are synced, the log is synced before: the first Fetch says that
    /// all of it counts. [`Outcome::Failed`] or [`Outcome::Unready`] if that must be tried again.
    pub fn begin(&self, id: TopicIdPartition, leader_epoch: LeaderEpoch) -> Outcome {
        let Ok(partition) = self.hosted.partition(&id) else {
            return Outcome::Gone;
        };
        let Ok(end) = partition.follower_end(leader_epoch) else {
            return Outcome::Gone;
        };
        if end.last_epoch != LeaderEpoch::NONE || end.end_offset <= partition.high_watermark() {
            return self.ready(&partition, Outcome::Ends(end));
        }
        let cuts = vec![(0, &partition, leader_epoch, Cut::ToHighWatermark)];
        let cut = self.cut_all(cuts).pop();
        let (_, cut) = cut.expect("there is an outcome for each cut");
        match cut {
            Ok(end) => self.ready(&partition, Outcome::Ends(end)),
            Err(error) => self.outcome_of(&partition, leader_epoch, &error),
        }
    }

    /// Where the log of a partition ends, if it follows the leader of this epoch.
    pub fn end_of(&self, id: &TopicIdPartition, leader_epoch: LeaderEpoch) -> Option<FollowerEnd> {
        let partition = self.hosted.partition(id).ok()?;
        partition.follower_end(leader_epoch).ok()
    }

    /// Has the log synced if it must be before the follower fetches; `outcome` if that works. What is in the
    /// log when the sync begins includes all that `outcome` speaks of.
    fn ready(&self, partition: &Partition, outcome: Outcome) -> Outcome {
        if !partition.must_sync_to_fetch() {
            return outcome;
        }
        match self.guarded(partition, || partition.flush_if_due(now)) {
            Ok(_) if !partition.must_sync_to_fetch() => outcome,
            Ok(_) => Outcome::Unready,
            Err(error) => {
                self.dirs.note_failure(partition, &error);
                Outcome::Unready
            }
        }
    }

    /// Carries out all of it, and says what became of each.
    pub fn carry_out(&self, works: &[Work]) -> Vec<Outcome> {
        let mut steps: Vec<Step> = works.iter().map(|work| self.begin_work(work)).collect();
        self.cut_and_go_on(works, &mut steps);
        self.sync_and_count(works, &mut steps);
        let outcomes = steps.into_iter().map(|step| match step {
            Step::Done(outcome) => outcome,
            Step::Cuts(..) | Step::Syncs(_) => unreachable!("no step is left over"),
        });
        outcomes.collect()
    }

    fn begin_work(&self, work: &Work) -> Step {
        let Ok(partition) = self.hosted.partition(&work.id) else {
            return Step::Done(Outcome::Gone);
        };
        if partition.number() != work.replica {
            return Step::Done(Outcome::Gone);
        }
        match &work.act {
            Act::Cut(cut) => Step::Cuts(partition, *cut),
            Act::Append { .. } => self.append(partition, work),
        }
    }

    fn append(&self, partition: Arc<Partition>, work: &Work) -> Step {
        let Some(fetched) = fetched(work) else {
            return Step::Done(Outcome::Gone);
        };
        let received = &self.metrics().received_bytes;
        received.inc_by(fetched.records.len() as u64);
        let dir = partition.dir_address();
        let appended = self.guarded(&partition, || {
            #[cfg(test)]
            assert_ne!(*self.plants_panic_at.lock(), Some(work.id), "a planted bug");
            dirs::marked(dir, || partition.append_as_follower(&fetched, now().wall))
        });
        match appended {
            Ok(FollowerAppend::BeginsAt(offset)) => Step::Cuts(partition, Cut::StartOver(offset)),
            Ok(FollowerAppend::Done { must_sync, .. }) if must_sync => Step::Syncs(partition),
            Ok(FollowerAppend::Done {
                end, is_sync_due, ..
            }) => {
                if is_sync_due {
                    self.dirs.queue_sync(&partition);
                }
                self.tell_if_healed(&partition, &end, &fetched);
                Step::Done(self.paced(&partition, &fetched, end))
            }
            Err(error) => Step::Done(self.outcome_of(&partition, work.leader_epoch, &error)),
        }
    }

    /// Tells the controller where a log lies that was lost, once it has all that the leader has committed.
    fn tell_if_healed(&self, partition: &Partition, end: &FollowerEnd, fetched: &Fetched<'_>) {
        if partition.ends_healing(end.end_offset, fetched.high_watermark) {
            tracing::warn!(partition = %partition.name(), "a lost log has caught up with its leader");
            self.dirs.tell_found(partition);
        }
    }

    fn cut_and_go_on(&self, works: &[Work], steps: &mut [Step]) {
        let cuts = steps
            .iter()
            .enumerate()
            .filter_map(|(index, step)| match step {
                Step::Cuts(partition, cut) => {
                    Some((index, partition, works[index].leader_epoch, *cut))
                }
                Step::Done(_) | Step::Syncs(_) => None,
            });
        let cuts: Vec<_> = cuts.collect();
        if cuts.is_empty() {
            return;
        }
        for (index, cut) in self.cut_all(cuts) {
            let (work, step) = (&works[index], &mut steps[index]);
            let Step::Cuts(partition, _) = step else {
                continue;
            };
            let partition = Arc::clone(partition);
            *step = match cut {
                Err(error) => Step::Done(self.outcome_of(&partition, work.leader_epoch, &error)),
                Ok(end) if matches!(work.act, Act::Cut(_)) => {
                    Step::Done(self.ready(&partition, Outcome::Ends(end)))
                }
                // The log begins now where the first batch does.
                Ok(end) => self.append_at(&partition, work, end),
            };
        }
    }

    /// Appends what was fetched for another end of the log than it has now.
    fn append_at(&self, partition: &Arc<Partition>, work: &Work, end: FollowerEnd) -> Step {
        let mut again = work.clone();
        if let Act::Append { fetch_offset, .. } = &mut again.act {
            *fetch_offset = end.end_offset;
        }
        match self.append(Arc::clone(partition), &again) {
            // It began there already: the batches do not fit this log.
            Step::Cuts(..) => Step::Done(self.ready(partition, Outcome::Failed(end))),
            step => step,
        }
    }

    /// Cuts logs: the checkpoints of their directories are lowered first, each written once.
    fn cut_all(
        &self,
        cuts: Vec<(usize, &Arc<Partition>, LeaderEpoch, Cut)>,
    ) -> Vec<(usize, Result<FollowerEnd, ReplicaError>)> {
        let planned: Vec<_> = cuts
            .into_iter()
            .map(|(index, partition, epoch, cut)| {
                let plan = self.guarded(partition, || partition.plan_cut(epoch, cut));
                (index, partition, plan)
            })
            .collect();
        let mut lowered: Vec<(&Arc<DataDir>, bool)> = Vec::new();
        let mut done = Vec::with_capacity(planned.len());
        for (_, partition, plan) in &planned {
            let Some(dir) = self.dirs.of(partition).filter(|_| plan.is_ok()) else {
                continue;
            };
            if !lowered.iter().any(|(known, _)| Arc::ptr_eq(known, dir)) {
                lowered.push((dir, self.dirs.lower_checkpoints(dir).is_ok()));
            }
        }
        for (index, partition, plan) in planned {
            let dir = self.dirs.of(partition);
            let mut lowered = lowered.iter();
            let is_lowered = lowered
                .find(|(known, _)| dir.is_some_and(|dir| Arc::ptr_eq(known, dir)))
                .is_some_and(|(_, is_lowered)| *is_lowered);
            let cut = plan.and_then(|plan| {
                self.guarded(partition, || cut_as_planned(partition, &plan, is_lowered))
            });
            let metrics = self.metrics();
            if let Ok(cut) = &cut {
                metrics.truncations.inc();
                metrics
                    .high_watermark_cuts
                    .inc_by(u64::from(cut.lost_committed));
            }
            done.push((index, cut.map(|cut| cut.end)));
        }
        done
    }

    /// Syncs the logs that must be, before they are fetched on: a fetch tells the leader that what lies
    /// before its offset is durable here.
    fn sync_and_count(&self, works: &[Work], steps: &mut [Step]) {
        let syncing = steps.iter().filter_map(|step| match step {
            Step::Syncs(partition) => Some(Arc::clone(partition)),
            Step::Done(_) | Step::Cuts(..) => None,
        });
        let syncing: Vec<_> = syncing.collect();
        if syncing.is_empty() {
            return;
        }
        let failed = on_threads(SYNCING_THREADS.min(syncing.len()), &syncing, |partition| {
            let flushed = self.guarded(partition, || partition.flush_if_due(now));
            Some((partition.id(), flushed.err()?))
        });
        for (work, step) in works.iter().zip(steps) {
            let Step::Syncs(partition) = step else {
                continue;
            };
            let (partition, epoch) = (Arc::clone(partition), work.leader_epoch);
            let failure = failed.iter().find(|(id, _)| *id == work.id);
            let counted = match (failure, fetched(work)) {
                (Some((_, error)), _) => Err(error),
                (None, fetched) => Ok(fetched.map(|fetched| {
                    let end = self.guarded(&partition, || partition.follow_after_sync(&fetched))?;
                    self.tell_if_healed(&partition, &end, &fetched);
                    Ok(self.paced(&partition, &fetched, end))
                })),
            };
            *step = Step::Done(match counted {
                Err(error) => self.outcome_of(&partition, epoch, error),
                Ok(Some(Ok(outcome))) => outcome,
                Ok(Some(Err(error))) => self.outcome_of(&partition, epoch, &error),
                Ok(None) => Outcome::Gone,
            });
        }
    }

    /// Does something to a log. A panic is an error, which the log lines that it writes itself tell of.
    fn guarded<T>(
        &self,
        partition: &Partition,
        act: impl FnOnce() -> Result<T, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        // What it leaves of the log is what the next attempt finds, as it would on another thread.
        catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
            self.metrics().fetcher_panics.inc();
            if let Some(suppressed) = BUGS.pass() {
                tracing::error!(partition = %partition.name(), suppressed, "a bug has ended what a follower does to its log: it is tried again later");
            }
            Err(ReplicaError::Bug)
        })
    }

    /// What an error means for the fetching of a partition.
    fn outcome_of(
        &self,
        partition: &Partition,
        leader_epoch: LeaderEpoch,
        error: &ReplicaError,
    ) -> Outcome {
        if matches!(error, ReplicaError::Bug) {
            return Outcome::Broken;
        }
        let is_late = matches!(
            error,
            ReplicaError::NotLeader
                | ReplicaError::FencedLeaderEpoch { .. }
                | ReplicaError::UnknownLeaderEpoch { .. }
        );
        if !is_late && let Some(suppressed) = FAILED.pass() {
            tracing::warn!(partition = %partition.name(), %error, suppressed, "cannot follow the leader");
        }
        self.dirs.note_failure(partition, error);
        match partition.follower_end(leader_epoch) {
            Ok(end) if !is_late => self.ready(partition, Outcome::Failed(end)),
            _ => Outcome::Gone,
        }
    }
}

fn cut_as_planned(
    partition: &Partition,
    plan: &CutPlan,
    is_lowered: bool,
) -> Result<CutLog, ReplicaError> {
    if is_lowered {
        return partition.cut(plan, now().wall);
    }
    partition.give_up_cut(plan);
    let reason = "the checkpoints cannot be written that must be lowered before the log is cut";
    Err(ReplicaError::Replicated(reason.to_owned()))
}

/// What a work appends.
fn fetched(work: &Work) -> Option<Fetched<'_>> {
    match &work.act {
        Act::Cut(_) => None,
        Act::Append {
            fetch_offset,
            records,
            high_watermark,
            log_start_offset,
        } => Some(Fetched {
            leader_epoch: work.leader_epoch,
            fetch_offset: *fetch_offset,
            records,
            high_watermark: *high_watermark,
            log_start_offset: *log_start_offset,
        }),
    }
}
