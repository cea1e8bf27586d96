//! Asks the controller for changes of in-sync sets, with the broker's epoch, until it has decided.
//!
//! It has a thread of its own: telling a leader of the outcome waits for the partition, which a stalled
//! disk may hold, and heartbeats must not wait for that.

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::controller_handle_driver::ControllerHandle;
use super::driver::{OnFatal, Published, spawn};
use super::isr_changes::{IsrChange, IsrOutcome, PendingIsrChanges};
use super::lifecycle_driver::{BrokerLifecycle, LifecycleState, epoch_of};
use crate::model::BrokerId;

/// The end that changes are sent to. Clones send to the same inbox.
#[derive(Clone, Debug)]
pub struct IsrChangeSender(mpsc::UnboundedSender<IsrChange>);

/// The end that the thread reads. Changes wait in it until that is started. It holds no more than leaders
/// have proposed, which is one change of a partition at a time.
#[derive(Debug)]
pub struct IsrChangeInbox(mpsc::UnboundedReceiver<IsrChange>);

/// Makes the two ends.
pub fn isr_changes() -> (IsrChangeSender, IsrChangeInbox) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (IsrChangeSender(sender), IsrChangeInbox(inbox))
}

impl IsrChangeSender {
    /// Queues a change for the controller.
    pub fn send(&self, change: IsrChange) {
        // The other end is gone only when the broker has left the cluster, and leads nothing.
        let _ = self.0.send(change);
    }
}

impl IsrChangeInbox {
    /// Starts the thread, which runs as long as the broker lives. `tell` is told how changes have ended. If it
    /// ends by a bug no in-sync set changes any more, and acks wait for good: that is fatal.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        self,
        broker: BrokerId,
        lifecycle: &BrokerLifecycle,
        controller: ControllerHandle,
        published: Arc<Published>,
        tell: impl FnMut(&IsrChange, &IsrOutcome) + Send + 'static,
        on_fatal: &OnFatal,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let state = lifecycle.watch();
        let asking = Asking {
            inbox: self.0,
            broker,
            state: state.clone(),
            controller,
            published,
            pending: PendingIsrChanges::default(),
        };
        spawn("isr-changes", Arc::clone(on_fatal), move || {
            runtime.block_on(async {
                tokio::select! {
                    () = asking.run(tell) => {}
                    () = ended(state) => {}
                }
            });
            Ok(())
        })?;
        Ok(())
    }
}

/// Waits until the broker is no member of the cluster any more.
async fn ended(mut state: watch::Receiver<LifecycleState>) {
    let is_over = |state: &LifecycleState| {
        matches!(state, LifecycleState::Stopped | LifecycleState::Failed(_))
    };
    // An error means that the thread of the broker's life has ended.
    let _ = state.wait_for(is_over).await;
}

/// The state of the thread.
struct Asking {
    inbox: mpsc::UnboundedReceiver<IsrChange>,
    broker: BrokerId,
    state: watch::Receiver<LifecycleState>,
    controller: ControllerHandle,
    published: Arc<Published>,
    pending: PendingIsrChanges,
}

impl Asking {
    /// Asks until all senders are gone.
    async fn run(mut self, mut tell: impl FnMut(&IsrChange, &IsrOutcome)) {
        loop {
            if self.pending.is_empty() {
                match self.inbox.recv().await {
                    Some(change) => self.pending.add(change),
                    None => return,
                }
            }
            tokio::time::sleep(self.pending.pause()).await;
            while let Ok(change) = self.inbox.try_recv() {
                self.pending.add(change);
            }
            let registered = self.state.wait_for(|state| epoch_of(state) >= 0).await;
            let Ok(epoch) = registered.map(|state| epoch_of(&state)) else {
                return;
            };
            let image = self.published.image();
            let request = self.pending.next_request(self.broker, epoch, &image);
            drop(image);
            let Some(request) = request else {
                continue;
            };
            let response = self.controller.ask(request).await;
            if response.error_code.is_error() {
                let code = response.error_code.name();
                tracing::debug!(code, "the controller decides on no in-sync sets");
            }
            let image = self.published.image();
            let ended = self.pending.answered(&response, &image);
            drop(image);
            for (change, outcome) in ended {
                tell(&change, &outcome);
            }
        }
    }
}
