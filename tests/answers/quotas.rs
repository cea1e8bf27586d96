//! AlterClientQuotas and DescribeClientQuotas. In the end no quota is left: they would slow the rest.

use broker::protocol::Str;
use broker::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use broker::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest,
};

use super::pair::Pair;

/// Parts of an entity: what they are of, and whose; `None` for the default.
type Entity = [(&'static str, Option<&'static str>)];

const USER: &str = "user";
const CLIENT: &str = "client-id";
const IP: &str = "ip";
const RATE: &str = "producer_byte_rate";

/// How a component matches.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

const KEPT: [&Entity; 7] = [
    &[(USER, Some("alice"))],
    &[(USER, None)],
    &[(USER, Some("alice")), (CLIENT, Some("reader"))],
    &[(USER, Some("alice")), (CLIENT, None)],
    &[(USER, Some("bob")), (CLIENT, Some("reader"))],
    &[(CLIENT, Some("reader"))],
    &[(CLIENT, None)],
];

pub fn compare(pair: &mut Pair) {
    refusals(pair);
    for entity in KEPT {
        pair.compare_all(&format!("a quota of {entity:?}"), |_| {
            alter(
                entity,
                &[(RATE, 1e9, false), ("request_percentage", 1e6, false)],
            )
        });
    }
    for ip in ["10.0.0.1", "::1", "localhost"] {
        pair.compare_all(&format!("a quota of the address {ip}"), |_| {
            alter(
                &[(IP, Some(ip))],
                &[("connection_creation_rate", 1e6, false)],
            )
        });
    }
    pair.compare_all("a quota of all addresses", |_| {
        alter(&[(IP, None)], &[("connection_creation_rate", 1e6, false)])
    });
    describes(pair);
    removals(pair);
    describes(pair);
}

fn alter(entity: &Entity, ops: &[(&'static str, f64, bool)]) -> AlterClientQuotasRequest {
    AlterClientQuotasRequest {
        entries: vec![entry(entity, ops)],
        validate_only: false,
    }
}

fn entry(entity: &Entity, ops: &[(&'static str, f64, bool)]) -> RequestEntryData {
    RequestEntryData {
        entity: entity
            .iter()
            .map(|(kind, name)| EntityData {
                entity_type: Str::from_static(kind),
                entity_name: name.map(Str::from_static),
            })
            .collect(),
        ops: ops
            .iter()
            .map(|(key, value, remove)| OpData {
                key: Str::from_static(key),
                value: *value,
                remove: *remove,
            })
            .collect(),
    }
}

/// Alterations that are refused, or only tried.
fn refusals(pair: &mut Pair) {
    entities(pair);
    values(pair);
    several(pair);
}

fn entities(pair: &mut Pair) {
    let entities: [&Entity; 8] = [
        &[],
        &[("nonsense", Some("a"))],
        &[(USER, Some("a")), (USER, Some("b"))],
        &[(USER, Some("a")), (IP, Some("10.0.0.1"))],
        &[(USER, Some(""))],
        &[("", Some("a"))],
        &[(CLIENT, Some("a")), (USER, Some("a")), ("nonsense", None)],
        &[(IP, Some("no address"))],
    ];
    for entity in entities {
        for key in [RATE, "connection_creation_rate"] {
            pair.compare_all(&format!("{key} of {entity:?}"), |_| {
                AlterClientQuotasRequest {
                    validate_only: true,
                    ..alter(entity, &[(key, 1e9, false)])
                }
            });
        }
    }
}

fn values(pair: &mut Pair) {
    let keys = [
        RATE,
        "consumer_byte_rate",
        "request_percentage",
        "controller_mutation_rate",
        "connection_creation_rate",
        "nonsense",
        "",
    ];
    for key in keys {
        for value in [0.0, -1.0, 0.5, 1e18, 1e19, f64::NAN, f64::INFINITY] {
            for kind in [USER, IP] {
                let name = if kind == IP { "10.0.0.9" } else { "tried" };
                pair.compare_all(&format!("{key} = {value} of {kind}"), |_| {
                    AlterClientQuotasRequest {
                        validate_only: true,
                        ..alter(&[(kind, Some(name))], &[(key, value, false)])
                    }
                });
            }
        }
    }
}

/// Requests of none or several changes, and of changes that contradict each other.
fn several(pair: &mut Pair) {
    pair.compare_all("no entries", |_| AlterClientQuotasRequest::default());
    pair.compare_all("no changes", |_| alter(&[(USER, Some("tried"))], &[]));
    pair.compare_all("a key twice", |_| AlterClientQuotasRequest {
        validate_only: true,
        ..alter(
            &[(USER, Some("tried"))],
            &[(RATE, 1e9, false), (RATE, 2e9, false)],
        )
    });
    pair.compare_all("an entity twice", |_| AlterClientQuotasRequest {
        entries: [1e9, 2e9]
            .map(|rate| entry(&[(USER, Some("tried"))], &[(RATE, rate, false)]))
            .into(),
        validate_only: true,
    });
    pair.compare_all("a quota that is not there is removed", |_| {
        alter(
            &[(USER, Some("tried"))],
            &[(RATE, 0.0, true), ("nonsense", 0.0, true)],
        )
    });
    pair.compare_all("good ones among bad ones", |_| AlterClientQuotasRequest {
        entries: vec![
            entry(&[(USER, Some("tried"))], &[(RATE, 1e9, false)]),
            entry(&[("nonsense", Some("tried"))], &[(RATE, 1e9, false)]),
            entry(&[(USER, Some("tried-too"))], &[("nonsense", 1e9, false)]),
        ],
        validate_only: true,
    });
}

fn describes(pair: &mut Pair) {
    let filters: [&[(&'static str, i8, Option<&'static str>)]; 18] = [
        &[],
        &[(USER, EXACT, Some("alice"))],
        &[(USER, EXACT, Some("nobody"))],
        &[(USER, DEFAULT, None)],
        &[(USER, ANY, None)],
        &[(CLIENT, EXACT, Some("reader"))],
        &[(CLIENT, DEFAULT, None)],
        &[(CLIENT, ANY, None)],
        &[
            (USER, EXACT, Some("alice")),
            (CLIENT, EXACT, Some("reader")),
        ],
        &[(USER, ANY, None), (CLIENT, ANY, None)],
        &[(USER, ANY, None), (CLIENT, DEFAULT, None)],
        &[(IP, ANY, None)],
        &[(IP, ANY, None), (USER, ANY, None)],
        &[(USER, ANY, None), (USER, ANY, None)],
        &[("nonsense", ANY, None)],
        &[("", ANY, None)],
        &[(USER, EXACT, None)],
        &[(USER, 3, None)],
    ];
    for strict in [false, true] {
        for filter in filters {
            pair.compare_all(&format!("{filter:?}, strict: {strict}"), |_| {
                DescribeClientQuotasRequest {
                    components: filter
                        .iter()
                        .map(|(kind, match_type, value)| ComponentData {
                            entity_type: Str::from_static(kind),
                            match_type: *match_type,
                            match_value: value.map(Str::from_static),
                        })
                        .collect(),
                    strict,
                }
            });
        }
    }
    for (match_type, value) in [(DEFAULT, Some("alice")), (ANY, Some("alice")), (-1, None)] {
        pair.compare_all(
            &format!("a match of type {match_type} with {value:?}"),
            |_| DescribeClientQuotasRequest {
                components: vec![ComponentData {
                    entity_type: Str::from_static(USER),
                    match_type,
                    match_value: value.map(Str::from_static),
                }],
                strict: false,
            },
        );
    }
}

fn removals(pair: &mut Pair) {
    for entity in KEPT {
        pair.compare_all(&format!("no more quotas of {entity:?}"), |_| {
            alter(
                entity,
                &[(RATE, 0.0, true), ("request_percentage", 0.0, true)],
            )
        });
    }
    for ip in [Some("10.0.0.1"), Some("::1"), Some("localhost"), None] {
        pair.compare_all(&format!("no more quotas of the address {ip:?}"), |_| {
            alter(&[(IP, ip)], &[("connection_creation_rate", 0.0, true)])
        });
    }
}
