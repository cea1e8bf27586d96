//! Asking the controller: a request goes to its thread, and comes back as a whole response once
//! all that it depends on is committed. Whatever goes wrong is in the response.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::controller::{
    Controller, Decision, Refusal, refuse_alter_client_quotas, refuse_alter_configs,
    refuse_alter_partition_reassignments, refuse_create_partitions, refuse_create_topics,
    refuse_delete_topics, refuse_elect_leaders, refuse_incremental_alter_configs,
};
use super::controller_driver::{Answer, ControllerInput, Decided, Question, decided};
use crate::model::Offset;
use crate::protocol::messages::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse,
};
use crate::protocol::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
use crate::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
};
use crate::protocol::messages::broker_heartbeat::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse,
};
use crate::protocol::messages::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse,
};
use crate::protocol::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use crate::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse,
};
use crate::protocol::messages::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use crate::protocol::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use crate::protocol::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
use crate::protocol::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::protocol::messages::unregister_broker::{
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use crate::protocol::messages::update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::protocol::{ErrorCode, Str};
use crate::quota::MutationQuota;

/// How a request is decided.
type Decide<Q, R> = fn(&mut Controller, &Q, Instant) -> Result<Decision<R>, Refusal>;

/// The response in which a whole request is refused.
type Refuse<Q, R> = fn(&Q, &Refusal) -> R;

/// A request on its way.
struct Asked<Q, R> {
    request: Q,
    decide: Decide<Q, R>,
    refuse: Refuse<Q, R>,
    /// A request that waited longer is refused undecided.
    deadline: Option<Instant>,
    reply: oneshot::Sender<(R, Offset)>,
}

/// A response that waits for its records.
struct Prepared<Q, R> {
    request: Q,
    response: R,
    refuse: Refuse<Q, R>,
    reply: oneshot::Sender<(R, Offset)>,
}

impl<Q: Send + 'static, R: Send + 'static> Question for Asked<Q, R> {
    fn decide(self: Box<Self>, controller: &mut Controller, now: Instant) -> Decided {
        let outcome = if self.deadline.is_some_and(|deadline| now > deadline) {
            Err(Refusal::plain(ErrorCode::REQUEST_TIMED_OUT))
        } else {
            (self.decide)(controller, &self.request, now)
        };
        let (records, response) = decided(outcome, |refusal| (self.refuse)(&self.request, refusal));
        Decided {
            records,
            answer: Box::new(Prepared {
                request: self.request,
                response,
                refuse: self.refuse,
                reply: self.reply,
            }),
        }
    }

    fn refuse(self: Box<Self>, refusal: &Refusal) {
        // Nobody waits any more if the connection is gone.
        let _ = self
            .reply
            .send(((self.refuse)(&self.request, refusal), Offset::NONE));
    }
}

impl<Q: Send, R: Send> Answer for Prepared<Q, R> {
    fn deliver(self: Box<Self>, outcome: Result<Offset, &Refusal>) {
        let answer = match outcome {
            Ok(offset) => (self.response, offset),
            Err(refusal) => ((self.refuse)(&self.request, refusal), Offset::NONE),
        };
        // Nobody waits any more if the connection is gone.
        let _ = self.reply.send(answer);
    }
}

/// Asks the controller of this node. Clones share it.
#[derive(Clone, Debug)]
pub struct ControllerHandle {
    inputs: mpsc::Sender<ControllerInput>,
    published: watch::Receiver<Offset>,
}

impl ControllerHandle {
    pub(super) fn new(
        inputs: mpsc::Sender<ControllerInput>,
        published: watch::Receiver<Offset>,
    ) -> Self {
        Self { inputs, published }
    }

    /// CreateTopics.
    pub async fn create_topics(
        &self,
        request: CreateTopicsRequest,
        quota: MutationQuota,
    ) -> CreateTopicsResponse {
        let timeout = timeout(request.timeout_ms);
        self.change(
            (request, quota),
            timeout,
            |(request, _), refusal| refuse_create_topics(request, refusal),
            |controller, (request, quota), now| {
                let mut charge = |count| charge(quota, count, now);
                Ok(controller.create_topics(request, &mut entropy, &mut charge))
            },
        )
        .await
    }

    /// DeleteTopics; `version` is that of the request.
    pub async fn delete_topics(
        &self,
        request: DeleteTopicsRequest,
        version: i16,
        quota: MutationQuota,
    ) -> DeleteTopicsResponse {
        let timeout = timeout(request.timeout_ms);
        self.change(
            (request, version, quota),
            timeout,
            |(request, ..), refusal| refuse_delete_topics(request, refusal),
            |controller, (request, version, quota), now| {
                let mut charge = |count| charge(quota, count, now);
                Ok(controller.delete_topics(request, *version, &mut charge))
            },
        )
        .await
    }

    /// CreatePartitions.
    pub async fn create_partitions(
        &self,
        request: CreatePartitionsRequest,
        quota: MutationQuota,
    ) -> CreatePartitionsResponse {
        let timeout = timeout(request.timeout_ms);
        self.change(
            (request, quota),
            timeout,
            |(request, _), refusal| refuse_create_partitions(request, refusal),
            |controller, (request, quota), now| {
                let mut charge = |count| charge(quota, count, now);
                Ok(controller.create_partitions(request, &mut entropy, &mut charge))
            },
        )
        .await
    }

    /// AlterClientQuotas; `hosts` are the names of entities that are an address or have one.
    pub async fn alter_client_quotas(
        &self,
        request: AlterClientQuotasRequest,
        hosts: BTreeSet<Str>,
    ) -> AlterClientQuotasResponse {
        self.change(
            (request, hosts),
            None,
            |(request, _), refusal| refuse_alter_client_quotas(request, refusal),
            |controller, (request, hosts), _| Ok(controller.alter_client_quotas(request, hosts)),
        )
        .await
    }

    /// IncrementalAlterConfigs.
    pub async fn incremental_alter_configs(
        &self,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        self.change(
            request,
            None,
            refuse_incremental_alter_configs,
            |controller, request, _| Ok(controller.incremental_alter_configs(request)),
        )
        .await
    }

    /// AlterConfigs.
    pub async fn alter_configs(&self, request: AlterConfigsRequest) -> AlterConfigsResponse {
        self.change(
            request,
            None,
            refuse_alter_configs,
            |controller, request, _| Ok(controller.alter_configs(request)),
        )
        .await
    }

    /// UpdateFeatures; `version` is that of the request.
    pub async fn update_features(
        &self,
        request: UpdateFeaturesRequest,
        version: i16,
    ) -> UpdateFeaturesResponse {
        let timeout = timeout(request.timeout_ms);
        self.change(
            (request, version),
            timeout,
            |_, refusal| UpdateFeaturesResponse {
                error_code: refusal.code,
                error_message: refusal.text(),
                ..UpdateFeaturesResponse::default()
            },
            |controller, (request, version), _| Ok(controller.update_features(request, *version)),
        )
        .await
    }

    /// ElectLeaders.
    pub async fn elect_leaders(&self, request: ElectLeadersRequest) -> ElectLeadersResponse {
        let timeout = timeout(request.timeout_ms);
        self.change(
            request,
            timeout,
            refuse_elect_leaders,
            |controller, request, _| controller.elect_leaders(request),
        )
        .await
    }

    /// AlterPartitionReassignments.
    pub async fn alter_partition_reassignments(
        &self,
        request: AlterPartitionReassignmentsRequest,
    ) -> AlterPartitionReassignmentsResponse {
        let timeout = timeout(request.timeout_ms);
        self.change(
            request,
            timeout,
            refuse_alter_partition_reassignments,
            |controller, request, _| Ok(controller.alter_partition_reassignments(request)),
        )
        .await
    }

    /// UnregisterBroker.
    pub async fn unregister_broker(
        &self,
        request: UnregisterBrokerRequest,
    ) -> UnregisterBrokerResponse {
        let refused = |_: &_, refusal: &Refusal| UnregisterBrokerResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            ..UnregisterBrokerResponse::default()
        };
        self.change(request, None, refused, |controller, request, _| {
            controller.unregister_broker(request)
        })
        .await
    }

    /// AllocateProducerIds.
    pub async fn allocate_producer_ids(
        &self,
        request: AllocateProducerIdsRequest,
    ) -> AllocateProducerIdsResponse {
        let refused = |_: &_, refusal: &Refusal| AllocateProducerIdsResponse {
            error_code: refusal.code,
            ..AllocateProducerIdsResponse::default()
        };
        self.ask(request, None, refused, |controller, request, _| {
            controller.allocate_producer_ids(request)
        })
        .await
        .0
    }

    /// BrokerRegistration.
    pub async fn register_broker(
        &self,
        request: BrokerRegistrationRequest,
    ) -> BrokerRegistrationResponse {
        let refused = |_: &_, refusal: &Refusal| BrokerRegistrationResponse {
            error_code: refusal.code,
            ..BrokerRegistrationResponse::default()
        };
        self.ask(request, None, refused, |controller, request, now| {
            controller.register_broker(request, now)
        })
        .await
        .0
    }

    /// BrokerHeartbeat.
    pub async fn broker_heartbeat(
        &self,
        request: BrokerHeartbeatRequest,
    ) -> BrokerHeartbeatResponse {
        let refused = |_: &_, refusal: &Refusal| BrokerHeartbeatResponse {
            error_code: refusal.code,
            ..BrokerHeartbeatResponse::default()
        };
        self.ask(request, None, refused, |controller, request, now| {
            controller.broker_heartbeat(request, now)
        })
        .await
        .0
    }

    /// ControllerRegistration.
    pub async fn register_controller(
        &self,
        request: ControllerRegistrationRequest,
    ) -> ControllerRegistrationResponse {
        let refused = |_: &_, refusal: &Refusal| ControllerRegistrationResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            ..ControllerRegistrationResponse::default()
        };
        self.ask(request, None, refused, |controller, request, _| {
            controller.register_controller(request)
        })
        .await
        .0
    }

    /// AssignReplicasToDirs.
    pub async fn assign_replicas_to_dirs(
        &self,
        request: AssignReplicasToDirsRequest,
    ) -> AssignReplicasToDirsResponse {
        let refused = |_: &_, refusal: &Refusal| AssignReplicasToDirsResponse {
            error_code: refusal.code,
            ..AssignReplicasToDirsResponse::default()
        };
        self.ask(request, None, refused, |controller, request, _| {
            controller.assign_replicas_to_dirs(request)
        })
        .await
        .0
    }

    /// Asks, and waits until this node's publishers have acted on the answer: whoever created a
    /// topic through this broker finds it here at once.
    async fn change<Q: Clone + Send + 'static, R: Send + 'static>(
        &self,
        request: Q,
        timeout: Option<Duration>,
        refuse: Refuse<Q, R>,
        decide: Decide<Q, R>,
    ) -> R {
        let (response, offset) = self.ask(request, timeout, refuse, decide).await;
        let mut published = self.published.clone();
        // An error means that the process stops: the answer is right all the same.
        let _ = published.wait_for(|published| *published >= offset).await;
        response
    }

    /// Asks, and waits until all that the answer depends on is committed.
    async fn ask<Q: Clone + Send + 'static, R: Send + 'static>(
        &self,
        request: Q,
        timeout: Option<Duration>,
        refuse: Refuse<Q, R>,
        decide: Decide<Q, R>,
    ) -> (R, Offset) {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            request: request.clone(),
            decide,
            refuse,
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            reply,
        };
        // The thread that answers is gone only when the process stops.
        let sent = self.inputs.send(ControllerInput::Ask(Box::new(asked)));
        let gone = || refuse(&request, &Refusal::plain(ErrorCode::NOT_CONTROLLER));
        match sent {
            Ok(()) => answer.await.unwrap_or_else(|_| (gone(), Offset::NONE)),
            Err(_) => (gone(), Offset::NONE),
        }
    }
}

fn charge(quota: &MutationQuota, partitions: usize, now: Instant) -> Result<(), Refusal> {
    let exceeded = |_| Refusal::plain(ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    quota.charge(partitions, now).map_err(exceeded)
}

/// Random bytes of the operating system.
fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has random bytes");
}

/// How long a request may wait to be decided; clients that set no limit send 0 or less.
fn timeout(milliseconds: i32) -> Option<Duration> {
    let milliseconds = u64::try_from(milliseconds)
        .ok()
        .filter(|limit| *limit > 0)?;
    Some(Duration::from_millis(milliseconds))
}
