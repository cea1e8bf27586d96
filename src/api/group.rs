//! What the APIs of groups share: asking the coordinator, and giving the frame's memory back before a long
//! wait. A body that is too large is refused undecoded, because its parts may take many times its bytes.

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

/// The largest body that is decoded: as much as the members of one group may take in memory. The
/// coordinator would refuse a larger one in any case.
pub(super) const MAX_BODY_BYTES: usize = 16 << 20;

/// A request that is about one group, and goes to its shard as it is.
pub(super) trait OneGroup: protocol::Request + 'static {
    /// The group's id.
    fn group_id(&self) -> Str;

    /// The request in the form that the coordinator takes.
    fn ask(self) -> Request;

    /// The response of this API in the coordinator's answer.
    fn response(answer: Answer) -> Self::Response;

    /// The answer to a request that is too large to be decoded.
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

/// Lets the group's shard decide. An answer that waits for other members may be long in coming, so the
/// frame is dropped and its memory given back before.
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

/// Answers at once if there is an answer already. Otherwise the frame is dropped: nothing of it may be in
/// use.
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

/// Takes the fields out of the kind of answer that the request must get.
macro_rules! expect_answer {
    ($answer:expr, $kind:ident) => {
        match $answer {
            $crate::coordinator::group::Answer::$kind(response) => response,
            other => unreachable!("the answer to {} is not one: {other:?}", stringify!($kind)),
        }
    };
}
pub(super) use expect_answer;
