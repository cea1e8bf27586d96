//! The handle by which requests reach the controller: the thread of this node, or, by a link, the active
//! controller on another. Each comes back as a whole response, once all that it depends on is committed;
//! whatever goes wrong is told in the response.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::controller::{
    Circumstances, Controller, ControllerRequest, ControllerRequestContext, Refusal,
};
use super::controller_driver::{Answer, ControllerInput, Decided, Question};
use super::controller_link_driver::{ControllerLink, LinkError};
use super::driver::Published;
use super::image::MetadataImage;
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::protocol::{ErrorCode, Request};
use crate::security::Principal;
use crate::telemetry::LogGate;

/// A client is refused as often as it asks.
static REFUSALS: LogGate = LogGate::new();
/// As often as clients ask while connections break.
static LOST: LogGate = LogGate::new();

/// A request on its way to the controller's thread.
struct Asked<Q: ControllerRequest> {
    request: Q,
    context: ControllerRequestContext,
    /// When the request is refused undecided, if it has a time-out.
    deadline: Option<Instant>,
    reply: oneshot::Sender<Committed<Q::Response>>,
    /// Counts it among those that wait.
    _waits: Waits,
}

/// Counts one request that waits for the controller's thread, until it is dropped.
struct Waits(Arc<AtomicI64>);

impl Waits {
    fn begin(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response that waits until its records are committed.
struct Prepared<Q: ControllerRequest> {
    request: Q,
    response: Q::Response,
    records: usize,
    reply: oneshot::Sender<Committed<Q::Response>>,
}

/// A response that rests on nothing that is not committed.
struct Committed<R> {
    response: R,
    /// Up to where all was committed when it left.
    offset: Offset,
    /// How many records the request itself took.
    records: usize,
    /// Whether a controller decided on the request: if not, another one may.
    is_decided: bool,
}

impl<R> Committed<R> {
    fn without_records(response: R) -> Self {
        Self {
            response,
            offset: Offset::NONE,
            records: 0,
            is_decided: true,
        }
    }

    fn undecided(response: R) -> Self {
        Self {
            is_decided: false,
            ..Self::without_records(response)
        }
    }
}

/// The response NOT_CONTROLLER to a request on which nobody has decided.
#[derive(Debug)]
pub struct Undecided<R>(pub R);

impl<Q: ControllerRequest> Question for Asked<Q> {
    fn decide(self: Box<Self>, controller: &mut Controller, now: Instant) -> Decided {
        let outcome = if self.deadline.is_some_and(|deadline| now > deadline) {
            Err(Refusal::plain(ErrorCode::REQUEST_TIMED_OUT))
        } else {
            let circumstances = Circumstances {
                context: &self.context,
                now,
                entropy: &mut entropy,
            };
            self.request.decide(controller, circumstances)
        };
        let (records, response) = match outcome {
            Ok(decision) => (decision.records, decision.answer),
            Err(refusal) => {
                if let Some(suppressed) = REFUSALS.pass() {
                    let principal = &self.context.principal;
                    tracing::info!(%principal, %refusal, suppressed, "the controller refuses");
                }
                (Vec::new(), self.request.refuse(&refusal))
            }
        };
        Decided {
            answer: Box::new(Prepared {
                request: self.request,
                response,
                records: records.len(),
                reply: self.reply,
            }),
            records,
        }
    }

    fn refuse(self: Box<Self>, refusal: &Refusal) {
        let answer = Committed::undecided(self.request.refuse(refusal));
        // Nobody waits any more if the connection is gone.
        let _ = self.reply.send(answer);
    }
}

impl<Q: ControllerRequest> Answer for Prepared<Q> {
    fn deliver(self: Box<Self>, outcome: Result<Offset, &Refusal>) {
        let answer = match outcome {
            Ok(offset) => Committed {
                response: self.response,
                offset,
                records: self.records,
                is_decided: true,
            },
            // The next leader may commit what this one wrote. NOT_CONTROLLER would say that nothing was
            // done.
            Err(_) if self.records > 0 => {
                let unknown = Refusal::plain(ErrorCode::REQUEST_TIMED_OUT);
                Committed::without_records(self.request.refuse(&unknown))
            }
            Err(refusal) => Committed::undecided(self.request.refuse(refusal)),
        };
        // Nobody waits any more if the connection is gone.
        let _ = self.reply.send(answer);
    }
}

/// How long a request of this node itself waits for a controller elsewhere: well below the session of a
/// broker, which its heartbeats keep alive.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a client's request without a time-out is tried for.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pauses between tries while there is no active controller.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A broker whose process is gone.
struct FenceGone {
    broker: BrokerId,
    epoch: i64,
    /// Told that the controller has decided; dropped if there is none.
    decided: oneshot::Sender<()>,
}

impl Question for FenceGone {
    fn decide(self: Box<Self>, controller: &mut Controller, _now: Instant) -> Decided {
        let decision = controller.fence_gone_broker(self.broker, self.epoch);
        if decision.is_some() {
            tracing::warn!(broker = self.broker.0, "fenced: its process is gone");
        }
        Decided {
            records: decision.map_or_else(Vec::new, |decision| decision.records),
            answer: Box::new(Fenced(self.decided)),
        }
    }

    fn refuse(self: Box<Self>, _refusal: &Refusal) {}
}

/// The commit of [`FenceGone`].
struct Fenced(oneshot::Sender<()>);

impl Answer for Fenced {
    fn deliver(self: Box<Self>, outcome: Result<Offset, &Refusal>) {
        if outcome.is_ok() {
            // Who asked may have given up.
            let _ = self.0.send(());
        }
    }
}

/// A handle on the controller. Clones share it.
#[derive(Clone, Debug)]
pub struct ControllerHandle {
    inputs: mpsc::Sender<ControllerInput>,
    pub(super) published: Arc<Published>,
    waiting: Arc<AtomicI64>,
    /// The way to other nodes; without it, all requests are for this node.
    pub(super) link: Option<Arc<ControllerLink>>,
}

impl ControllerHandle {
    pub(super) fn new(inputs: mpsc::Sender<ControllerInput>, published: Arc<Published>) -> Self {
        Self {
            inputs,
            published,
            waiting: Arc::default(),
            link: None,
        }
    }

    /// A handle that goes to the active controller, wherever that is.
    pub fn with_link(&self, link: ControllerLink) -> Self {
        Self {
            link: Some(Arc::new(link)),
            ..self.clone()
        }
    }

    /// How many requests wait for the controller's thread on this node.
    pub fn waiting_requests(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether some broker hands its partitions over in order to stop, as this node has acted on.
    pub(super) fn sees_a_broker_stop(&self) -> bool {
        let image = self.published.image();
        let mut brokers = image.brokers().iter();
        brokers.any(|broker| broker.in_controlled_shutdown && !broker.fenced)
    }

    /// Asks the controller, and waits until this node's publishers have acted on the answer, unless they
    /// are slow: whoever created a topic through this broker finds it here at once, if its disks permit.
    pub async fn change<Q: ControllerRequest>(
        &self,
        request: Q,
        context: ControllerRequestContext,
    ) -> Q::Response {
        match &self.link {
            Some(link) => self.change_anywhere(link, request, context).await,
            None => match self.change_here(request, context).await {
                Ok(response) | Err(Undecided(response)) => response,
            },
        }
    }

    /// As [`Self::change`], by the controller of this node or not at all.
    ///
    /// # Errors
    /// This node is not the active controller, and the request was not decided on.
    pub async fn change_here<Q: ControllerRequest>(
        &self,
        request: Q,
        context: ControllerRequestContext,
    ) -> Result<Q::Response, Undecided<Q::Response>> {
        let committed = self.committed(request, context).await;
        if !committed.is_decided {
            return Err(Undecided(committed.response));
        }
        let (offset, records) = (committed.offset, committed.records);
        self.published.settled(offset, records).await;
        Ok(committed.response)
    }

    /// What the active controller on another node answers; `None` if this node is the active one, or the
    /// other does not answer.
    pub async fn relay<R: Request>(
        &self,
        request: &R,
        context: &ControllerRequestContext,
    ) -> Option<R::Response> {
        let link = self.link.as_ref()?;
        let leader = self.published.leader().0.filter(|id| *id != link.local())?;
        let answer = async {
            let client = link.client(leader).await?;
            link.forward(leader, client, request, context).await
        };
        tokio::time::timeout(ASK_TIMEOUT, answer).await.ok()?.ok()
    }

    /// Tells the controller of this node, if it is the active one, that a broker's process is gone: it is
    /// fenced, unless it has registered again. Returns whether that is committed; if not, this node is not
    /// the active controller, or not yet.
    pub(super) async fn fence_gone(&self, broker: BrokerId, epoch: i64) -> bool {
        let (decided, fenced) = oneshot::channel();
        let question = Box::new(FenceGone {
            broker,
            epoch,
            decided,
        });
        // The thread is gone only when the process stops.
        let _ = self.inputs.send(ControllerInput::Ask(question));
        fenced.await.is_ok()
    }

    /// Whether the metadata has a registration of the broker that came after the one of `epoch`.
    pub(super) fn knows_newer(&self, broker: BrokerId, epoch: i64) -> bool {
        let image = self.published.image();
        let registered = image.brokers().get(broker);
        registered.is_some_and(|broker| broker.epoch > epoch)
    }

    /// Follows which controller is active, and in which epoch.
    pub(super) fn leader(&self) -> watch::Receiver<(Option<BrokerId>, LeaderEpoch)> {
        self.published.leader.subscribe()
    }

    /// Goes to the active controller, and to its successor if the request was not decided on. Of a lost
    /// answer the client is told; only it can know whether to ask again.
    async fn change_anywhere<Q: ControllerRequest>(
        &self,
        link: &ControllerLink,
        request: Q,
        context: ControllerRequestContext,
    ) -> Q::Response {
        let deadline = Instant::now() + timeout(&request).unwrap_or(CHANGE_TIMEOUT);
        let timed_out = || request.refuse(&Refusal::plain(ErrorCode::REQUEST_TIMED_OUT));
        let mut leader = self.published.leader.subscribe();
        let mut pause = FIRST_PAUSE;
        while Instant::now() < deadline {
            let active = leader.borrow_and_update().0;
            let outcome = match active {
                None => Err(LinkError::NotDecided("no controller is active".to_owned())),
                Some(id) if id == link.local() => {
                    match self.change_here(request.clone(), context.clone()).await {
                        Ok(response) => return response,
                        // It leads no more, or its controller is still to begin.
                        Err(Undecided(_)) => Err(LinkError::NotDecided(
                            "the controller is not active".to_owned(),
                        )),
                    }
                }
                Some(id) => self.forwarded(link, id, &request, &context, deadline).await,
            };
            match outcome {
                Ok(response) => {
                    let is_seen = |image: &MetadataImage| request.is_seen(&response, image);
                    self.published.seen(is_seen).await;
                    return response;
                }
                Err(LinkError::Refused(code)) => return request.refuse(&Refusal::plain(code)),
                Err(error @ LinkError::Lost(_)) => {
                    if let Some(suppressed) = LOST.pass() {
                        tracing::warn!(%error, suppressed, "an answer of the controller was lost");
                    }
                    return timed_out();
                }
                Err(LinkError::NotDecided(_)) => {
                    // Another leader ends the pause.
                    let _ = tokio::time::timeout(pause, leader.changed()).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        timed_out()
    }

    /// What the controller `leader` answers; nothing once another leads.
    async fn forwarded<Q: ControllerRequest>(
        &self,
        link: &ControllerLink,
        leader: BrokerId,
        request: &Q,
        context: &ControllerRequestContext,
        deadline: Instant,
    ) -> Result<Q::Response, LinkError> {
        let mut newer = self.published.leader.subscribe();
        let is_another = |told: &(Option<BrokerId>, _)| told.0.is_some_and(|id| id != leader);
        let connected = tokio::select! {
            connected = link.client(leader) => connected,
            _ = newer.wait_for(is_another) => {
                Err(LinkError::NotDecided("another controller is active".to_owned()))
            }
        };
        let answer = link.forward(leader, connected?, request, context);
        tokio::select! {
            answer = answer => answer,
            _ = newer.wait_for(is_another) => {
                Err(LinkError::Lost("another controller is active".to_owned()))
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                Err(LinkError::Lost("no answer in time".to_owned()))
            }
        }
    }

    /// Asks for this node itself, and waits until all that the answer depends on is committed.
    ///
    /// The node is nobody in particular: it has no login for the controller yet.
    ///
    /// If the active controller is another node and does not answer, the response says NOT_CONTROLLER; what
    /// became of the request is not known then. What a node asks for itself it may ask again.
    pub async fn ask<Q: ControllerRequest>(&self, request: Q) -> Q::Response {
        let Some(link) = &self.link else {
            return self.ask_here(request).await;
        };
        let mut leader = self.published.leader.subscribe();
        let active = leader.borrow_and_update().0;
        let outcome = match active {
            Some(id) if id == link.local() => return self.ask_here(request).await,
            Some(id) => {
                tokio::select! {
                    answer = link.ask(id, &request) => answer,
                    _ = leader.changed() => {
                        Err(LinkError::Lost("another controller is active".to_owned()))
                    }
                    () = tokio::time::sleep(ASK_TIMEOUT) => {
                        Err(LinkError::Lost("no answer in time".to_owned()))
                    }
                }
            }
            None => Err(LinkError::NotDecided("no controller is active".to_owned())),
        };
        outcome.unwrap_or_else(|error| {
            tracing::debug!(%error, "the controller was not reached");
            request.refuse(&Refusal::plain(ErrorCode::NOT_CONTROLLER))
        })
    }

    /// As [`Self::ask`], by the controller of this node or not at all.
    pub(super) async fn ask_here<Q: ControllerRequest>(&self, request: Q) -> Q::Response {
        self.ask_for(Principal::ANONYMOUS, request).await
    }

    /// Asks for a broker, which no quota limits, and waits until all that the answer depends on is
    /// committed. `principal` is who the broker is on its connection.
    pub async fn ask_for<Q: ControllerRequest>(
        &self,
        principal: Principal,
        request: Q,
    ) -> Q::Response {
        let context = ControllerRequestContext::unlimited(principal, Q::MAX_VERSION);
        self.committed(request, context).await.response
    }

    async fn committed<Q: ControllerRequest>(
        &self,
        request: Q,
        context: ControllerRequestContext,
    ) -> Committed<Q::Response> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            deadline: timeout(&request).map(|timeout| Instant::now() + timeout),
            request: request.clone(),
            context,
            reply,
            _waits: Waits::begin(&self.waiting),
        };
        let sent = self.inputs.send(ControllerInput::Ask(Box::new(asked)));
        // The thread that answers is gone only when the process stops.
        let gone = || {
            let refusal = Refusal::plain(ErrorCode::NOT_CONTROLLER);
            Committed::undecided(request.refuse(&refusal))
        };
        match sent {
            Ok(()) => answer.await.unwrap_or_else(|_| gone()),
            Err(_) => gone(),
        }
    }
}

/// Random bytes of the operating system.
fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has random bytes");
}

/// How long a request may wait to be decided; `None` for no limit.
fn timeout(request: &impl ControllerRequest) -> Option<Duration> {
    let milliseconds = u64::try_from(request.timeout_ms()).ok()?;
    (milliseconds > 0).then_some(Duration::from_millis(milliseconds))
}
