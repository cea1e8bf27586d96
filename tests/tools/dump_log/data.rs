//! What a broker has on its disk once clients have done all kinds of things.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::{Call, Java, Maker, Outcome, Tool, ours};
use crate::call::{PRODUCER, TOPICS};
use crate::nodes::Nodes;

const CONSUMER: Tool = Tool {
    name: "console-consumer",
    class: "org.apache.kafka.tools.consumer.ConsoleConsumer",
};
const SHARE_CONSUMER: Tool = Tool {
    name: "",
    class: "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
};
const FEATURES: Tool = Tool {
    name: "",
    class: "org.apache.kafka.tools.FeatureCommand",
};
const LIMIT: Duration = Duration::from_secs(60);

/// The disk of a broker that has stopped.
pub struct Left {
    nodes: Nodes,
}

impl Left {
    /// The folders of partitions.
    pub fn folders(&self) -> Vec<PathBuf> {
        let directory = self.nodes.data_dir(self.nodes.ids()[0]);
        let entries = std::fs::read_dir(directory).expect("it is there");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    }

    /// The topic that a folder belongs to.
    pub fn kind<'a>(&self, folder: &'a Path) -> &'a str {
        let name = folder.file_name().and_then(|name| name.to_str());
        let topic = name.and_then(|name| name.rsplit_once('-'));
        topic.map_or("", |(topic, _)| topic)
    }
}

/// Starts a broker, lets clients work on it, and stops it. `None` where Apache Kafka is needed and not installed.
pub fn of(maker: Maker, test: u8) -> Option<Left> {
    let settings = [
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "1"),
        ("transaction.state.log.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.num.partitions", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("metadata.log.max.snapshot.interval.ms", "1000"),
    ];
    let mut nodes = Nodes::combined(test, &[maker], &settings)?;
    let mut java = Java::start()?;
    nodes.start_all();
    let node = nodes.ids()[0];
    let mut clients = Clients {
        java: &mut java,
        bootstrap: nodes.bootstrap(node),
    };
    clients.produce();
    clients.consume();
    if maker == Maker::Apache {
        clients.transact();
        clients.consume_by_new_protocols();
    }
    nodes.stop(node);
    Some(Left { nodes })
}

struct Clients<'a> {
    java: &'a mut Java,
    bootstrap: String,
}

impl Clients<'_> {
    fn arguments(&self, call: &Call) -> Vec<String> {
        let on = format!("--bootstrap-server {}", self.bootstrap);
        let filled = call.arguments.replace("{on}", &on);
        filled.split_whitespace().map(str::to_owned).collect()
    }

    fn ours(&self, call: &Call) {
        let outcome = ours::call(call, &self.arguments(call));
        succeeded(call, &outcome);
    }

    /// By Kafka's tool, whose producer is idempotent.
    fn theirs(&mut self, call: &Call) {
        let outcome = self.java.call(call, &self.arguments(call));
        succeeded(call, &outcome);
    }

    fn produce(&mut self) {
        self.ours(
            &TOPICS
                .call("{on} --create --topic t --partitions 2 --config index.interval.bytes=100"),
        );
        self.ours(&TOPICS.call(
            "{on} --create --topic appended --partitions 1 --config message.timestamp.type=LogAppendTime",
        ));
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let arguments = format!("{{on}} --topic t --compression-codec {codec}");
            let lines: String = (0..40)
                .map(|number| format!("{codec} {number}\n"))
                .collect();
            let call = PRODUCER.call(arguments.leak()).with_input(lines.leak());
            self.ours(&call);
            self.theirs(&call);
        }
        let with_headers = PRODUCER
            .call(
                "{on} --topic t --reader-property parse.key=true --reader-property parse.headers=true \
                 --reader-property null.marker=NIL",
            )
            .with_input("a:1,b:2\tk1\tv1\nc:\tNIL\tv2\na:1\tkey4\tNIL\n");
        self.theirs(&with_headers);
        self.theirs(
            &PRODUCER
                .call("{on} --topic appended")
                .with_input("1\n2\n3\n"),
        );
        let large: String = (0..200).map(|number| format!("{number:0>200}\n")).collect();
        let in_many = "{on} --topic t --batch-size 1000 --max-partition-memory-bytes 1000";
        self.theirs(&PRODUCER.call(in_many).with_input(large.leak()));
    }

    fn consume(&mut self) {
        let read = "{on} --topic t --from-beginning --max-messages 50 --group";
        self.ours(&CONSUMER.call(format!("{read} ours").leak()));
        self.theirs(&CONSUMER.call(format!("{read} theirs").leak()));
    }

    /// Transactions that commit and some that abort.
    fn transact(&self) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("transactional.id", "mine")
            .create()
            .expect("a producer");
        producer.init_transactions(LIMIT).expect("it has an id");
        for round in 0..6 {
            producer.begin_transaction().expect("it begins");
            for number in 0..3 {
                let value = format!("{round} {number}");
                let record = BaseRecord::<(), _>::to("t").payload(&value);
                producer.send(record).expect("there is room");
            }
            producer.flush(LIMIT).expect("all are sent");
            if round % 3 == 0 {
                producer.abort_transaction(LIMIT).expect("it aborts");
            } else {
                producer.commit_transaction(LIMIT).expect("it commits");
            }
        }
    }

    fn consume_by_new_protocols(&mut self) {
        self.theirs(&FEATURES.call(
            "{on} upgrade --feature group.version=1 --feature share.version=1 --feature transaction.version=2",
        ));
        self.theirs(&CONSUMER.call(
            "{on} --topic t --from-beginning --max-messages 20 --group new --command-property group.protocol=consumer",
        ));
        self.ours(&TOPICS.call("{on} --create --topic shared --partitions 1"));
        // A share group begins at the end of a topic that it does not know.
        self.theirs(&Tool { name: "", class: "kafka.admin.ConfigCommand" }.call(
            "{on} --alter --entity-type groups --entity-name sharing --add-config share.auto.offset.reset=earliest",
        ));
        self.theirs(&PRODUCER.call("{on} --topic shared").with_input("1\n2\n3\n"));
        self.theirs(&SHARE_CONSUMER.call("{on} --topic shared --group sharing --max-messages 2"));
        self.transact();
    }
}

fn succeeded(call: &Call, outcome: &Outcome) {
    assert_eq!(outcome.code, 0, "{}: {outcome:?}", call.arguments);
}
