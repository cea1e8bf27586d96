//! The controller, and a quorum behind it that is one list of records: what was decided is committed after a
//! while, in order, or is lost with a controller that is replaced before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::metadata::controller::{
    Circumstances, Controller, ControllerRequest, ControllerRequestContext, ControllerSettings,
    Decision, ElectionIntervals, Refusal, activation_records, bootstrap_records,
};
use broker::metadata::image::{ELR_VERSION, MetadataImage};
use broker::model::{BrokerId, Offset};
use broker::protocol::ErrorCode;
use broker::protocol::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use broker::protocol::messages::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use broker::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
};
use broker::protocol::messages::broker_heartbeat::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse,
};
use broker::protocol::messages::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse,
};
use broker::protocol::messages::create_topics::CreateTopicsRequest;
use broker::protocol::messages::elect_leaders::ElectLeadersRequest;
use broker::protocol::messages::metadata_records::MetadataRecord;
use broker::security::Principal;

use crate::random::Random;

pub const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";
/// How long a silent broker stays unfenced.
const SESSION: Duration = Duration::from_millis(2000);

/// What is asked of the controller.
#[derive(Clone, Debug)]
pub enum Question {
    Register(BrokerRegistrationRequest),
    Heartbeat(BrokerHeartbeatRequest),
    AlterPartition(AlterPartitionRequest),
    Assign(AssignReplicasToDirsRequest),
    Create(CreateTopicsRequest),
    Elect(ElectLeadersRequest),
    Reassign(AlterPartitionReassignmentsRequest),
}

/// What the controller answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Registered(BrokerRegistrationResponse),
    Heartbeat(BrokerHeartbeatResponse),
    AlterPartition(AlterPartitionResponse),
    Assigned(AssignReplicasToDirsResponse),
    /// Nobody waits for it.
    Other,
}

impl Question {
    /// The answer that a controller gives which does not know what becomes of the question, or decides on
    /// none.
    pub fn refused(&self, code: ErrorCode) -> Reply {
        let refusal = Refusal::plain(code);
        match self {
            Self::Register(request) => Reply::Registered(request.refuse(&refusal)),
            Self::Heartbeat(request) => Reply::Heartbeat(request.refuse(&refusal)),
            Self::AlterPartition(request) => Reply::AlterPartition(request.refuse(&refusal)),
            Self::Assign(request) => Reply::Assigned(request.refuse(&refusal)),
            _ => Reply::Other,
        }
    }
}

/// An answer that waits until so many records are committed.
struct Waiting<T> {
    count: usize,
    to: T,
    question: Question,
    reply: Reply,
    has_records: bool,
}

/// See the module. `T` says who has asked.
pub struct Quorum<T> {
    settings: Arc<ControllerSettings>,
    context: ControllerRequestContext,
    controller: Controller,
    /// By offset; `None` is a record of the quorum itself.
    log: Vec<Option<MetadataRecord>>,
    /// Where decisions end: each is committed as a whole.
    ends: VecDeque<usize>,
    committed: usize,
    /// Where decisions end that are committed: brokers act on whole ones.
    acted_on: Vec<usize>,
    image: MetadataImage,
    waiting: VecDeque<Waiting<T>>,
    /// Nobody decides before that.
    pub down_until: Option<Instant>,
}

impl<T> Quorum<T> {
    /// A cluster that has no broker yet; with eligible leader replicas (KIP-966) or without.
    pub fn new(now: Instant, has_elr: bool) -> Self {
        let settings = Arc::new(ControllerSettings {
            node_id: BrokerId(100),
            cluster_id: CLUSTER.to_owned(),
            quorum: vec![BrokerId(100)],
            num_partitions: 1,
            default_replication_factor: 3,
            delete_topic_enable: true,
            broker_session_timeout: SESSION,
            elections: ElectionIntervals {
                preferred: Some(Duration::from_secs(10)),
                unclean: Duration::from_secs(4),
            },
            settings: [].into(),
        });
        let image = MetadataImage::default();
        let mut this = Self {
            controller: Controller::new(Arc::clone(&settings), image.clone(), Offset(1), now),
            settings,
            context: ControllerRequestContext::unlimited(Principal::ANONYMOUS, 7),
            log: vec![None],
            ends: VecDeque::new(),
            committed: 1,
            acted_on: vec![1],
            image,
            waiting: VecDeque::new(),
            down_until: None,
        };
        let mut bootstrap = bootstrap_records();
        bootstrap.retain(|record| {
            let MetadataRecord::FeatureLevel(level) = record else {
                return true;
            };
            has_elr || *level.name != *ELR_VERSION
        });
        let first = activation_records(this.controller.image(), false, &bootstrap, 1);
        this.append(first);
        this
    }

    /// The image of what is committed.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// What was decided, committed or not.
    pub fn decided(&self) -> &MetadataImage {
        self.controller.image()
    }

    /// How many records are committed.
    pub fn committed(&self) -> usize {
        self.committed
    }

    /// A committed record.
    pub fn record(&self, offset: usize) -> Option<&MetadataRecord> {
        assert!(offset < self.committed, "it is committed");
        self.log[offset].as_ref()
    }

    /// The end of a committed decision: the last one, or with faults at times one of those before.
    pub fn some_end(&self, random: &mut Random, has_faults: bool) -> usize {
        let behind = if has_faults && random.one_in(4) {
            random.below(self.acted_on.len().min(8))
        } else {
            0
        };
        self.acted_on[self.acted_on.len() - 1 - behind]
    }

    pub fn has_uncommitted(&self) -> bool {
        self.committed < self.log.len()
    }

    /// Takes records that were decided into the log.
    pub fn append(&mut self, records: Vec<MetadataRecord>) {
        let replayed = self.controller.replay(&records);
        replayed.expect("what the controller decides fits its state");
        if !records.is_empty() {
            self.log.extend(records.into_iter().map(Some));
            self.ends.push_back(self.log.len());
        }
    }

    /// Decides. The answers that need not wait are those that [`Self::released`] gives next.
    pub fn ask(&mut self, now: Instant, random: &mut Random, to: T, question: Question) {
        let (records, reply) = match &question {
            Question::Register(request) => self.decide(now, random, request, Reply::Registered),
            Question::Heartbeat(request) => self.decide(now, random, request, Reply::Heartbeat),
            Question::AlterPartition(request) => {
                self.decide(now, random, request, Reply::AlterPartition)
            }
            Question::Assign(request) => self.decide(now, random, request, Reply::Assigned),
            Question::Create(request) => self.decide(now, random, request, |answer| {
                let results = answer.topics.iter();
                let failed = results
                    .filter(|result| result.error_code.is_error())
                    .count();
                assert_eq!(failed, 0, "{answer:?}");
                Reply::Other
            }),
            Question::Elect(request) => self.decide(now, random, request, |_| Reply::Other),
            Question::Reassign(request) => self.decide(now, random, request, |_| Reply::Other),
        };
        let has_records = !records.is_empty();
        self.append(records);
        self.waiting.push_back(Waiting {
            count: self.log.len(),
            to,
            question,
            reply,
            has_records,
        });
    }

    fn decide<Q: ControllerRequest>(
        &mut self,
        now: Instant,
        random: &mut Random,
        request: &Q,
        reply: impl Fn(Q::Response) -> Reply,
    ) -> (Vec<MetadataRecord>, Reply) {
        let mut entropy = |bytes: &mut [u8]| {
            for chunk in bytes.chunks_mut(8) {
                chunk.copy_from_slice(&random.next().to_be_bytes()[..chunk.len()]);
            }
        };
        let circumstances = Circumstances {
            context: &self.context,
            now,
            entropy: &mut entropy,
        };
        match request.decide(&mut self.controller, circumstances) {
            Ok(Decision { records, answer }) => (records, reply(answer)),
            Err(refusal) => (Vec::new(), reply(request.refuse(&refusal))),
        }
    }

    /// Does what is due by time.
    pub fn on_time(&mut self, now: Instant) {
        while let Some((_, decision)) = self.controller.fence_expired_broker(now) {
            self.append(decision.records);
        }
        while let Some(decision) = self.controller.elect_periodically(now) {
            self.append(decision.records);
        }
    }

    /// Commits the next decision. Returns the offsets that are committed by it.
    pub fn commit(&mut self) -> std::ops::Range<usize> {
        let before = self.committed;
        if let Some(end) = self.ends.pop_front() {
            self.committed = end;
            self.acted_on.push(end);
        }
        for offset in before..self.committed {
            if let Some(record) = &self.log[offset] {
                let replayed = self.image.replay(record, &mut |_| {});
                replayed.expect("it fitted the controller's image");
            }
        }
        before..self.committed
    }

    /// The answers whose records are committed.
    pub fn released(&mut self) -> Vec<(T, Reply)> {
        let mut released = Vec::new();
        while let Some(waiting) = self
            .waiting
            .pop_front_if(|waiting| waiting.count <= self.committed)
        {
            released.push((waiting.to, waiting.reply));
        }
        released
    }

    /// Another controller takes over, which has some of what is not committed. Returns the answers to those
    /// who wait.
    pub fn fail_over(&mut self, now: Instant, random: &mut Random) -> Vec<(T, Reply)> {
        let kept = random.below(self.ends.len() + 1);
        let end = kept
            .checked_sub(1)
            .map_or(self.committed, |last| self.ends[last]);
        self.log.truncate(end);
        self.ends.truncate(kept);
        self.log.push(None);
        self.ends.push_back(self.log.len());
        self.down_until = Some(now + random.millis(1..800));
        let lost = self.waiting.drain(..).map(|waiting| {
            let code = if waiting.has_records {
                ErrorCode::REQUEST_TIMED_OUT
            } else {
                ErrorCode::NOT_CONTROLLER
            };
            (waiting.to, waiting.question.refused(code))
        });
        lost.collect()
    }

    /// The controller that has taken over begins to decide: all before is committed.
    pub fn begin(&mut self, now: Instant) {
        assert!(self.ends.is_empty(), "it was all committed");
        let next = Offset(i64::try_from(self.log.len()).expect("a short log"));
        self.down_until = None;
        self.controller =
            Controller::new(Arc::clone(&self.settings), self.image.clone(), next, now);
    }
}
