//! Which limit holds for a client, of all that are set: Kafka's precedence, from the most to the
//! least specific.
//!
//! A limit is set for a user, a client id, or both, each by name or as the default of those
//! without a name of their own. It is shared: clients that it holds for count together unless
//! both user and client id tell them apart.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of an entity's part that names a user.
pub const USER: &str = "user";
/// The type of an entity's part that names a client id.
pub const CLIENT_ID: &str = "client-id";
/// The type of an entity's part that names an address.
pub const IP: &str = "ip";
/// The key of the quota for an address: connections that it may open in a second.
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    /// Bytes of Produce requests, per second.
    Produce,
    /// Bytes of answers to Fetch, per second.
    Fetch,
    /// Time of request threads, in percent of one CPU.
    Request,
    /// Partitions created and deleted, per second.
    ControllerMutation,
}

/// A part of an entity: its type, and its name or none for the default.
type Part = (Arc<str>, Option<Arc<str>>);

/// The limits of one kind of quota.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    users: BTreeMap<Arc<str>, OfClients>,
    default_user: OfClients,
    /// Limits that name no user: they hold for a client id, whoever its user is.
    no_user: OfClients,
}

/// The limits of a user's clients, and of the user as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
struct OfClients {
    clients: BTreeMap<Arc<str>, f64>,
    default_client: Option<f64>,
    whole: Option<f64>,
}

/// A limit that holds for a client, and the user and client id under which its use is counted. An empty
/// text stands for all users, or for all client ids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found<'a> {
    pub(super) limit: f64,
    pub(super) user: &'a str,
    pub(super) client_id: &'a str,
}

impl QuotaKind {
    /// All kinds, in the order of their numbers as an index.
    pub const ALL: [Self; 4] = [
        Self::Produce,
        Self::Fetch,
        Self::Request,
        Self::ControllerMutation,
    ];

    /// The quota's key in Kafka's metadata.
    pub fn key(self) -> &'static str {
        match self {
            Self::Produce => "producer_byte_rate",
            Self::Fetch => "consumer_byte_rate",
            Self::Request => "request_percentage",
            Self::ControllerMutation => "controller_mutation_rate",
        }
    }
}

impl Limits {
    /// The limits among these quotas (entity, key, value) that have the key `key`.
    pub fn of<'a>(
        quotas: impl IntoIterator<Item = (&'a Vec<Part>, &'a str, f64)>,
        key: &str,
    ) -> Self {
        let mut limits = Self::default();
        for (entity, own_key, limit) in quotas {
            if own_key == key {
                limits.set(entity, limit);
            }
        }
        limits
    }

    fn set(&mut self, entity: &[Part], limit: f64) {
        let part = |kind: &str| entity.iter().find(|(own, _)| **own == *kind);
        let of_clients = match part(USER) {
            Some((_, Some(user))) => self.users.entry(Arc::clone(user)).or_default(),
            Some((_, None)) => &mut self.default_user,
            None => &mut self.no_user,
        };
        match part(CLIENT_ID) {
            Some((_, Some(client))) => {
                of_clients.clients.insert(Arc::clone(client), limit);
            }
            Some((_, None)) => of_clients.default_client = Some(limit),
            None => of_clients.whole = Some(limit),
        }
    }

    /// Whether no limit is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limit that holds for a client; `None` if it is not limited.
    pub(super) fn find<'a>(&self, user: &'a str, client_id: &'a str) -> Option<Found<'a>> {
        let found = |limit, user, client_id| Found {
            limit,
            user,
            client_id,
        };
        let of_user = [self.users.get(user), Some(&self.default_user)];
        for of_clients in of_user.into_iter().flatten() {
            if let Some(limit) = of_clients.of(client_id) {
                return Some(found(limit, user, client_id));
            }
            if let Some(limit) = of_clients.whole {
                return Some(found(limit, user, ""));
            }
        }
        let limit = self.no_user.of(client_id)?;
        Some(found(limit, "", client_id))
    }
}

impl OfClients {
    /// Kafka gives clients without an id no default limit either.
    fn of(&self, client_id: &str) -> Option<f64> {
        if client_id.is_empty() {
            return None;
        }
        self.clients.get(client_id).copied().or(self.default_client)
    }
}

/// Picks the quotas of addresses: rates by address or host name, and the default rate of all others.
pub fn connection_rates<'a>(
    quotas: impl IntoIterator<Item = (&'a Vec<Part>, &'a str, f64)>,
) -> (BTreeMap<Arc<str>, f64>, Option<f64>) {
    let mut named = BTreeMap::new();
    let mut default = None;
    for (entity, key, rate) in quotas {
        match &entity[..] {
            [(kind, name)] if **kind == *IP && key == CONNECTION_CREATION_RATE => match name {
                Some(name) => drop(named.insert(Arc::clone(name), rate)),
                None => default = Some(rate),
            },
            _ => {}
        }
    }
    (named, default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: Option<&str>, client: Option<&str>) -> Vec<Part> {
        let part = |kind: &str, name: &str| {
            let name = (name != "<default>").then(|| Arc::from(name));
            (Arc::from(kind), name)
        };
        let client = client.map(|name| part(CLIENT_ID, name));
        let user = user.map(|name| part(USER, name));
        client.into_iter().chain(user).collect()
    }

    #[test]
    fn the_most_specific_limit_holds() {
        let default = "<default>";
        let by_rank = [
            entity(Some("u"), Some("c")),
            entity(Some("u"), Some(default)),
            entity(Some("u"), None),
            entity(Some(default), Some("c")),
            entity(Some(default), Some(default)),
            entity(Some(default), None),
            entity(None, Some("c")),
            entity(None, Some(default)),
        ];
        let shares = [
            ("u", "c"),
            ("u", "c"),
            ("u", ""),
            ("u", "c"),
            ("u", "c"),
            ("u", ""),
            ("", "c"),
            ("", "c"),
        ];
        for (rank, share) in shares.into_iter().enumerate() {
            let weaker = by_rank.iter().zip(1..).skip(rank);
            let quotas = weaker.map(|(entity, limit)| (entity, "k", f64::from(limit)));
            let found = Limits::of(quotas, "k").find("u", "c").unwrap();

            assert_eq!(found.limit, rank as f64 + 1.0);
            assert_eq!((found.user, found.client_id), share);
        }
    }

    #[test]
    fn a_limit_of_others_does_not_hold() {
        let (of_user, of_client) = (entity(Some("v"), None), entity(None, Some("d")));
        let quotas = [(&of_user, "k", 1.0), (&of_client, "k", 2.0)];

        assert_eq!(Limits::of(quotas, "k").find("u", "c"), None);
        assert!(Limits::of(quotas, "other").is_empty());
    }

    #[test]
    fn a_client_without_an_id_has_the_limits_of_its_user_only() {
        let (user, client) = (
            entity(Some("u"), None),
            entity(Some("u"), Some("<default>")),
        );
        let limits = Limits::of([(&user, "k", 1.0), (&client, "k", 2.0)], "k");

        assert_eq!(limits.find("u", "").unwrap().limit, 1.0);
        assert_eq!(limits.find("u", "c").unwrap().limit, 2.0);
    }

    #[test]
    fn rates_of_connections_are_those_of_addresses() {
        let ip = |name: Option<&str>| vec![(Arc::from(IP), name.map(Arc::from))];
        let (named, default) = (ip(Some("10.0.0.1")), ip(None));
        let user = entity(Some("u"), None);
        let key = CONNECTION_CREATION_RATE;

        let (rates, of_others) =
            connection_rates([(&named, key, 5.0), (&default, key, 9.0), (&user, key, 1.0)]);

        assert_eq!(rates, BTreeMap::from([(Arc::from("10.0.0.1"), 5.0)]));
        assert_eq!(of_others, Some(9.0));
    }
}
