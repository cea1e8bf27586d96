//! `/livez`, `/readyz` and `/safe-to-restart`: 200 for yes and 503 for no, each with its sentence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::Mutex;

use super::node::Node;
use crate::health::{Question, Verdict};

/// How long the node and the active controller may take to say whether the node serves.
const READINESS_TIME: Duration = Duration::from_secs(2);
/// The same for a restart: every partition is asked about.
const RESTART_TIME: Duration = Duration::from_secs(20);
/// How old an answer may be that is given to another who asks.
const FRESH: Duration = Duration::from_millis(500);

/// A question that the node is asked once at a time, however many want to know.
pub(super) struct Asked {
    node: Arc<Node>,
    question: Question,
    time: Duration,
    last: Mutex<Option<(Instant, Verdict)>>,
}

impl Asked {
    pub(super) fn readiness(node: &Arc<Node>) -> Arc<Self> {
        Self::new(node, Question::Readiness, READINESS_TIME)
    }

    pub(super) fn restart(node: &Arc<Node>) -> Arc<Self> {
        Self::new(node, Question::Restart, RESTART_TIME)
    }

    fn new(node: &Arc<Node>, question: Question, time: Duration) -> Arc<Self> {
        Arc::new(Self {
            node: Arc::clone(node),
            question,
            time,
            last: Mutex::default(),
        })
    }

    async fn verdict(&self) -> Verdict {
        let mut last = self.last.lock().await;
        if let Some((at, verdict)) = &*last
            && at.elapsed() < FRESH
        {
            return verdict.clone();
        }
        let verdict = self.node.ask(self.question, self.time).await;
        *last = Some((Instant::now(), verdict.clone()));
        verdict
    }
}

/// Whether the process works, whatever becomes of others.
pub(super) async fn live(State(node): State<Arc<Node>>) -> (StatusCode, String) {
    answer(node.is_alive().await)
}

/// Answers a question.
pub(super) async fn asked(State(asked): State<Arc<Asked>>) -> (StatusCode, String) {
    answer(asked.verdict().await)
}

fn answer(verdict: Verdict) -> (StatusCode, String) {
    match verdict {
        Ok(sentence) => (StatusCode::OK, sentence + "\n"),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence + "\n"),
    }
}
