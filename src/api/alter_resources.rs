//! What both forms of AlterConfigs have in common: some resources of a request are answered by the broker that
//! is asked, and the controller decides on the others.

use super::context::RequestContext;
use super::{Api, ListenerKind};
use crate::metadata::controller::Refusal;
use crate::metadata::image::ResourceKind;
use crate::protocol::ErrorCode;

/// Refuses the configs of another broker: only the broker itself is asked for its own, as in Kafka. A
/// controller takes those of any, since the broker that passes a request on has looked.
///
/// # Errors
/// INVALID_REQUEST.
pub(super) fn check_broker(
    api: &Api,
    context: &RequestContext,
    (kind, name): (i8, &str),
) -> Result<(), Refusal> {
    let is_broker = ResourceKind::from_wire(kind) == Some(ResourceKind::Broker);
    let is_asked_here = api.listener_kind(context) == ListenerKind::Broker;
    let own = api.node_id();
    match name.parse::<i32>() {
        Ok(id) if is_broker && is_asked_here && id != own.0 => Err(Refusal::new(
            ErrorCode::INVALID_REQUEST,
            format!("Unexpected broker id, expected {own}, but received {name}"),
        )),
        // What is no number at all the controller refuses.
        _ => Ok(()),
    }
}

/// Leaves those resources that were not answered here; `here` has a place for each.
pub(super) fn keep_unanswered<R, A>(resources: &mut Vec<R>, here: &[Option<A>]) {
    let mut here = here.iter();
    resources.retain(|_| here.next().is_some_and(Option::is_none));
}

/// Puts the answers of the controller into the places that are free, so that all are in the order of the
/// request.
pub(super) fn in_order<A>(here: Vec<Option<A>>, of_controller: Vec<A>) -> Vec<A> {
    let mut of_controller = of_controller.into_iter();
    let answers = here.into_iter();
    answers
        .filter_map(|answer| answer.or_else(|| of_controller.next()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_request() {
        let here = vec![None, Some("here 1"), None, Some("here 2")];
        let mut resources = vec!["a", "b", "c", "d"];

        keep_unanswered(&mut resources, &here);
        assert_eq!(resources, ["a", "c"]);

        let answers = in_order(here, vec!["controller 1", "controller 2"]);
        assert_eq!(
            answers,
            ["controller 1", "here 1", "controller 2", "here 2"]
        );
    }
}
