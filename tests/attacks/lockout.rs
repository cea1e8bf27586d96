//! Values of configs and quotas that could lock everybody out: each is refused, or an admin can still
//! connect and take it back.

use std::time::{Duration, Instant};

use broker::config::keys::broker_keys;
use broker::config::{Kind, load};
use broker::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::{ErrorCode, Str};

use crate::victim::Victim;
use crate::wire::Wire;

/// How long an admin may need to take a value back.
const SOON: Duration = Duration::from_secs(15);

/// Values that are allowed by their kind and extreme: their rules refuse some.
fn extremes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Boolean => &["true", "false"],
        Kind::Short => &["-1", "0", "1", "-32768", "32767"],
        Kind::Int => &["-1", "0", "1", "-2147483648", "2147483647"],
        Kind::Long => &[
            "-1",
            "0",
            "1",
            "-9223372036854775808",
            "9223372036854775807",
        ],
        Kind::Double => &["-1", "0", "1e-300", "1", "1e300"],
        Kind::String | Kind::List | Kind::Class | Kind::Password => &["", "x", "*", "127.0.0.1:0"],
    }
}

/// Sets a config of the broker, or of all brokers; deletes it if there is no value.
fn alter(wire: &mut Wire, broker: &'static str, key: &str, value: Option<&str>) -> ErrorCode {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 4,
            resource_name: Str::from_static(broker),
            configs: vec![AlterableConfig {
                name: Str::copy_from(key),
                config_operation: i8::from(value.is_none()),
                value: value.map(Str::copy_from),
            }],
        }],
        validate_only: false,
    };
    wire.call(&request, 1).responses[0].error_code
}

/// Deletes a config, or gives it a mild value if a cluster cannot be without it (KIP-966).
fn take_back(wire: &mut Wire, broker: &'static str, key: &str) -> ErrorCode {
    let code = alter(wire, broker, key, None);
    if code.is_error() && key == "min.insync.replicas" {
        return alter(wire, broker, key, Some("1"));
    }
    code
}

/// Has an admin who connects just now do something: what is answered.
fn newcomer(victim: &Victim, what: &str, act: impl Fn(&mut Wire) -> ErrorCode) -> ErrorCode {
    let begin = Instant::now();
    let mut wire = Wire::from([127, 0, 0, 9], victim.address()).expect("the system accepts");
    wire.socket.set_read_timeout(Some(SOON)).expect("not zero");
    let code = act(&mut wire);
    let took = begin.elapsed();
    if took > Duration::from_millis(200) {
        println!("{what}: taken back after {took:?}");
    }
    code
}

#[test]
fn no_value_that_is_taken_while_the_broker_runs_keeps_an_admin_from_taking_it_back() {
    let victim = Victim::start_with(&[]);
    let of_listener = [
        ("listener.name.plaintext.max.connections", Kind::Int),
        (
            "listener.name.plaintext.max.connection.creation.rate",
            Kind::Int,
        ),
        ("listener.name.controller.max.connections", Kind::Int),
        (
            "listener.name.controller.max.connection.creation.rate",
            Kind::Int,
        ),
    ];
    let keys = broker_keys().map(|key| (key.name, key.kind));
    let mut wire = Wire::connect(victim.address());
    let mut taken = 0;
    for (key, kind) in keys.chain(of_listener) {
        for value in extremes(kind) {
            for broker in ["", "1"] {
                if alter(&mut wire, broker, key, Some(value)).is_error() {
                    continue;
                }
                taken += 1;
                let what = format!("{key} = {value} of {broker:?}");
                let code = newcomer(&victim, &what, |admin| take_back(admin, broker, key));
                // As in Kafka, the number of threads changes by no more than a factor of two.
                assert!(
                    !code.is_error() || key.starts_with("num."),
                    "{what}: {code}"
                );
            }
        }
    }
    println!("{taken} values were taken");
    assert!(taken > 100, "{taken}");
}

/// Who may be given a quota: the type of each part, and its name.
type Entity = &'static [(&'static str, Option<&'static str>)];

fn set_quota(wire: &mut Wire, entity: Entity, key: &'static str, value: Option<f64>) -> ErrorCode {
    let parts = entity.iter().map(|(kind, name)| EntityData {
        entity_type: Str::from_static(kind),
        entity_name: name.map(Str::from_static),
    });
    let request = AlterClientQuotasRequest {
        entries: vec![RequestEntryData {
            entity: parts.collect(),
            ops: vec![OpData {
                key: Str::from_static(key),
                value: value.unwrap_or(0.0),
                remove: value.is_none(),
            }],
        }],
        validate_only: false,
    };
    wire.call(&request, 1).entries[0].error_code
}

#[test]
fn no_quota_keeps_an_admin_from_taking_it_back() {
    let victim = Victim::start_with(&[]);
    let entities: [Entity; 6] = [
        &[("ip", None)],
        &[("ip", Some("127.0.0.9"))],
        &[("user", None)],
        &[("client-id", None)],
        &[("user", Some("ANONYMOUS"))],
        &[("user", None), ("client-id", None)],
    ];
    let keys = [
        "connection_creation_rate",
        "producer_byte_rate",
        "consumer_byte_rate",
        "request_percentage",
        "controller_mutation_rate",
    ];
    let mut taken = 0;
    for entity in entities {
        for key in keys {
            for value in [0.0, 1e-300, 1e-3, 1.0, 2_147_483_647.0, 1e300] {
                let what = format!("{key} = {value} of {entity:?}");
                let mut first = Wire::connect(victim.address());
                if set_quota(&mut first, entity, key, Some(value)).is_error() {
                    continue;
                }
                taken += 1;
                let code = newcomer(&victim, &what, |admin| set_quota(admin, entity, key, None));
                assert_eq!(code, ErrorCode::NONE, "{what}");
            }
        }
    }
    println!("{taken} quotas were taken");
}

/// Settings of as many keys at an extreme as go together: what is refused is left out.
fn extreme_settings(place: usize) -> Vec<(&'static str, &'static str)> {
    // Where to listen and to write is the test's to say.
    let of_test = |name: &str| name.contains("listener") || name.contains("log.dir");
    let keys = broker_keys().filter(|key| !of_test(key.name));
    let mut settings: Vec<_> = keys
        .filter_map(|key| Some((key, *extremes(key.kind).get(place)?)))
        .filter(|(key, value)| key.parse(value).is_ok())
        .map(|(key, value)| (key.name, value))
        .collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("broker.toml");
    loop {
        let lines = settings
            .iter()
            .map(|(key, value)| format!("{key:?} = {value:?}\n"));
        std::fs::write(&path, lines.collect::<String>()).expect("the file can be written");
        let Err(refused) = load(Some(&path), []) else {
            return settings;
        };
        let (refused, before) = (refused.to_string(), settings.len());
        settings.retain(|(key, _)| !refused.contains(key));
        assert!(settings.len() < before, "{refused}");
    }
}

#[test]
fn no_value_that_is_taken_from_the_file_keeps_an_admin_out() {
    for place in 0..5 {
        let settings = extreme_settings(place);
        println!("{} settings", settings.len());
        let victim = Victim::start_with(&settings);
        let code = newcomer(&victim, "extremes in the file", |admin| {
            alter(admin, "", "log.retention.ms", Some("86400000"))
        });
        assert_eq!(code, ErrorCode::NONE);
    }
}
