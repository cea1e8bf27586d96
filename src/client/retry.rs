//! What becomes of a request that was answered with an error: Kafka's classes of errors, and the pauses
//! between one attempt and the next.
//!
//! PURE: the time is an argument.

use std::time::{Duration, Instant};

use crate::protocol::ErrorCode;

/// The first pause, `retry.backoff.ms` of Kafka's clients.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer, `retry.backoff.max.ms` of Kafka's clients.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What an error asks of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The same request to the same node would be refused again.
    Fatal,
    /// The same request may succeed later.
    Retriable,
    /// It may succeed at another node, which the metadata tells.
    NewMetadata,
    /// It may succeed at another coordinator.
    NewCoordinator,
}

impl ErrorClass {
    /// The class of an error code.
    pub fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                Self::NewCoordinator
            }
            ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::LISTENER_NOT_FOUND
            | ErrorCode::NOT_CONTROLLER
            | ErrorCode::NETWORK_EXCEPTION => Self::NewMetadata,
            code if code.is_retriable() => Self::Retriable,
            _ => Self::Fatal,
        }
    }
}

/// The attempts at one thing: each pause is twice as long as the one before, and none ends after the deadline.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    deadline: Instant,
    next_pause: Duration,
}

impl Attempts {
    /// Attempts that end at `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            next_pause: FIRST_PAUSE,
        }
    }

    /// How long to wait before the next attempt; `None` if there is to be no further one.
    pub fn pause(&mut self, now: Instant) -> Option<Duration> {
        let pause = self.next_pause;
        self.next_pause = (pause * 2).min(LONGEST_PAUSE);
        (now + pause < self.deadline).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_where_to_ask_next() {
        let class = ErrorClass::of;

        assert_eq!(
            class(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            ErrorClass::NewMetadata
        );
        assert_eq!(class(ErrorCode::NOT_CONTROLLER), ErrorClass::NewMetadata);
        assert_eq!(
            class(ErrorCode::NOT_COORDINATOR),
            ErrorClass::NewCoordinator
        );
        assert_eq!(
            class(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            ErrorClass::Retriable
        );
        assert_eq!(class(ErrorCode::NOT_ENOUGH_REPLICAS), ErrorClass::Retriable);
        assert_eq!(class(ErrorCode::TOPIC_ALREADY_EXISTS), ErrorClass::Fatal);
        assert_eq!(class(ErrorCode(9999)), ErrorClass::Fatal);
    }

    #[test]
    fn pauses_grow_up_to_a_second_and_end_with_the_deadline() {
        let start = Instant::now();
        let mut attempts = Attempts::until(start + Duration::from_secs(5));
        let mut now = start;
        let mut pauses = Vec::new();
        while let Some(pause) = attempts.pause(now) {
            pauses.push(pause.as_millis());
            now += pause;
        }

        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000, 1000]);
    }
}
