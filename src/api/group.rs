//! What the APIs of groups share: asking the coordinator, giving the frame's memory back before a long
//! wait, and not even looking into requests that are too large: their parts may take many times as much
//! memory as their bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::Api;
use super::context::RequestContext;
use super::route::answer;
use crate::coordinator::Submitted;
use crate::coordinator::group::{Answer, Request};
use crate::coordinator::shard::{Caller, Token};
use crate::network::{Handling, Outcome};
use crate::protocol::{self, DecodeError, Str};

/// The largest body that is looked into: what the members of a group may take in memory. A larger one
/// is refused by the coordinator in any case.
pub(super) const MAX_BODY_BYTES: usize = 16 << 20;

/// A request that is about one group, and goes to its shard as it is.
pub(super) trait OneGroup: protocol::Request + 'static {
    /// The group.
    fn group_id(&self) -> Str;

    /// The request as the coordinator takes it.
    fn ask(self) -> Request;

    /// The response in the coordinator's answer.
    fn response(answer: Answer) -> Self::Response;

    /// The answer to a request that is too large.
    fn too_large() -> Self::Response;

    /// What the coordinator is told of who asks.
    fn caller(context: &RequestContext) -> Caller {
        caller(context)
    }
}

/// What the coordinator is told of who asks, unless a member may be new: JoinGroup adds the client's
/// host. The runtime puts a token of its own in the place of this one.
pub(super) fn caller(context: &RequestContext) -> Caller {
    Caller {
        token: Token(0),
        version: context.version(),
        client_id: context.header.client_id.clone().unwrap_or_default(),
        client_host: Str::EMPTY,
    }
}

/// Lets the group's shard decide. An answer that has to wait for other members may be long in coming:
/// the frame is dropped first, and its memory given back.
///
/// # Errors
/// The body is malformed.
pub(super) fn handle<R: OneGroup>(
    api: &Arc<Api>,
    context: RequestContext,
    body: Bytes,
) -> Result<Handling, DecodeError> {
    if body.len() > MAX_BODY_BYTES {
        return Ok(Handling::Answer(answer::<R>(&context, &R::too_large())));
    }
    let request = context.decode::<R>(body)?;
    let group_id = request.group_id();
    let asked = request.ask();
    let submitted = api.groups().submit(&group_id, R::caller(&context), &asked);
    drop((group_id, asked));
    Ok(now_or_later::<R>(context, submitted, R::response))
}

/// Answers at once if the answer is there. Otherwise nothing of the frame may be in use any more.
fn now_or_later<R: protocol::Request + 'static>(
    mut context: RequestContext,
    submitted: Submitted<Answer>,
    response: fn(Answer) -> R::Response,
) -> Handling {
    match submitted {
        Submitted::Answered(it) => Handling::Answer(answer::<R>(&context, &response(it))),
        waiting @ Submitted::Waiting(_) => {
            context.let_go_of_frame();
            Handling::Later(Box::pin(async move {
                let response = response(waiting.answer().await);
                Outcome::Answer(answer::<R>(&context, &response))
            }))
        }
    }
}

/// Takes the expected kind of answer apart.
macro_rules! expect_answer {
    ($answer:expr, $kind:ident) => {
        match $answer {
            $crate::coordinator::group::Answer::$kind(response) => response,
            other => unreachable!("the answer to {} is not one: {other:?}", stringify!($kind)),
        }
    };
}
pub(super) use expect_answer;
