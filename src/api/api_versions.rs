//! ApiVersions (key 18), versions 0-5: what this broker serves, on the listener that is asked.
//!
//! Version 3 adds the client's name and version, 4 shows features whose lowest level is 0, 5 lets the
//! client say which cluster and node it means to talk to (KIP-1242). A version that is not served is
//! answered in version 0, so that any client can read the refusal (see [`unsupported`]).

use super::Api;
use super::context::RequestContext;
use super::route::{ListenerKind, Route};
use crate::metadata::image::SUPPORTED_FEATURES;
use crate::model::BrokerId;
use crate::network::ClientSoftware;
use crate::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use crate::protocol::{ApiKey, ErrorCode, Str};

/// The first version that carries the client's software name and version.
const FIRST_WITH_SOFTWARE: i16 = 3;
/// The first version whose clients understand a feature that may be at level 0.
const FIRST_WITH_LEVEL_0: i16 = 4;
/// The first version in which the client says whom it means to talk to.
const FIRST_WITH_TARGET: i16 = 5;

/// Answers with the routes of the listener, and the features.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &ApiVersionsRequest,
) -> ApiVersionsResponse {
    if context.version() >= FIRST_WITH_SOFTWARE {
        if !is_software_text(&request.client_software_name)
            || !is_software_text(&request.client_software_version)
        {
            return refused(ErrorCode::INVALID_REQUEST);
        }
        context.connection.set_software(ClientSoftware {
            name: request.client_software_name.to_string(),
            version: request.client_software_version.to_string(),
        });
    }
    if context.version() >= FIRST_WITH_TARGET {
        match Target::of(request) {
            Target::Incomplete => return refused(ErrorCode::INVALID_REQUEST),
            Target::Node(cluster, node) if !is_this_node(api, cluster, node) => {
                return refused(ErrorCode::REBOOTSTRAP_REQUIRED);
            }
            Target::Any | Target::Node(..) => {}
        }
    }
    served(api, api.listener_kind(context), context.version())
}

/// The answer to a version that is not served, in version 0: the error, and the range of
/// ApiVersions itself, from which the client picks its next try.
pub fn unsupported() -> ApiVersionsResponse {
    let range = ApiKey::ApiVersions.valid_versions();
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![ApiVersion {
            api_key: ApiKey::ApiVersions as i16,
            min_version: *range.start(),
            max_version: *range.end(),
        }],
        ..ApiVersionsResponse::default()
    }
}

fn refused(error_code: ErrorCode) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code,
        ..ApiVersionsResponse::default()
    }
}

/// Whom the client means to talk to (KIP-1242).
#[derive(Debug, PartialEq)]
enum Target<'a> {
    /// The client names nobody.
    Any,
    /// The client means the node of this id in the cluster of this id.
    Node(&'a str, BrokerId),
    /// The client names a cluster without a node or a node without a cluster, which Kafka refuses.
    Incomplete,
}

impl<'a> Target<'a> {
    fn of(request: &'a ApiVersionsRequest) -> Self {
        let node = BrokerId(request.node_id);
        match (request.cluster_id.as_deref(), node) {
            (None, BrokerId::NONE) => Self::Any,
            (Some(_), BrokerId::NONE) | (None, _) => Self::Incomplete,
            (Some(cluster), node) => Self::Node(cluster, node),
        }
    }
}

fn is_this_node(api: &Api, cluster: &str, node: BrokerId) -> bool {
    *cluster == **api.cluster_id_text() && node == api.node_id()
}

fn served(api: &Api, listener: ListenerKind, version: i16) -> ApiVersionsResponse {
    let image = api.image();
    let api_keys = Route::all(listener)
        .map(|route| {
            let versions = route.advertised(listener);
            ApiVersion {
                api_key: route.key as i16,
                min_version: *versions.start(),
                max_version: *versions.end(),
            }
        })
        .collect();
    let supported_features = SUPPORTED_FEATURES
        .iter()
        .filter(|(_, min, _)| *min > 0 || version >= FIRST_WITH_LEVEL_0)
        .map(|(name, min, max)| SupportedFeatureKey {
            name: Str::from_static(name),
            min_version: *min,
            max_version: *max,
        })
        .collect();
    let finalized_features = image
        .features()
        .iter()
        .filter(|(_, level)| *level > 0)
        .map(|(name, level)| FinalizedFeatureKey {
            name: Str::copy_from(name),
            max_version_level: level,
            min_version_level: level,
        })
        .collect();
    ApiVersionsResponse {
        api_keys,
        supported_features,
        finalized_features_epoch: image.provenance().offset.0,
        finalized_features,
        ..ApiVersionsResponse::default()
    }
}

/// Whether `text` is a software name or version: letters, digits, dots and dashes, and a letter or
/// digit at both ends (KIP-511).
fn is_software_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_with_its_node_or_not_at_all() {
        let request = |cluster_id: Option<&'static str>, node_id| ApiVersionsRequest {
            cluster_id: cluster_id.map(Str::from_static),
            node_id,
            ..ApiVersionsRequest::default()
        };
        assert_eq!(Target::of(&ApiVersionsRequest::default()), Target::Any);
        assert_eq!(
            Target::of(&request(Some("c"), 3)),
            Target::Node("c", BrokerId(3))
        );
        // Kafka takes any id but -1 for one.
        assert_eq!(
            Target::of(&request(Some("c"), -2)),
            Target::Node("c", BrokerId(-2))
        );
        for half in [request(Some("c"), -1), request(None, 3), request(None, -2)] {
            assert_eq!(Target::of(&half), Target::Incomplete);
        }
    }

    #[test]
    fn software_text_begins_and_ends_with_a_letter_or_digit() {
        for good in ["librdkafka", "apache-kafka-java", "4.4.0", "a"] {
            assert!(is_software_text(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a_b", "é", "."] {
            assert!(!is_software_text(bad), "{bad}");
        }
    }
}
