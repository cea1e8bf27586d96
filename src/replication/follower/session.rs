//! A fetch session from the follower's side (KIP-227): a request names only the partitions that changed
//! since the one before, and those that are fetched no more.
//!
//! What a session's answers leave out is as it was, so after a lost answer nobody knows what the leader
//! believes to have told: the session is closed then, and the next request begins another.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{LeaderEpoch, Offset, TopicIdPartition};
use crate::protocol::ErrorCode;

/// The id of no session.
const NO_SESSION: i32 = 0;
/// The epoch of a request that begins a session, and names all partitions.
const FIRST_EPOCH: i32 = 0;

/// What is asked of the leader for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The leader epoch that the follower knows.
    pub leader_epoch: LeaderEpoch,
    /// The follower's log end.
    pub fetch_offset: Offset,
    /// The newest epoch in the follower's log.
    pub last_epoch: LeaderEpoch,
    /// The follower's log start.
    pub log_start_offset: Offset,
}

/// The part of a request that the session decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The session's id, 0 for none.
    pub session_id: i32,
    /// The epoch of the request within the session.
    pub session_epoch: i32,
    /// Partitions that are new in the session, or of which something else is asked.
    pub asked: Vec<(TopicIdPartition, Ask)>,
    /// Partitions that leave the session.
    pub forgotten: Vec<TopicIdPartition>,
}

/// An answer does not belong to the session, or refuses it: nothing of it counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionBroken {
    /// The leader says so.
    #[error("the leader answers {0:?}")]
    Refused(ErrorCode),
    /// The answer has partitions that were not asked for, or lacks some.
    #[error("the answer has other partitions than the session")]
    OtherPartitions,
    /// The answer is of another session.
    #[error("the answer is of session {0}")]
    OtherSession(i32),
}

/// A session with one leader.
#[derive(Clone, Debug, Default)]
pub struct Session {
    id: i32,
    /// The epoch of the next request.
    epoch: i32,
    /// What the leader knows after the last request.
    asked: BTreeMap<TopicIdPartition, Ask>,
}

impl Session {
    /// Whether the next request begins a session: it names all partitions.
    pub fn is_new(&self) -> bool {
        self.epoch == FIRST_EPOCH
    }

    /// What the last request asked for a partition.
    pub fn asked(&self, id: &TopicIdPartition) -> Option<&Ask> {
        self.asked.get(id)
    }

    /// Notes what is wanted of partitions from now on, `None` for those that are fetched no more, and says
    /// what the request must name. For a new session `wanted` are all partitions.
    pub fn request(
        &mut self,
        wanted: impl Iterator<Item = (TopicIdPartition, Option<Ask>)>,
    ) -> Changes {
        if self.is_new() {
            self.asked.clear();
        }
        let mut changes = Changes {
            session_id: self.id,
            session_epoch: self.epoch,
            ..Changes::default()
        };
        for (id, ask) in wanted {
            match ask {
                Some(ask) => {
                    if self.asked.insert(id, ask) != Some(ask) {
                        changes.asked.push((id, ask));
                    }
                }
                None => changes.forgotten.extend(self.asked.remove(&id).map(|_| id)),
            }
        }
        changes
    }

    /// Takes the head of an answer, with the partitions that it has.
    ///
    /// # Errors
    /// Nothing of the answer counts; the next request begins another session.
    pub fn answered(
        &mut self,
        error: ErrorCode,
        session_id: i32,
        partitions: &BTreeSet<TopicIdPartition>,
    ) -> Result<(), SessionBroken> {
        if error.is_error() {
            self.close();
            if error == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
                self.id = NO_SESSION;
            }
            return Err(SessionBroken::Refused(error));
        }
        let are_known = partitions.iter().all(|id| self.asked.contains_key(id));
        let has_all = !self.is_new() || partitions.len() == self.asked.len();
        if !are_known || !has_all {
            self.close();
            return Err(SessionBroken::OtherPartitions);
        }
        if session_id == NO_SESSION {
            // The leader keeps no session for this follower: the next request names all partitions again.
            (self.id, self.epoch) = (NO_SESSION, FIRST_EPOCH);
            return Ok(());
        }
        if !self.is_new() && session_id != self.id {
            self.close();
            return Err(SessionBroken::OtherSession(session_id));
        }
        self.id = session_id;
        self.epoch = self.epoch.checked_add(1).unwrap_or(FIRST_EPOCH + 1);
        Ok(())
    }

    /// Begins another session with the next request, which closes this one.
    pub fn close(&mut self) {
        self.epoch = FIRST_EPOCH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    fn id(partition: i32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: TopicId::from_bytes([7; 16]),
            partition,
        }
    }

    fn ask(fetch_offset: i64) -> Ask {
        Ask {
            leader_epoch: LeaderEpoch(1),
            fetch_offset: Offset(fetch_offset),
            last_epoch: LeaderEpoch(1),
            log_start_offset: Offset(0),
        }
    }

    /// A request: its session, what it asks for, and what it forgets.
    type Asked = ((i32, i32), Vec<(i32, i64)>, Vec<i32>);

    /// A request for partitions at these offsets.
    fn request(session: &mut Session, wanted: &[(i32, Option<i64>)]) -> Asked {
        let wanted = wanted.iter();
        let changes = session.request(wanted.map(|(number, at)| (id(*number), at.map(ask))));
        let asked = changes.asked.iter();
        (
            (changes.session_id, changes.session_epoch),
            asked
                .map(|(id, ask)| (id.partition, ask.fetch_offset.0))
                .collect(),
            changes.forgotten.iter().map(|id| id.partition).collect(),
        )
    }

    fn answered(session: &mut Session, id_told: i32, numbers: &[i32]) -> Result<(), SessionBroken> {
        let partitions = numbers.iter().map(|number| id(*number)).collect();
        session.answered(ErrorCode::NONE, id_told, &partitions)
    }

    #[test]
    fn a_request_names_what_changed_and_what_is_forgotten() {
        let mut session = Session::default();

        let first = request(&mut session, &[(0, Some(0)), (1, Some(5)), (2, Some(9))]);
        assert_eq!(first, ((0, 0), vec![(0, 0), (1, 5), (2, 9)], vec![]));
        answered(&mut session, 42, &[0, 1, 2]).unwrap();

        let second = request(&mut session, &[(0, Some(3)), (1, Some(5)), (2, None)]);
        assert_eq!(second, ((42, 1), vec![(0, 3)], vec![2]));
        answered(&mut session, 42, &[]).unwrap();

        let third = request(&mut session, &[(2, None), (3, Some(1))]);
        assert_eq!(third, ((42, 2), vec![(3, 1)], vec![]));
    }

    #[test]
    fn without_a_session_each_request_names_all() {
        let mut session = Session::default();

        for _ in 0..2 {
            let asked = request(&mut session, &[(0, Some(4))]);
            assert_eq!(asked, ((0, 0), vec![(0, 4)], vec![]));
            answered(&mut session, 0, &[0]).unwrap();
        }
    }

    #[test]
    fn an_error_begins_another_session_and_closes_this_one_if_it_is_there() {
        for (error, closes) in [
            (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 42),
            (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0),
        ] {
            let mut session = Session::default();
            request(&mut session, &[(0, Some(0))]);
            answered(&mut session, 42, &[0]).unwrap();
            request(&mut session, &[(0, Some(1))]);

            let refused = session.answered(error, 0, &BTreeSet::new());

            assert_eq!(refused, Err(SessionBroken::Refused(error)));
            let again = request(&mut session, &[(0, Some(1)), (1, Some(2))]);
            assert_eq!(again, ((closes, 0), vec![(0, 1), (1, 2)], vec![]));
        }
    }

    #[test]
    fn an_answer_with_other_partitions_breaks_the_session() {
        for (at_first, answer) in [
            (true, vec![0]),
            (true, vec![0, 1, 2]),
            (false, vec![2]),
            (false, vec![0, 7]),
        ] {
            let mut session = Session::default();
            request(&mut session, &[(0, Some(0)), (1, Some(0))]);
            if !at_first {
                answered(&mut session, 42, &[0, 1]).unwrap();
                request(&mut session, &[]);
            }

            let broken = answered(&mut session, 42, &answer);

            assert_eq!(broken, Err(SessionBroken::OtherPartitions), "{answer:?}");
            assert!(session.is_new());
        }
    }

    #[test]
    fn an_answer_of_another_session_breaks_it() {
        let mut session = Session::default();
        request(&mut session, &[(0, Some(0))]);
        answered(&mut session, 42, &[0]).unwrap();
        request(&mut session, &[]);

        let broken = answered(&mut session, 43, &[]);

        assert_eq!(broken, Err(SessionBroken::OtherSession(43)));
    }

    #[test]
    fn after_the_last_epoch_comes_the_first_that_is_within_a_session() {
        let mut session = Session {
            id: 42,
            epoch: i32::MAX,
            asked: BTreeMap::new(),
        };

        answered(&mut session, 42, &[]).unwrap();

        assert_eq!(request(&mut session, &[]).0, (42, 1));
    }
}
