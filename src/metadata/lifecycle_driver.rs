//! The life of this broker in the cluster: it registers, catches up, is unfenced, sends
//! heartbeats, and hands its partitions over before it stops (KIP-631).
//!
//! It has a thread of its own: neither a stalled disk nor a storm of requests may keep a healthy
//! broker from saying that it lives. It talks to the controller by the requests of the wire.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::broker_identity::BrokerIdentity;
use super::controller_handle_driver::ControllerHandle;
use super::driver::{OnFatal, spawn};
use super::replica_directory_driver::{self, ReplicaDirectoryInbox};
use crate::model::{BrokerId, DirectoryId, LeaderEpoch, Offset};
use crate::protocol::ErrorCode;
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;

/// The pause after the first attempt to register that found no controller. Each further pause is twice as
/// long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between attempts to register.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The pause between heartbeats of a broker that wants to stop.
const SHUTDOWN_PAUSE: Duration = Duration::from_millis(20);

/// How far the broker has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleState {
    /// The broker has no epoch yet.
    Registering,
    /// The broker is registered with this epoch, and fenced.
    Registered(i64),
    /// The broker has read its own registration.
    CaughtUp(i64),
    /// The broker leads partitions and is shown to clients.
    Unfenced(i64),
    /// The broker may stop: the cluster does not count on it any more.
    Stopped,
    /// The cluster does not take the broker; the text says why.
    Failed(String),
}

/// The cluster does not take this broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LifecycleError(String);

/// The inputs of the thread.
enum Command {
    Ready,
    DirectoryOffline(DirectoryId),
    Cordoned(Vec<DirectoryId>),
    ShutDown,
}

/// A handle on the broker's thread.
#[derive(Debug)]
pub struct BrokerLifecycle {
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<LifecycleState>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl BrokerLifecycle {
    /// Starts to register. `published` is the offset up to which this broker has acted on the metadata;
    /// `replica_directories` brings what the controller is to be told of its replicas. A broker whose thread
    /// ends by a bug would be fenced for good: that is fatal.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        identity: BrokerIdentity,
        controller: ControllerHandle,
        published: watch::Receiver<Offset>,
        replica_directories: ReplicaDirectoryInbox,
        on_fatal: &OnFatal,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, commands) = mpsc::unbounded_channel();
        let (reporter, state) = watch::channel(LifecycleState::Registering);
        let controller_of_life = controller.clone();
        let leader = controller.leader();
        let told = replica_directory_driver::run(
            replica_directories,
            controller,
            identity.id,
            state.clone(),
        );
        let life = Life {
            identity,
            controller: controller_of_life,
            published,
            told: Offset::NONE,
            leader,
            commands,
            state: reporter,
            is_ready: false,
            wants_to_stop: false,
            is_orphaned: false,
            offline: Vec::new(),
            cordoned: None,
        };
        let thread = spawn("broker-heartbeat", Arc::clone(on_fatal), move || {
            runtime.block_on(async {
                let life = life.run();
                tokio::pin!(life, told);
                tokio::select! {
                    () = &mut life => {}
                    // The task that tells of replicas ends only when nobody can send to it any more.
                    () = &mut told => life.await,
                }
            });
            Ok(())
        })?;
        Ok(Self {
            commands: sender,
            state,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// How far the broker has come.
    pub fn state(&self) -> LifecycleState {
        self.state.borrow().clone()
    }

    /// Follows how far the broker comes. Nothing more follows when its life has ended.
    pub(super) fn watch(&self) -> watch::Receiver<LifecycleState> {
        self.state.clone()
    }

    /// The broker's epoch; -1 before it is registered.
    pub fn epoch(&self) -> i64 {
        epoch_of(&self.state.borrow())
    }

    /// Waits until the broker has acted on its own registration, and returns its epoch.
    ///
    /// # Errors
    /// The cluster does not take the broker.
    pub async fn caught_up(&self) -> Result<i64, LifecycleError> {
        self.reached(|state| {
            matches!(
                state,
                LifecycleState::CaughtUp(_) | LifecycleState::Unfenced(_)
            )
        })
        .await
    }

    /// Says that the broker can serve: its heartbeats ask to be unfenced from now on.
    pub fn set_ready(&self) {
        self.command(Command::Ready);
    }

    /// Waits until the broker is unfenced, and returns its epoch.
    ///
    /// # Errors
    /// The cluster does not take the broker.
    pub async fn unfenced(&self) -> Result<i64, LifecycleError> {
        self.reached(|state| matches!(state, LifecycleState::Unfenced(_)))
            .await
    }

    /// Tells the controller that a log directory is lost: the replicas in it must be led elsewhere.
    pub fn directory_offline(&self, id: DirectoryId) {
        self.command(Command::DirectoryOffline(id));
    }

    /// Tells the controller which log directories get no new replicas. Until it is called for the first time
    /// heartbeats say nothing of them.
    pub fn set_cordoned(&self, directories: Vec<DirectoryId>) {
        self.command(Command::Cordoned(directories));
    }

    /// Hands all partitions over, and waits until the cluster does not count on this broker any more, or
    /// `timeout` has passed. Returns whether the partitions were handed over.
    pub async fn shut_down(&self, timeout: Duration) -> bool {
        self.command(Command::ShutDown);
        let stopped = tokio::time::timeout(
            timeout,
            self.reached(|state| *state == LifecycleState::Stopped),
        )
        .await;
        let was_handed_over = matches!(stopped, Ok(Ok(_)));
        let thread = self.thread.lock().take();
        if let Some(thread) = thread.filter(|_| was_handed_over) {
            // The thread ends right after it has told that it stopped.
            let _ = thread.join();
        }
        was_handed_over
    }

    async fn reached(
        &self,
        is_there: impl Fn(&LifecycleState) -> bool,
    ) -> Result<i64, LifecycleError> {
        let mut state = self.state.clone();
        let is_decided = |state: &LifecycleState| {
            is_there(state) || matches!(state, LifecycleState::Stopped | LifecycleState::Failed(_))
        };
        match state.wait_for(is_decided).await.as_deref() {
            Ok(LifecycleState::Failed(reason)) => Err(LifecycleError(reason.clone())),
            Ok(state) if is_there(state) => Ok(epoch_of(state)),
            Ok(_) | Err(_) => Err(LifecycleError("the broker is stopping".to_owned())),
        }
    }

    fn command(&self, command: Command) {
        // The thread is gone only after the broker has stopped.
        let _ = self.commands.send(command);
    }
}

pub(super) fn epoch_of(state: &LifecycleState) -> i64 {
    match state {
        LifecycleState::Registered(epoch)
        | LifecycleState::CaughtUp(epoch)
        | LifecycleState::Unfenced(epoch) => *epoch,
        _ => -1,
    }
}

/// The state of the broker's thread.
struct Life {
    identity: BrokerIdentity,
    controller: ControllerHandle,
    published: watch::Receiver<Offset>,
    /// The offset that the last heartbeat named.
    told: Offset,
    /// The active controller. One that has just become so knows of this broker's process by its heartbeats:
    /// by their connection it notices when that ends.
    leader: watch::Receiver<(Option<BrokerId>, LeaderEpoch)>,
    commands: mpsc::UnboundedReceiver<Command>,
    state: watch::Sender<LifecycleState>,
    is_ready: bool,
    wants_to_stop: bool,
    /// The handle was dropped: nobody waits for the broker's state any more.
    is_orphaned: bool,
    offline: Vec<DirectoryId>,
    /// The directories that get no new replicas; `None` until that is known.
    cordoned: Option<Vec<DirectoryId>>,
}

impl Life {
    async fn run(mut self) {
        loop {
            match self.register().await {
                Ok(Some(epoch)) => match self.live(epoch).await {
                    Ended::Stopped => break,
                    Ended::Displaced => self.forget_registration(),
                },
                Ok(None) => break,
                Err(reason) => {
                    tracing::error!(reason, "the cluster does not take this broker");
                    self.become_state(LifecycleState::Failed(reason));
                    return;
                }
            }
        }
        self.become_state(LifecycleState::Stopped);
    }

    /// Prepares to register again, in the place of what took this broker's. The controller cannot tell that
    /// this process had no part in that: it counts as one that did not stop in order.
    fn forget_registration(&mut self) {
        tracing::warn!("another registration took the place of this broker's: registering again");
        self.identity.previous_epoch = -1;
        self.become_state(LifecycleState::Registering);
    }

    /// Registers, and returns the epoch; `None` if the broker is told to stop before it has one.
    async fn register(&mut self) -> Result<Option<i64>, String> {
        let deadline = Instant::now() + self.identity.registration_timeout;
        let request = self.identity.registration();
        let mut pause = FIRST_PAUSE;
        loop {
            let response = self.controller.ask(request.clone()).await;
            match response.error_code {
                ErrorCode::NONE => {
                    let epoch = response.broker_epoch;
                    let stopped_in = self.identity.previous_epoch;
                    tracing::info!(epoch, stopped_in, "registered");
                    self.become_state(LifecycleState::Registered(epoch));
                    return Ok(Some(epoch));
                }
                // There is no controller yet, or it waits for the session of an earlier process to end.
                ErrorCode::NOT_CONTROLLER
                | ErrorCode::DUPLICATE_BROKER_REGISTRATION
                | ErrorCode::REQUEST_TIMED_OUT
                    if Instant::now() < deadline => {}
                code => {
                    let name = code.name();
                    return Err(format!(
                        "the controller refuses to register this broker: {name}"
                    ));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                command = self.commands.recv() => self.obey(command),
            }
            if self.wants_to_stop {
                return Ok(None);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sends heartbeats until the broker may stop, or its registration counts no more.
    async fn live(&mut self, epoch: i64) -> Ended {
        let mut has_caught_up = false;
        loop {
            let pause = match self.heartbeat(epoch, has_caught_up).await {
                Pause::Stop => return Ended::Stopped,
                Pause::Register => return Ended::Displaced,
                Pause::For(pause) => pause,
            };
            match self.wake(epoch, pause, has_caught_up).await {
                Woken::ByTime | Woken::BySight | Woken::ByController => {}
                Woken::CaughtUp => has_caught_up = true,
                Woken::Told(command) => self.obey(command),
            }
        }
    }

    /// Waits until the next heartbeat is due, and says why it is.
    async fn wake(&mut self, epoch: i64, pause: Duration, has_caught_up: bool) -> Woken {
        let mut published = self.published.clone();
        let caught_up = async { published.wait_for(|offset| offset.0 >= epoch).await.is_ok() };
        let news = is_waited_for(&self.controller, self.published.clone(), self.told);
        tokio::select! {
            () = tokio::time::sleep(pause) => Woken::ByTime,
            true = caught_up, if !has_caught_up => Woken::CaughtUp,
            true = news => Woken::BySight,
            true = another(&mut self.leader) => Woken::ByController,
            command = self.commands.recv(), if !self.is_orphaned => Woken::Told(command),
        }
    }

    async fn heartbeat(&mut self, epoch: i64, has_caught_up: bool) -> Pause {
        let offset = *self.published.borrow();
        self.leader.mark_unchanged();
        let request = BrokerHeartbeatRequest {
            broker_id: self.identity.id.0,
            broker_epoch: epoch,
            current_metadata_offset: offset.0,
            want_fence: !self.is_ready && !self.wants_to_stop,
            want_shut_down: self.wants_to_stop,
            offline_log_dirs: self.offline.clone(),
            // Only a broker that knows its configs can say which directories they cordon.
            cordoned_log_dirs: self.cordoned.clone().filter(|_| has_caught_up),
        };
        let response = self.controller.heartbeat(request).await;
        if response.error_code.is_error() {
            let code = response.error_code.name();
            tracing::warn!(code, "the controller refuses a heartbeat");
            if self.is_orphaned {
                return Pause::Stop;
            }
            // A registration of an earlier process, which was held up on its way, does that.
            let is_stale = response.error_code == ErrorCode::STALE_BROKER_EPOCH;
            if is_stale
                && !self.wants_to_stop
                && self.controller.knows_newer(self.identity.id, epoch)
            {
                return Pause::Register;
            }
            return Pause::For(self.identity.heartbeat_interval.min(LONGEST_PAUSE));
        }
        self.told = offset;
        if response.should_shut_down {
            return Pause::Stop;
        }
        self.become_state(match (response.is_caught_up, response.is_fenced) {
            (true, false) => LifecycleState::Unfenced(epoch),
            (true, true) => LifecycleState::CaughtUp(epoch),
            (false, _) => LifecycleState::Registered(epoch),
        });
        Pause::For(if self.wants_to_stop {
            SHUTDOWN_PAUSE
        } else {
            self.identity.heartbeat_interval
        })
    }

    fn obey(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Ready) => self.is_ready = true,
            Some(Command::DirectoryOffline(id)) => self.offline.push(id),
            Some(Command::Cordoned(directories)) => self.cordoned = Some(directories),
            Some(Command::ShutDown) => self.wants_to_stop = true,
            None => {
                self.wants_to_stop = true;
                self.is_orphaned = true;
            }
        }
    }

    fn become_state(&self, state: LifecycleState) {
        self.state.send_if_modified(|current| {
            let is_new = *current != state;
            if is_new {
                tracing::info!(?state, "the broker's state in the cluster");
                *current = state;
            }
            is_new
        });
    }
}

/// Waits until this broker has acted on more than the controller was told while some broker hands its
/// partitions over: that one may stop as soon as all others have said that they know. False when the
/// process stops.
async fn is_waited_for(
    controller: &ControllerHandle,
    mut published: watch::Receiver<Offset>,
    told: Offset,
) -> bool {
    let is_news = |offset: &Offset| *offset > told && controller.sees_a_broker_stop();
    published.wait_for(is_news).await.is_ok()
}

/// Waits until another controller is active. False when the process stops.
async fn another(leader: &mut watch::Receiver<(Option<BrokerId>, LeaderEpoch)>) -> bool {
    while leader.changed().await.is_ok() {
        if leader.borrow_and_update().0.is_some() {
            return true;
        }
    }
    false
}

/// Why the next heartbeat is due.
enum Woken {
    ByTime,
    /// Another controller is active.
    ByController,
    /// A broker stops, and waits for this one's word.
    BySight,
    CaughtUp,
    Told(Option<Command>),
}

/// How long to wait after a heartbeat.
enum Pause {
    For(Duration),
    Stop,
    /// The broker's epoch is not that of its registration any more.
    Register,
}

/// Why a registered broker sends no more heartbeats.
enum Ended {
    Stopped,
    Displaced,
}
