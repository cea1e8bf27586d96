//! Brokers as clients of one listener see them: only those that have an endpoint on it.

use super::Api;
use super::context::RequestContext;
use crate::metadata::image::{BrokerImage, Endpoint, MetadataImage, PartitionImage};
use crate::model::{BrokerId, DirectoryId};
use crate::protocol::Str;

/// The endpoint of broker `id` on the listener named `listener`, if it has one; fenced or not.
pub fn endpoint<'a>(
    image: &'a MetadataImage,
    id: BrokerId,
    listener: &str,
) -> Option<&'a Endpoint> {
    image.brokers().get(id)?.endpoint(listener)
}

/// The brokers that clients of `listener` can be sent to: not fenced, with an endpoint there.
pub fn alive<'a>(
    image: &'a MetadataImage,
    listener: &'a str,
) -> impl Iterator<Item = (&'a BrokerImage, &'a Endpoint)> {
    image
        .brokers()
        .iter()
        .filter(|broker| !broker.fenced)
        .filter_map(move |broker| Some((&**broker, broker.endpoint(listener)?)))
}

/// The broker that clients are told is the controller: any live one will do, because brokers pass on what
/// is for the controller (KIP-590). This broker is preferred, as it saves a hop.
pub fn controller_for_clients(
    api: &Api,
    image: &MetadataImage,
    context: &RequestContext,
) -> BrokerId {
    let own = api.node_id();
    let mut others = alive(image, context.listener()).map(|(broker, _)| broker.id);
    if image
        .brokers()
        .get(own)
        .is_some_and(|broker| !broker.fenced)
    {
        return own;
    }
    others.next().unwrap_or(BrokerId::NONE)
}

/// The replicas among `replicas` that clients of `listener` can reach.
pub fn reachable(image: &MetadataImage, replicas: &[BrokerId], listener: &str) -> Vec<i32> {
    let is_reachable = |id: &BrokerId| {
        image
            .brokers()
            .get(*id)
            .is_some_and(|broker| !broker.fenced && broker.endpoint(listener).is_some())
    };
    replicas
        .iter()
        .copied()
        .filter(is_reachable)
        .map(|id| id.0)
        .collect()
}

/// The replicas of `partition` that are offline for clients of `listener`: the broker is unknown,
/// fenced, has no such listener, or has lost the replica's directory.
pub fn offline(image: &MetadataImage, partition: &PartitionImage, listener: &str) -> Vec<i32> {
    let is_there = |id: BrokerId| {
        image.brokers().get(id).is_some_and(|broker| {
            let directory = partition.directory_of(id);
            !broker.fenced
                && broker.endpoint(listener).is_some()
                && directory.is_none_or(|directory| is_online(broker, directory))
        })
    };
    partition
        .replicas
        .iter()
        .copied()
        .filter(|id| !is_there(*id))
        .map(|id| id.0)
        .collect()
}

/// Whether `broker` has the directory online, as far as is known. A directory that is not assigned yet
/// counts as online, and so does any if the broker has told of none (KIP-858).
fn is_online(broker: &BrokerImage, directory: DirectoryId) -> bool {
    match directory {
        DirectoryId::LOST_DIRECTORY => false,
        DirectoryId::ZERO | DirectoryId::UNASSIGNED_DIRECTORY => true,
        _ => broker.directories.is_empty() || broker.directories.contains(&directory),
    }
}

/// The endpoints of `leaders` on `listener`, each once. `endpoint` makes the answer's own type of an id, a
/// host, a port and a rack.
pub fn leader_endpoints<E>(
    image: &MetadataImage,
    mut leaders: Vec<BrokerId>,
    listener: &str,
    endpoint: impl Fn(i32, Str, i32, Option<Str>) -> E,
) -> Vec<E> {
    leaders.sort_unstable();
    leaders.dedup();
    let found = leaders.into_iter().filter_map(|leader| {
        let broker = image.brokers().get(leader)?;
        let at = broker.endpoint(listener)?;
        let rack = broker.rack.as_deref().map(Str::copy_from);
        let (host, port) = (Str::copy_from(&at.host), i32::from(at.port));
        Some(endpoint(leader.0, host, port, rack))
    });
    found.collect()
}

/// Ids as the protocol carries them.
pub fn raw(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}
