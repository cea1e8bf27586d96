//! Requests that wait for answers of one shard: in the shard (as a JoinGroup, until its generation is
//! complete), or for a commit (an answer that is made, and rests on a record). Every request is answered
//! once.
//!
//! A client that is not interested any more drops its [`Waiting`]. If it waits in the shard it is forgotten
//! at once, because that wait may be as long as a client chooses. The shard is not told: what the request
//! has begun, such as joining, goes on. A wait for a commit is soon over in any case.

use std::collections::BTreeMap;
use std::sync::Weak;

use tokio::sync::oneshot;

use crate::coordinator::shard::{Reply, ShardAnswer, Token};
use crate::model::Offset;
use crate::protocol::ErrorCode;

/// What became of a request.
#[derive(Debug)]
pub enum Submitted<A> {
    /// The request is answered.
    Answered(A),
    /// The request waits: for others, or for its records to be committed.
    Waiting(Waiting<A>),
}

/// Waits for an answer of a shard, until it is dropped.
pub struct Waiting<A> {
    answer: oneshot::Receiver<A>,
    token: Token,
    /// The list to leave; `None` when the answer is there.
    list: Option<Weak<dyn WaitingList>>,
}

/// The list of requests that a shard has not answered.
pub(super) trait WaitingList: Send + Sync {
    /// Notes that nobody waits any more for the answer to `token`.
    fn leave(&self, token: Token);
}

impl<A> Submitted<A> {
    /// The answer, once it is there.
    pub async fn answer(self) -> A {
        match self {
            Self::Answered(answer) => answer,
            Self::Waiting(mut waiting) => {
                let answer = (&mut waiting.answer).await;
                waiting.list = None;
                answer.expect("every request is answered once")
            }
        }
    }
}

impl<A> std::fmt::Debug for Waiting<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Waiting").field(&self.token).finish()
    }
}

impl<A> Drop for Waiting<A> {
    fn drop(&mut self) {
        if let Some(list) = self.list.take().and_then(|list| list.upgrade()) {
            list.leave(self.token);
        }
    }
}

/// Answers to be sent, once the shard's lock is released.
#[must_use = "those who wait must be told"]
#[derive(Debug)]
pub(super) struct Deliveries<A>(Vec<(oneshot::Sender<A>, A)>);

impl<A> Default for Deliveries<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A> Deliveries<A> {
    fn push(&mut self, sender: oneshot::Sender<A>, answer: A) {
        self.0.push((sender, answer));
    }

    /// Sends all answers.
    pub(super) fn send(self) {
        for (sender, answer) in self.0 {
            // Nobody waits any more if the connection is gone.
            let _ = sender.send(answer);
        }
    }
}

/// The requests that wait for one shard.
#[derive(Debug)]
pub(super) struct Waiters<A> {
    next_token: u64,
    in_shard: BTreeMap<Token, oneshot::Sender<A>>,
    /// Answers that wait for a commit, by the offset that they rest on.
    on_commit: BTreeMap<(Offset, Token), (A, oneshot::Sender<A>)>,
}

impl<A> Default for Waiters<A> {
    fn default() -> Self {
        Self {
            next_token: 0,
            in_shard: BTreeMap::new(),
            on_commit: BTreeMap::new(),
        }
    }
}

impl<A: ShardAnswer> Waiters<A> {
    /// A token for the next request.
    pub(super) fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Takes in the answers to earlier requests. Everything below `high_watermark` is committed.
    pub(super) fn take(
        &mut self,
        replies: impl IntoIterator<Item = Reply<A>>,
        high_watermark: Offset,
        deliveries: &mut Deliveries<A>,
    ) {
        for reply in replies {
            let Some(sender) = self.in_shard.remove(&reply.token) else {
                continue;
            };
            if reply.after < high_watermark {
                deliveries.push(sender, reply.answer);
            } else {
                let place = (reply.after, reply.token);
                self.on_commit.insert(place, (reply.answer, sender));
            }
        }
    }

    /// Notes the request `token`, with `reply` as its answer if there is one already. `list` is the list
    /// that holds these waiters.
    pub(super) fn submitted(
        &mut self,
        token: Token,
        reply: Option<Reply<A>>,
        high_watermark: Offset,
        list: Weak<dyn WaitingList>,
    ) -> Submitted<A> {
        let (sender, receiver) = oneshot::channel();
        match reply {
            Some(reply) if reply.after < high_watermark => {
                return Submitted::Answered(reply.answer);
            }
            Some(reply) => {
                let place = (reply.after, token);
                self.on_commit.insert(place, (reply.answer, sender));
            }
            None => {
                self.in_shard.insert(token, sender);
            }
        }
        Submitted::Waiting(Waiting {
            answer: receiver,
            token,
            list: Some(list),
        })
    }

    /// Notes that nobody waits any more for what the shard will answer to `token`.
    pub(super) fn leave(&mut self, token: Token) {
        self.in_shard.remove(&token);
    }

    /// Sends the answers that rest on records below `high_watermark`.
    pub(super) fn committed(&mut self, high_watermark: Offset, deliveries: &mut Deliveries<A>) {
        while let Some(first) = self.on_commit.first_entry() {
            if first.key().0 >= high_watermark {
                return;
            }
            let (answer, sender) = first.remove();
            deliveries.push(sender, answer);
        }
    }

    /// Fails the answers that rest on records up to `last`, which were not committed in time.
    pub(super) fn timed_out(&mut self, last: Offset, error: ErrorCode, out: &mut Deliveries<A>) {
        let later = self.on_commit.split_off(&(last + 1, Token(0)));
        let failed = std::mem::replace(&mut self.on_commit, later);
        for (answer, sender) in failed.into_values() {
            out.push(sender, answer.fail(error));
        }
    }

    /// Fails all answers that wait for a commit, because it may never come.
    pub(super) fn fail(&mut self, error: ErrorCode, deliveries: &mut Deliveries<A>) {
        for (answer, sender) in std::mem::take(&mut self.on_commit).into_values() {
            deliveries.push(sender, answer.fail(error));
        }
    }
}

#[cfg(test)]
impl<A> Waiting<A> {
    /// Whether the answer has not come yet.
    pub(in crate::coordinator) fn is_empty(&self) -> bool {
        self.answer.is_empty()
    }
}

#[cfg(test)]
impl<A> Waiters<A> {
    /// How many requests wait in the shard.
    pub(super) fn in_shard(&self) -> usize {
        self.in_shard.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::group::Answer;
    use crate::protocol::messages::heartbeat::HeartbeatResponse;

    const ERROR: ErrorCode = ErrorCode::COORDINATOR_NOT_AVAILABLE;

    fn reply(token: Token, after: i64) -> Reply<Answer> {
        Reply {
            token,
            after: Offset(after),
            answer: HeartbeatResponse::default().into(),
        }
    }

    fn nowhere() -> Weak<dyn WaitingList> {
        struct Nowhere;
        impl WaitingList for Nowhere {
            fn leave(&self, _token: Token) {}
        }
        Weak::<Nowhere>::new()
    }

    fn error_in(submitted: &mut Submitted<Answer>) -> Option<ErrorCode> {
        let answer = match submitted {
            Submitted::Answered(answer) => answer.clone(),
            Submitted::Waiting(receiver) => receiver.answer.try_recv().ok()?,
        };
        let Answer::Heartbeat(response) = answer else {
            unreachable!("a heartbeat was asked for");
        };
        Some(response.error_code)
    }

    #[test]
    fn an_answer_that_rests_on_nothing_or_on_what_is_committed_is_there_at_once() {
        let mut waiters = Waiters::default();
        for after in [-1, 0, 9] {
            let token = waiters.token();
            let submitted =
                waiters.submitted(token, Some(reply(token, after)), Offset(10), nowhere());
            assert!(matches!(submitted, Submitted::Answered(_)), "{after}");
        }
        let token = waiters.token();
        let at_the_watermark =
            waiters.submitted(token, Some(reply(token, 10)), Offset(10), nowhere());
        assert!(matches!(at_the_watermark, Submitted::Waiting(_)));
    }

    #[test]
    fn answers_leave_when_the_watermark_passes_them() {
        let mut waiters = Waiters::default();
        let mut submitted = |after| {
            let token = waiters.token();
            waiters.submitted(token, Some(reply(token, after)), Offset(0), nowhere())
        };
        let (mut first, mut second) = (submitted(3), submitted(4));

        let mut deliveries = Deliveries::default();
        waiters.committed(Offset(4), &mut deliveries);
        deliveries.send();

        assert_eq!(error_in(&mut first), Some(ErrorCode::NONE));
        assert_eq!(error_in(&mut second), None);
    }

    #[test]
    fn an_answer_of_the_shard_finds_who_waits_and_may_still_wait_for_a_commit() {
        let mut waiters = Waiters::default();
        let (early, late) = (waiters.token(), waiters.token());
        let mut first = waiters.submitted(early, None, Offset(5), nowhere());
        let mut second = waiters.submitted(late, None, Offset(5), nowhere());

        let mut deliveries = Deliveries::default();
        let replies = [reply(early, 4), reply(late, 5)];
        waiters.take(replies, Offset(5), &mut deliveries);
        deliveries.send();
        assert_eq!(error_in(&mut first), Some(ErrorCode::NONE));
        assert_eq!(error_in(&mut second), None);

        let mut deliveries = Deliveries::default();
        waiters.fail(ERROR, &mut deliveries);
        deliveries.send();
        assert_eq!(error_in(&mut second), Some(ERROR));
    }

    #[test]
    fn what_is_too_late_fails_and_what_came_after_goes_on_waiting() {
        let mut waiters = Waiters::default();
        let mut submitted = |after| {
            let token = waiters.token();
            waiters.submitted(token, Some(reply(token, after)), Offset(0), nowhere())
        };
        let (mut first, mut second) = (submitted(3), submitted(4));

        let mut deliveries = Deliveries::default();
        waiters.timed_out(Offset(3), ERROR, &mut deliveries);
        deliveries.send();

        assert_eq!(error_in(&mut first), Some(ERROR));
        assert_eq!(error_in(&mut second), None);
    }
}
