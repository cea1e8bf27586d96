//! A file system that takes long for each new folder: the broker is alive all the same.

use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::client::{LIMIT, config};
use crate::support::process::Process;
use crate::support::{Broker, tools};

/// Longer than an answer takes on a busy machine under a tracer, and a fifth of what the folders take.
const PROMPT: Duration = Duration::from_secs(4);

const SESSION: Duration = Duration::from_secs(2);

#[test]
fn slow_folders_delay_neither_the_session_nor_the_answers_of_the_controller() {
    let Some(strace) = tools::program("strace") else {
        return;
    };
    let session = SESSION.as_millis().to_string();
    let mut broker = Broker::start_with(&[
        ("broker.session.timeout.ms", session.as_str()),
        ("broker.heartbeat.interval.ms", "200"),
    ]);
    // From now on each folder takes 100 ms.
    let mut tracer = Process::spawn_command(
        Command::new(strace)
            .args(["-f", "-e", "trace=mkdir,mkdirat"])
            .args(["-e", "inject=mkdir,mkdirat:delay_enter=100000"])
            .args(["-p", &broker.pid().to_string()]),
    );
    tracer.wait_for_line("attached", LIMIT);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let admin: AdminClient<DefaultClientContext> =
            config(&broker, &[]).create().expect("valid settings");
        let many: Vec<String> = (0..200).map(|index| format!("many-{index}")).collect();
        let many = many.iter().map(|name| topic(name)).collect::<Vec<_>>();
        let options = AdminOptions::new();
        let many = admin.create_topics(&many, &options);
        let others = async {
            let seen = move || tracer.wait_for_line("many-", LIMIT);
            let seen = tokio::task::spawn_blocking(seen).await;
            seen.expect("the first folder is under way");
            let begun = Instant::now();
            let mut round = 0;
            while begun.elapsed() < 2 * SESSION {
                let asked = Instant::now();
                let name = format!("one-{round}");
                let created = admin.create_topics(&[topic(&name)], &options).await;
                assert!(created.expect("an answer")[0].is_ok(), "{name}");
                let took = asked.elapsed();
                assert!(took < PROMPT, "{name} took {took:?}");
                round += 1;
            }
        };
        let (many, ()) = tokio::join!(many, others);
        assert!(many.expect("an answer").iter().all(Result::is_ok));
    });

    assert!(!broker.log().contains("fenced:"), "{}", broker.log());
    broker.kill();
}

fn topic(name: &str) -> NewTopic<'_> {
    NewTopic::new(name, 1, TopicReplication::Fixed(1))
}
