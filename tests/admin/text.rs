//! The text of all endpoints, as Prometheus's own tool takes it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::start;
use crate::support::http::get;
use crate::support::metrics_text::Scrape;
use crate::support::tools;
use crate::traffic::Traffic;

#[test]
fn promtool_reads_every_endpoint_and_finds_fault_with_kafkas_names_alone() {
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    traffic.create("t", 2);
    traffic.produce("t", 3);
    traffic.meet("g");
    traffic.commit("g", "t", 1);
    let Some(promtool) = tools::program("promtool") else {
        return;
    };

    for path in ["/metrics", "/metrics/detailed", "/metrics/clients"] {
        let answer = get(&admin, path);
        let kind = answer.header("content-type");
        assert_eq!(
            kind,
            Some("text/plain; version=0.0.4; charset=utf-8"),
            "{path}"
        );
        Scrape::parse(&answer.body);
        let mut check = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = check.stdin.take().expect("it is piped");
        input.write_all(answer.body.as_bytes()).expect("it reads");
        drop(input);
        let output = check.wait_with_output().expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("text");
        // 1 is for what cannot be read, 3 for advice.
        assert_ne!(output.status.code(), Some(1), "{path}: {said}");
        for line in said.lines() {
            assert!(line.starts_with("kafka_"), "{path}: {line}");
        }
    }
}

#[test]
fn nothing_in_the_text_comes_twice_while_everything_changes() {
    let (broker, admin) = start(&[]);
    let mut traffic = Traffic::new(&broker);
    traffic.meet("g");

    for round in 0..10 {
        let topic = format!("t{round}");
        traffic.create(&topic, 4);
        traffic.produce(&topic, 1);
        traffic.commit(&format!("g{round}"), &topic, 1);
        for path in ["/metrics", "/metrics/detailed"] {
            Scrape::parse(&get(&admin, path).body);
        }
    }
}
