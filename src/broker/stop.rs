//! Why and when a node stops: by a signal, or by a failure after which it cannot go on. SIGHUP changes
//! nothing yet, and does not stop the node.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::metadata::driver::OnFatal;

/// Why a node stops.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// A signal asked for it.
    Asked(&'static str),
    /// The node cannot go on.
    Failed(String),
}

impl StopReason {
    /// The outcome of the process: a failure is an error.
    pub(super) fn into_result(self) -> anyhow::Result<()> {
        match self {
            Self::Asked(_) => Ok(()),
            Self::Failed(reason) => Err(anyhow::Error::msg(reason)),
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(signal) => formatter.write_str(signal),
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

/// Waits for a reason to stop.
pub(super) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    failures: mpsc::UnboundedReceiver<String>,
    on_fatal: OnFatal,
}

impl StopSignal {
    /// Begins to listen for signals. From now on they do not end the process by themselves.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let (sender, failures) = mpsc::unbounded_channel();
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hang_up: listen(SignalKind::hangup())?,
            failures,
            // The receiver is gone only when the process stops anyway.
            on_fatal: Arc::new(move |reason| drop(sender.send(reason))),
        })
    }

    /// The callback for parts that find that the process must stop.
    pub(super) fn on_fatal(&self) -> &OnFatal {
        &self.on_fatal
    }

    /// Waits for the first reason.
    pub(super) async fn wait(&mut self) -> StopReason {
        loop {
            return tokio::select! {
                _ = self.terminate.recv() => StopReason::Asked("SIGTERM"),
                _ = self.interrupt.recv() => StopReason::Asked("SIGINT"),
                _ = self.quit.recv() => StopReason::Asked("SIGQUIT"),
                _ = self.hang_up.recv() => {
                    tracing::info!("SIGHUP: the settings are read at the start only");
                    continue;
                }
                failure = self.failures.recv() => {
                    StopReason::Failed(failure.unwrap_or_else(|| "a part ended".to_owned()))
                }
            };
        }
    }
}
