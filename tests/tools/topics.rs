//! `kafka-topics.sh`.

use crate::call::{Call, TOPICS, compare};

const fn on(arguments: &'static str) -> Call {
    TOPICS.call(arguments)
}

#[test]
fn good_calls_print_what_kafkas_tool_prints() {
    compare(
        &[
            on("{on} --create --topic {t} --partitions 3"),
            on("{on} --create --topic {t} --if-not-exists"),
            on(
                "{on} --create --topic {t}.dotted --config retention.ms=1000 --config cleanup.policy=compact",
            ),
            on("{on} --create --topic {t}-assigned --replica-assignment 1,1"),
            on("{on} --describe --topic {t}"),
            on("{on} --describe --topic {t}.dotted"),
            on("{on} --describe --topic {t}.* --topics-with-overrides").in_any_order(),
            on("{on} --describe --topic {t}-assigned --partition-size-limit-per-response 1"),
            on("{on} --describe --topic {t} --at-min-isr-partitions"),
            on("{on} --describe --topic {t} --under-min-isr-partitions"),
            on("{on} --describe --topic {t} --under-replicated-partitions"),
            on("{on} --describe --topic {t} --unavailable-partitions"),
            on("{on} --list --topic {t}.*"),
            on("{on} --list --topic nobody-has-this"),
            on("{on} --alter --topic {t} --partitions 4"),
            on("{on} --alter --topic missing --partitions 4 --if-exists"),
            on("{on} --describe --topic {t}"),
            on("{on} --describe --topic missing --if-exists"),
            on("{on} --delete --topic {t}.*"),
            on("{on} --delete --topic missing --if-exists"),
            on("{on} --list --exclude-internal --topic {t}.*"),
        ],
        160,
    );
}

#[test]
fn bad_calls_fail_as_with_kafkas_tool() {
    compare(
        &[
            on("{on} --create --topic {t}"),
            on("{on} --create --topic {t}"),
            on("{on} --create --topic {t}-x --replication-factor 3"),
            on("{on} --create --topic {t}-x --replication-factor 0"),
            on("{on} --create --topic {t}-x --partitions 0"),
            on("{on} --create --topic not/good"),
            on("{on} --create --topic {t}-x --config retention.ms"),
            on("{on} --create --topic {t}-x --replica-assignment 1:1"),
            on("{on} --create --topic {t}-x --replica-assignment 9"),
            on("{on} --alter --topic {t} --partitions 1"),
            on("{on} --alter --topic missing --partitions 4"),
            on("{on} --describe --topic missing"),
            on("{on} --describe --topic-id AAAAAAAAQACAAAAAAAAAAw"),
            on("{on} --delete --topic missing"),
            on("{on} --list --describe").told(),
            on("{on}").told(),
            on("--list").told(),
            on("{on} --create").told(),
            on("{on} --alter --topic {t}").told(),
            on("{on} --list --partitions 3").told(),
            on("{on} --list --if-exists").told(),
            on("{on} --delete --topic {t} --if-not-exists").told(),
            on("{on} --create --topic {t} --replica-assignment 1 --partitions 1").told(),
            on("{on} --alter --topic {t} --partitions 2 --config a=b"),
            on("{on} --describe --under-replicated-partitions --topics-with-overrides").told(),
            on("{on} --describe --if-exists").told(),
            on("{on} --no-such-option"),
        ],
        162,
    );
}
