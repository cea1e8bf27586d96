//! Tells the controller where replicas lie, with the broker's epoch, and again until the controller takes
//! it. Runs on the thread of the broker's life.

use tokio::sync::{mpsc, watch};

use super::controller_handle_driver::ControllerHandle;
use super::lifecycle_driver::{LifecycleState, epoch_of};
use super::replica_directories::{PendingReplicaDirectories, ReplicaDirectory};
use crate::model::BrokerId;

/// The end that news of replicas is sent to. Clones send to the same inbox.
#[derive(Clone, Debug)]
pub struct ReplicaDirectorySender(mpsc::UnboundedSender<ReplicaDirectory>);

/// The end that the broker's life reads. News wait in it until that life begins.
#[derive(Debug)]
pub struct ReplicaDirectoryInbox(mpsc::UnboundedReceiver<ReplicaDirectory>);

/// Makes the two ends.
pub fn replica_directories() -> (ReplicaDirectorySender, ReplicaDirectoryInbox) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (ReplicaDirectorySender(sender), ReplicaDirectoryInbox(inbox))
}

impl ReplicaDirectorySender {
    /// Queues news for the controller.
    pub fn send(&self, replica_directory: ReplicaDirectory) {
        // The other end is gone only when the process stops.
        let _ = self.0.send(replica_directory);
    }
}

/// Tells the controller until all senders are gone.
pub(super) async fn run(
    ReplicaDirectoryInbox(mut inbox): ReplicaDirectoryInbox,
    controller: ControllerHandle,
    broker: BrokerId,
    mut state: watch::Receiver<LifecycleState>,
) {
    let mut pending = PendingReplicaDirectories::default();
    loop {
        if pending.is_empty() {
            match inbox.recv().await {
                Some(replica_directory) => pending.add(replica_directory),
                None => return,
            }
        }
        // News come in bursts: after a short wait one request has all of them.
        tokio::time::sleep(pending.pause()).await;
        while let Ok(replica_directory) = inbox.try_recv() {
            pending.add(replica_directory);
        }
        let registered = state.wait_for(|state| epoch_of(state) >= 0).await;
        let Ok(epoch) = registered.map(|state| epoch_of(&state)) else {
            return;
        };
        let request = pending.next_request(broker, epoch);
        let response = controller.ask(request).await;
        if response.error_code.is_error() {
            let code = response.error_code.name();
            tracing::warn!(code, "the controller takes no directories of replicas");
        }
        pending.answered(&response);
    }
}
