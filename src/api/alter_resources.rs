//! What both forms of AlterConfigs have in common: some resources of a request are answered by the broker that
//! is asked, and the controller decides on the others.

use super::context::RequestContext;
use super::{Api, ListenerKind};
use crate::config::{CORDONED_LOG_DIRS, check_cordoned_log_dirs, cordons_more};
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

/// Refuses entries of `cordoned.log.dirs` that are none of this broker's log directories. A controller that is
/// asked itself knows no paths: there entries can only be taken away, as in Kafka. What a broker passes on it has
/// looked at.
///
/// # Errors
/// INVALID_REQUEST, or INVALID_CONFIG by a controller.
pub(super) fn check_cordons<'a>(
    api: &Api,
    context: &RequestContext,
    (kind, name): (i8, &str),
    mut values: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), Refusal> {
    let is_broker = ResourceKind::from_wire(kind) == Some(ResourceKind::Broker);
    if !is_broker || context.forwarded_for.is_some() {
        return Ok(());
    }
    let Some((_, cordoned)) = values.find(|(key, _)| *key == CORDONED_LOG_DIRS) else {
        return Ok(());
    };
    if api.listener_kind(context) == ListenerKind::Broker {
        let checked = check_cordoned_log_dirs(cordoned, &api.config().storage.log_dirs);
        return checked
            .map_err(|invalid| Refusal::new(ErrorCode::INVALID_REQUEST, invalid.message));
    }
    let image = api.image();
    let before = image
        .configs()
        .get(ResourceKind::Broker, name, CORDONED_LOG_DIRS);
    if cordons_more(before.map_or("", |value| value), cordoned) {
        let message = "When updating cordoned.log.dirs via controllers, the new value must be a subset of \
                       the current configuration value.";
        return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
    }
    Ok(())
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
