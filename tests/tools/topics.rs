//! `kafka-topics.sh`.

use crate::call::{Call, Tool, compare};

const TOPICS: Tool = Tool {
    name: "topics",
    class: "org.apache.kafka.tools.TopicCommand",
};
const B: &str = "--bootstrap-server";

const fn on(arguments: &'static [&'static str]) -> Call {
    TOPICS.call(arguments)
}

#[test]
fn good_calls_print_what_kafkas_tool_prints() {
    compare(
        &[
            on(&[B, "{b}", "--create", "--topic", "{t}", "--partitions", "3"]),
            on(&[B, "{b}", "--create", "--topic", "{t}", "--if-not-exists"]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}.dotted",
                "--config",
                "retention.ms=1000",
                "--config",
                "cleanup.policy=compact",
            ]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-assigned",
                "--replica-assignment",
                "1,1",
            ]),
            on(&[B, "{b}", "--describe", "--topic", "{t}"]),
            on(&[B, "{b}", "--describe", "--topic", "{t}.dotted"]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic",
                "{t}.*",
                "--topics-with-overrides",
            ])
            .in_any_order(),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic",
                "{t}-assigned",
                "--partition-size-limit-per-response",
                "1",
            ]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic",
                "{t}",
                "--at-min-isr-partitions",
            ]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic",
                "{t}",
                "--under-min-isr-partitions",
            ]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic",
                "{t}",
                "--under-replicated-partitions",
            ]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic",
                "{t}",
                "--unavailable-partitions",
            ]),
            on(&[B, "{b}", "--list", "--topic", "{t}.*"]),
            on(&[B, "{b}", "--list", "--topic", "nobody-has-this"]),
            on(&[B, "{b}", "--alter", "--topic", "{t}", "--partitions", "4"]),
            on(&[
                B,
                "{b}",
                "--alter",
                "--topic",
                "missing",
                "--partitions",
                "4",
                "--if-exists",
            ]),
            on(&[B, "{b}", "--describe", "--topic", "{t}"]),
            on(&[B, "{b}", "--describe", "--topic", "missing", "--if-exists"]),
            on(&[B, "{b}", "--delete", "--topic", "{t}.*"]),
            on(&[B, "{b}", "--delete", "--topic", "missing", "--if-exists"]),
            on(&[B, "{b}", "--list", "--exclude-internal", "--topic", "{t}.*"]),
        ],
        160,
    );
}

#[test]
fn bad_calls_fail_as_with_kafkas_tool() {
    compare(
        &[
            on(&[B, "{b}", "--create", "--topic", "{t}"]),
            on(&[B, "{b}", "--create", "--topic", "{t}"]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-x",
                "--replication-factor",
                "3",
            ]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-x",
                "--replication-factor",
                "0",
            ]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-x",
                "--partitions",
                "0",
            ]),
            on(&[B, "{b}", "--create", "--topic", "not/good"]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-x",
                "--config",
                "retention.ms",
            ]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-x",
                "--replica-assignment",
                "1:1",
            ]),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}-x",
                "--replica-assignment",
                "9",
            ]),
            on(&[B, "{b}", "--alter", "--topic", "{t}", "--partitions", "1"]),
            on(&[
                B,
                "{b}",
                "--alter",
                "--topic",
                "missing",
                "--partitions",
                "4",
            ]),
            on(&[B, "{b}", "--describe", "--topic", "missing"]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--topic-id",
                "AAAAAAAAQACAAAAAAAAAAw",
            ]),
            on(&[B, "{b}", "--delete", "--topic", "missing"]),
            on(&[B, "{b}", "--list", "--describe"]).told(),
            on(&[B, "{b}"]).told(),
            on(&["--list"]).told(),
            on(&[B, "{b}", "--create"]).told(),
            on(&[B, "{b}", "--alter", "--topic", "{t}"]).told(),
            on(&[B, "{b}", "--list", "--partitions", "3"]).told(),
            on(&[B, "{b}", "--list", "--if-exists"]).told(),
            on(&[B, "{b}", "--delete", "--topic", "{t}", "--if-not-exists"]).told(),
            on(&[
                B,
                "{b}",
                "--create",
                "--topic",
                "{t}",
                "--replica-assignment",
                "1",
                "--partitions",
                "1",
            ])
            .told(),
            on(&[
                B,
                "{b}",
                "--alter",
                "--topic",
                "{t}",
                "--partitions",
                "2",
                "--config",
                "a=b",
            ]),
            on(&[
                B,
                "{b}",
                "--describe",
                "--under-replicated-partitions",
                "--topics-with-overrides",
            ])
            .told(),
            on(&[B, "{b}", "--describe", "--if-exists"]).told(),
            on(&[B, "{b}", "--no-such-option"]),
        ],
        162,
    );
}
