//! `kafka-console-producer.sh` and `kafka-console-consumer.sh`.

use crate::call::{Call, PRODUCER, TOPICS, Tool, compare};

const CONSUMER: Tool = Tool {
    name: "console-consumer",
    class: "org.apache.kafka.tools.consumer.ConsoleConsumer",
};

const fn produce(arguments: &'static str, input: &'static str) -> Call {
    PRODUCER.call(arguments).with_input(input)
}

const fn consume(arguments: &'static str) -> Call {
    CONSUMER.call(arguments)
}

#[test]
fn records_are_sent_and_printed_as_by_kafkas_tools() {
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 1"),
            produce("{on} --topic {t}", "one\ntwo\r\n\nthree"),
            produce(
                "{on} --topic {t} --reader-property parse.key=true --reader-property null.marker=NIL",
                "a\t1\nb\tNIL\nNIL\t3\n",
            ),
            produce(
                "{on} --topic {t} --property parse.headers=true --property parse.key=true \
                 --compression-codec zstd",
                "h:1,i:2\tk\tv\n",
            ),
            produce(
                "{on} --topic {t} --sync --compression-codec --request-required-acks 1",
                "x\n",
            ),
            consume("{on} --topic {t} --from-beginning --max-messages 9"),
            consume(
                "{on} --topic {t} --from-beginning --max-messages 9 \
                 --property print.key=true --property key.separator=|",
            ),
            consume(
                "{on} --topic {t} --partition 0 --offset 4 --max-messages 4 \
                 --formatter-property print.headers=true --formatter-property print.offset=true \
                 --formatter-property print.partition=true --formatter-property print.key=true \
                 --formatter-property null.literal=-",
            ),
            consume(
                "{on} --topic {t} --partition 0 --offset earliest --timeout-ms 1500 --isolation-level read_committed",
            ),
            consume("{on} --include {t}.* --from-beginning --max-messages 2"),
            consume("{on} --topic {t} --group {t} --from-beginning --max-messages 3"),
            consume("{on} --topic {t} --group {t} --max-messages 2"),
        ],
        164,
    );
}

#[test]
fn bad_calls_fail_as_with_kafkas_tools() {
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 1"),
            produce("{on}", "").told(),
            produce("--topic {t}", ""),
            produce("{on} --topic {t} --property a=b --reader-property c=d", "").told(),
            produce(
                "{on} --topic {t} --reader-property parse.key=true",
                "no key\n",
            ),
            produce("{on} --topic {t} --compression-codec none-such", "x\n"),
            consume("{on}").told(),
            consume("{on} --topic a --include b").told(),
            consume("{on} --include b --partition 0").told(),
            consume("{on} --topic {t} --offset 0").told(),
            consume("{on} --topic {t} --partition 0 --offset -5").told(),
            consume("{on} --topic {t} --partition 0 --offset 0 --from-beginning").told(),
            consume("--topic {t}").told(),
            consume("{on} --topic {t} --group g --partition 0").told(),
            consume("{on} --topic {t} --property a=b --formatter-property c=d").told(),
        ],
        166,
    );
}
