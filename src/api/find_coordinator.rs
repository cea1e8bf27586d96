//! FindCoordinator (key 10), versions 0-6: which broker coordinates a group.
//!
//! The first client to ask makes `__consumer_offsets`: where Kafka answers COORDINATOR_NOT_AVAILABLE until
//! the topic exists, this waits for it. Transactions and share groups are not served yet: their keys get
//! errors that clients take as final. While the log of groups is damaged, no broker is its coordinator
//! (COORDINATOR_NOT_AVAILABLE). Version 1 adds the type of key, 4 asks for many keys at once, 6 for share
//! groups.

use std::sync::Arc;

use super::context::RequestContext;
use super::{Api, nodes};
use crate::coordinator::OFFSETS_TOPIC;
use crate::metadata::image::{Endpoint, MetadataImage};
use crate::model::BrokerId;
use crate::protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use crate::protocol::{ErrorCode, Str};

/// The first version that asks for many keys.
const FIRST_WITH_KEYS: i16 = 4;
/// The first version that may ask for share groups.
const FIRST_WITH_SHARE: i16 = 6;

/// Kafka's numbers of the types of keys.
mod key_type {
    pub(super) const GROUP: i8 = 0;
    pub(super) const TRANSACTION: i8 = 1;
    pub(super) const SHARE: i8 = 2;
}

/// The error that stands in place of a coordinator.
struct Refusal {
    code: ErrorCode,
    message: &'static str,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: code.message(),
        }
    }
}

/// Finds the leader of each key's partition.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let version = context.version();
    let checked = check_type(request.key_type, version);
    let asks = version < FIRST_WITH_KEYS || !request.coordinator_keys.is_empty();
    if checked.is_ok() && asks {
        api.create_offsets_topic(&context).await;
    }
    let image = api.image();
    let find = |key: &Str| match &checked {
        Ok(()) => coordinator(&api, &image, &context, key),
        Err(refusal) => refused(key, refusal),
    };
    if version >= FIRST_WITH_KEYS {
        let keys = request.coordinator_keys.iter();
        return FindCoordinatorResponse {
            coordinators: keys.map(find).collect(),
            ..FindCoordinatorResponse::default()
        };
    }
    let found = find(&request.key);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: if found.error_code.is_error() {
            found.error_message
        } else {
            // Before version 4 the message says NONE where there is no error.
            Some(Str::from_static("NONE"))
        },
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

fn check_type(key_type: i8, version: i16) -> Result<(), Refusal> {
    match key_type {
        key_type::GROUP => Ok(()),
        // The only error after which every client gives up, instead of asking again for ever.
        key_type::TRANSACTION => Err(Refusal {
            code: ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            message: "This broker does not serve transactions yet.",
        }),
        key_type::SHARE if version >= FIRST_WITH_SHARE => Err(Refusal {
            code: ErrorCode::UNSUPPORTED_VERSION,
            message: "This broker does not serve share groups yet.",
        }),
        _ => Err(ErrorCode::INVALID_REQUEST.into()),
    }
}

fn coordinator(
    api: &Api,
    image: &MetadataImage,
    context: &RequestContext,
    key: &Str,
) -> Coordinator {
    match leader(api, image, context, key) {
        Some((id, endpoint)) => Coordinator {
            key: key.clone(),
            node_id: id.0,
            host: Str::copy_from(&endpoint.host),
            port: i32::from(endpoint.port),
            error_message: Some(Str::EMPTY),
            ..Coordinator::default()
        },
        None => refused(key, &ErrorCode::COORDINATOR_NOT_AVAILABLE.into()),
    }
}

fn leader<'a>(
    api: &Api,
    image: &'a MetadataImage,
    context: &RequestContext,
    key: &str,
) -> Option<(BrokerId, &'a Endpoint)> {
    let topic = image.topics().by_name(OFFSETS_TOPIC)?;
    let index = api.groups().partition_of(key);
    let leader = topic.partition(index)?.leader;
    if leader == api.node_id() && !api.groups().serves(index) {
        return None;
    }
    Some((leader, nodes::endpoint(image, leader, context.listener())?))
}

fn refused(key: &Str, refusal: &Refusal) -> Coordinator {
    Coordinator {
        key: key.clone(),
        node_id: BrokerId::NONE.0,
        port: -1,
        error_code: refusal.code,
        error_message: Some(Str::from_static(refusal.message)),
        ..Coordinator::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_are_not_served_get_errors_that_are_not_retried() {
        for (key_type, version) in [(1, 1), (1, 6), (2, 5), (2, 6), (3, 6), (-1, 6)] {
            let refusal = check_type(key_type, version).err().unwrap();

            assert!(!refusal.code.is_retriable(), "type {key_type}");
        }
        assert!(check_type(0, 0).is_ok());
    }
}
