//! `kafka-get-offsets.sh`.

use crate::call::{Call, OFFSETS, PRODUCER, TOPICS, compare};

const fn on(arguments: &'static str) -> Call {
    OFFSETS.call(arguments)
}

#[test]
fn offsets_are_those_of_kafkas_tool() {
    let produce = PRODUCER.call("{on} --topic {t} --reader-property parse.key=true");
    compare(
        &[
            TOPICS.call("{on} --create --topic {t} --partitions 11"),
            produce.with_input("a\t1\nb\t2\nc\t3\na\t4\n"),
            on("{on} --topic {t}"),
            on("{on} --topic {t} --time earliest"),
            on("{on} --topic {t} --time -1 --partitions 0,2"),
            on("{on} --topic {t} --time max-timestamp"),
            on("{on} --topic {t} --time 1000"),
            on("{on} --topic-partitions {t}:1-4,{t}:9- --exclude-internal-topics"),
            on("{on} --topic missing").told(),
            on("{on} --topic {t} --time noon").told(),
            on("{on} --topic {t} --partitions x").told(),
            on("{on} --topic {t} --topic-partitions {t}").told(),
            on("--topic {t}").told(),
        ],
        168,
    );
}
