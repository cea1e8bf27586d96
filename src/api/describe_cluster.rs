//! DescribeCluster (key 60), versions 0-2: the brokers, or on a controller listener the controllers.
//!
//! Version 1 lets the client say which of both it wants to see (KIP-919), 2 shows fenced brokers too
//! (KIP-1073).

use super::context::RequestContext;
use super::route::ListenerKind;
use super::{Api, nodes, operations};
use crate::metadata::image::{BrokerImage, Endpoint, MetadataImage};
use crate::protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use crate::protocol::{ErrorCode, Str};

/// Kafka's numbers of the endpoint types.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers with the nodes of the kind that the listener serves.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let own_type = match api.listener_kind(context) {
        ListenerKind::Broker => BROKERS,
        ListenerKind::Controller => CONTROLLERS,
    };
    if request.endpoint_type != own_type {
        return mismatch(request.endpoint_type, own_type);
    }
    let image = api.image();
    let (controller_id, brokers) = match own_type {
        BROKERS => {
            let controller = nodes::controller_for_clients(api, &image, context);
            (
                controller,
                brokers(&image, context.listener(), request.include_fenced_brokers),
            )
        }
        _ => (
            api.active_controller(),
            controllers(&image, context.listener()),
        ),
    };
    DescribeClusterResponse {
        endpoint_type: own_type,
        cluster_id: api.cluster_id_text().clone(),
        controller_id: controller_id.0,
        brokers,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            operations::CLUSTER
        } else {
            operations::NOT_ASKED
        },
        ..DescribeClusterResponse::default()
    }
}

fn mismatch(asked: i8, own_type: i8) -> DescribeClusterResponse {
    let (error_code, message) = match asked {
        BROKERS | CONTROLLERS => (
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            format!(
                "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                type_name(own_type),
                type_name(asked),
            ),
        ),
        _ => (
            ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            format!("Unsupported endpoint type {asked}"),
        ),
    };
    DescribeClusterResponse {
        error_code,
        error_message: Some(Str::from(message)),
        endpoint_type: own_type,
        ..DescribeClusterResponse::default()
    }
}

fn type_name(endpoint_type: i8) -> &'static str {
    match endpoint_type {
        CONTROLLERS => "CONTROLLER",
        _ => "BROKER",
    }
}

fn brokers(image: &MetadataImage, listener: &str, fenced_too: bool) -> Vec<DescribeClusterBroker> {
    image
        .brokers()
        .iter()
        .filter(|broker| fenced_too || !broker.fenced)
        .filter_map(|broker| Some(node(broker, broker.endpoint(listener)?)))
        .collect()
}

fn node(broker: &BrokerImage, endpoint: &Endpoint) -> DescribeClusterBroker {
    DescribeClusterBroker {
        broker_id: broker.id.0,
        host: Str::copy_from(&endpoint.host),
        port: i32::from(endpoint.port),
        rack: broker.rack.as_deref().map(Str::copy_from),
        is_fenced: broker.fenced,
    }
}

fn controllers(image: &MetadataImage, listener: &str) -> Vec<DescribeClusterBroker> {
    image
        .controllers()
        .iter()
        .filter_map(|controller| {
            let endpoint = controller
                .endpoints
                .iter()
                .find(|e| &*e.listener == listener)?;
            Some(DescribeClusterBroker {
                broker_id: controller.id.0,
                host: Str::copy_from(&endpoint.host),
                port: i32::from(endpoint.port),
                ..DescribeClusterBroker::default()
            })
        })
        .collect()
}
