//! Console consumers as members of one group, with Kafka's own among them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::apache::Apache;
use crate::support::{Broker, program};

const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tool(broker: &Broker, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    let common = [
        name,
        "--bootstrap-server",
        broker.bootstrap(),
        "--topic",
        "t",
    ];
    command.args(common).args(arguments);
    command
}

/// Sends records with keys, so that all partitions get some.
fn produce(broker: &Broker, values: std::ops::Range<u32>) {
    let lines: String = values.map(|value| format!("{value}\t{value}\n")).collect();
    let mut producer = tool(
        broker,
        "console-producer",
        &["--reader-property", "parse.key=true"],
    )
    .stdin(Stdio::piped())
    .spawn()
    .expect("the program starts");
    let mut input = producer.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut input, lines.as_bytes()).expect("it reads");
    drop(input);
    assert!(producer.wait().expect("it ends").success());
}

fn with_topic() -> Broker {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "0")]);
    let created = tool(&broker, "topics", &["--create", "--partitions", "6"]).status();
    assert!(created.expect("the program starts").success());
    broker
}

#[test]
fn a_group_goes_on_where_it_has_stopped() {
    let broker = with_topic();
    produce(&broker, 0..20);
    let read = |most: &str| {
        let group = ["--group", "g", "--from-beginning", "--max-messages", most];
        let ran = tool(&broker, "console-consumer", &group)
            .output()
            .expect("the program starts");
        let lines = String::from_utf8(ran.stdout).expect("text");
        lines
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect::<Vec<u32>>()
    };

    let mut all = read("7");
    all.extend(read("13"));

    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<u32>>());
}

#[test]
fn our_member_shares_a_group_with_kafkas_console_consumer() {
    let Some(apache) = Apache::find() else { return };
    for strategy in [
        "RangeAssignor",
        "RoundRobinAssignor",
        "CooperativeStickyAssignor",
    ] {
        let broker = with_topic();
        let strategy =
            format!("partition.assignment.strategy=org.apache.kafka.clients.consumer.{strategy}");
        let arguments = [
            "--group",
            "g",
            "--from-beginning",
            "--command-property",
            &strategy,
        ];
        let mut ours = Member(
            tool(&broker, "console-consumer", &arguments)
                .stdout(Stdio::piped())
                .spawn()
                .expect("the program starts"),
        );
        produce(&broker, 0..60);
        let stdout = ours.0.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        for _ in 0..60 {
            lines
                .next()
                .expect("all come here while nobody else is there")
                .expect("text");
        }

        // Records come until both have read some.
        let producing = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| {
                let common = ["--bootstrap-server", broker.bootstrap(), "--topic", "t"];
                let most = ["--max-messages", "20"];
                let all = [&common[..], &arguments[..], &most[..]].concat();
                apache.run(CONSUMER, &all)
            });
            let mut sent = 60;
            while !theirs.is_finished() {
                produce(&broker, sent..sent + 10);
                sent += 10;
            }
            let ran = theirs.join().expect("it does not panic");
            assert!(
                ran.success && ran.output.lines().count() == 20,
                "{}",
                ran.errors
            );
            sent
        });
        let own = lines.by_ref().take(10).count();

        assert_eq!(own, 10, "{strategy}: ours has gone on among {producing}");
    }
}
