//! IncrementalAlterConfigs of subscriptions to clients' metrics.

use super::configs::{APPEND, SET, SUBTRACT, alter, ok, op, record, resource, world};
use crate::protocol::ErrorCode;

const CLIENT_METRICS: i8 = 16;

#[test]
fn a_subscription_to_metrics_is_set_without_anything_that_it_belongs_to() {
    let mut world = world();
    let set = |key, value| {
        let configs = vec![op(key, SET, Some(value))];
        vec![resource(CLIENT_METRICS, "sub", configs)]
    };

    let (records, outcomes) = alter(&mut world, set("interval.ms", "1000"));
    assert_eq!(outcomes, [ok()]);
    assert_eq!(
        records,
        [record(CLIENT_METRICS, "sub", "interval.ms", Some("1000"))]
    );
    let (_, outcomes) = alter(&mut world, set("interval", "1000"));
    assert_eq!(
        outcomes,
        [(
            ErrorCode::INVALID_REQUEST,
            "Unknown client metrics configuration: interval".to_owned()
        )]
    );
    let (_, outcomes) = alter(&mut world, set("match", "client_id"));
    assert_eq!(
        outcomes,
        [(
            ErrorCode::INVALID_CONFIG,
            "Illegal client matching pattern: client_id".to_owned()
        )]
    );
}

#[test]
fn patterns_are_added_to_a_subscription_and_taken_from_it() {
    let mut world = world();
    let mut change = |operation, value| {
        let configs = vec![op("match", operation, Some(value))];
        alter(&mut world, vec![resource(CLIENT_METRICS, "sub", configs)]).0
    };

    change(APPEND, "client_id=a");
    let added = change(APPEND, "client_software_name=b");
    let taken = change(SUBTRACT, "client_id=a");

    let of = |value| [record(CLIENT_METRICS, "sub", "match", Some(value))];
    assert_eq!(added, of("client_id=a,client_software_name=b"));
    assert_eq!(taken, of("client_software_name=b"));
}
