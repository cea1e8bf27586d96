//! What AlterConfigs may do to a broker.

use broker::config::{AlteredBroker, Layers, check_broker_alteration};

use crate::settings;

fn check(pairs: &[(&str, &str)], whose: AlteredBroker) -> Result<(), String> {
    let in_file = settings(&[("log.cleaner.max.compaction.lag.ms", "1000")]);
    check_broker_alteration(&settings(pairs), whose, &Layers::of(&in_file))
        .map_err(|invalid| invalid.to_string())
}

#[test]
fn dynamic_keys_can_be_changed_for_one_broker_or_for_all() {
    for whose in [AlteredBroker::This, AlteredBroker::All] {
        assert_eq!(
            check(
                &[("log.retention.ms", "5"), ("max.connections", "9")],
                whose
            ),
            Ok(())
        );
        assert_eq!(check(&[("a.plug.ins.key", "x")], whose), Ok(()));
        assert_eq!(
            check(&[("leader.replication.throttled.rate", "1")], whose),
            Ok(())
        );
    }
}

#[test]
fn keys_that_need_a_restart_are_refused_together() {
    let error = check(&[("node.id", "2"), ("log.dirs", "/x")], AlteredBroker::This).unwrap_err();

    assert_eq!(
        error,
        "Cannot update these configs dynamically: [log.dirs, node.id]"
    );
}

#[test]
fn keys_of_one_broker_are_refused_for_all() {
    let pairs = [
        ("listener.name.in.ssl.cipher.suites", "x"),
        ("listeners", "PLAINTEXT://:1"),
    ];

    let error = check(&pairs, AlteredBroker::All).unwrap_err();

    assert_eq!(
        error,
        "Cannot update these configs at default cluster level, broker id must be specified: \
         [listener.name.in.ssl.cipher.suites, listeners]"
    );
    assert!(
        check(
            &[("listener.name.in.max.connections", "5")],
            AlteredBroker::All
        )
        .is_ok()
    );
}

#[test]
fn key_stores_are_changed_for_one_listener_only() {
    let pair = |name| [(name, "/x")];

    let error = check(&pair("ssl.keystore.location"), AlteredBroker::This).unwrap_err();
    assert!(
        error.ends_with("using the listener prefix: [ssl.keystore.location]"),
        "{error}"
    );
    let of_listener = pair("listener.name.in.ssl.keystore.location");
    assert_eq!(check(&of_listener, AlteredBroker::This), Ok(()));
}

#[test]
fn numbers_of_threads_change_by_half_or_to_double_at_most() {
    let in_file = settings(&[("num.io.threads", "9"), ("log.cleaner.threads", "4")]);
    let check = |name, value| {
        let after = settings(&[(name, value)]);
        check_broker_alteration(&after, AlteredBroker::This, &Layers::of(&in_file))
            .map_err(|invalid| invalid.to_string())
    };
    for (name, allowed) in [
        ("num.io.threads", ["4", "9", "18"]),
        ("log.cleaner.threads", ["2", "4", "8"]),
    ] {
        assert!(allowed.iter().all(|value| check(name, value) == Ok(())));
    }
    let refused = |reason: &str| {
        Err(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {reason} for \
             configuration Invalid dynamic configuration"
        ))
    };
    for (name, value, reason) in [
        (
            "num.io.threads",
            "3",
            "Dynamic thread count update validation failed for num.io.threads=3, value should be \
             at least half the current value 9",
        ),
        (
            "num.network.threads",
            "7",
            "Dynamic thread count update validation failed for num.network.threads=7, value \
             should not be greater than double the current value 3",
        ),
        (
            "log.cleaner.threads",
            "0",
            "Log cleaner threads should be at least 1",
        ),
        (
            "log.cleaner.threads",
            "1",
            "Log cleaner threads cannot be reduced to less than half the current value 4",
        ),
        (
            "log.cleaner.threads",
            "9",
            "Log cleaner threads cannot be increased to more than double the current value 4",
        ),
    ] {
        assert_eq!(check(name, value), refused(reason));
    }
}

#[test]
fn values_are_checked_alone_and_together() {
    let error = check(&[("log.segment.bytes", "1")], AlteredBroker::All).unwrap_err();
    assert_eq!(
        error,
        "Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576"
    );

    let error = check(
        &[("log.cleaner.min.compaction.lag.ms", "1001")],
        AlteredBroker::This,
    );
    assert!(
        error
            .unwrap_err()
            .contains("log.cleaner.max.compaction.lag.ms, 1000")
    );
}
