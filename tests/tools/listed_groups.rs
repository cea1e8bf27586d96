//! `kafka-groups.sh`, for groups of consumers that are gone and groups that have never had one.

use crate::call::{Call, PRODUCER, TOPICS, Tool, compare};

const GROUPS: Tool = Tool {
    name: "groups",
    class: "org.apache.kafka.tools.GroupsCommand",
};
const CONSUMER: Tool = Tool {
    name: "console-consumer",
    class: "org.apache.kafka.tools.consumer.ConsoleConsumer",
};
const CONSUMER_GROUPS: Tool = Tool {
    name: "consumer-groups",
    class: "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
};

const fn on(arguments: &'static str) -> Call {
    GROUPS.call(arguments)
}

#[test]
fn groups_are_listed_as_by_kafkas_tool() {
    compare(
        &[
            on("{on} --list"),
            TOPICS.call("{on} --create --topic {t} --partitions 1"),
            PRODUCER.call("{on} --topic {t}").with_input("a\nb\n"),
            CONSUMER_GROUPS.call(
                "{on} --reset-offsets --group {t}-simple-with-a-long-name --topic {t} --to-earliest --execute",
            ),
            CONSUMER.call(
                "{on} --topic {t} --group {t}-g --from-beginning --max-messages 2 --command-property \
                 group.protocol=classic",
            ),
            on("{on} --list"),
            on("{on} --list --group-type classic"),
            on("{on} --list --group-type CLASSIC"),
            on("{on} --list --group-type consumer"),
            on("{on} --list --group-type share"),
            on("{on} --list --group-type streams"),
            on("{on} --list --protocol consumer"),
            on("{on} --list --protocol connect"),
            on("{on} --list --protocol consumer --group-type classic"),
            on("{on} --list --protocol consumer --group-type share"),
            on("{on} --list --consumer"),
            on("{on} --list --share"),
            on("{on} --list --streams"),
            on("{on} --list --command-config {f}"),
        ],
        234,
    );
}

#[test]
fn bad_calls_to_list_groups_fail_as_with_kafkas_tool() {
    compare(
        &[
            on("--list").told(),
            on("{on}").told(),
            on("{on} --group-type classic").told(),
            on("{on} --list --group-type mine").told(),
            on("{on} --list --group-type unknown").told(),
            on("{on} --list --group-type mine --consumer").told(),
            on("{on} --list --consumer --group-type classic").told(),
            on("{on} --list --consumer --protocol consumer").told(),
            on("{on} --list --consumer --share").told(),
            on("{on} --list --share --streams").told(),
            on("{on} --list --share --protocol x").told(),
            on("{on} --list --streams --group-type classic").told(),
            on("{on} --list --group-type"),
            on("{on} --list --no-such-option"),
            on("{on} --list --command-config /no/such/file").told(),
            on("--list --bootstrap-server no-port"),
            on("--list --bootstrap-server 127.0.0.1:1 --command-config {soon}"),
        ],
        236,
    );
}
