//! `broker health`, as containers and operators run it: the exit code and one line.

use std::process::Command;

use broker::protocol::ErrorCode;
use rustix::process::Signal;

use crate::nodes::{Maker, Nodes};
use crate::support::{path_text, program};
use crate::topics;
use crate::voice::wait_for;

const OURS: [Maker; 3] = [Maker::Ours; 3];

/// Whether the verdict is yes, and its sentence.
fn health(nodes: &Nodes, id: i32, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(program());
    command.args(["health", "--config", path_text(&nodes.config(id))]);
    let output = command.args(arguments).output().expect("it can be run");
    let sentence = String::from_utf8(output.stdout).expect("text");
    let code = output.status.code().expect("it ends by itself");
    assert!([0, 1].contains(&code), "{code}: {sentence}");
    (code == 0, sentence)
}

fn before_restart(nodes: &Nodes, id: i32) -> (bool, String) {
    health(nodes, id, &["--before-restart", "--timeout-ms", "20000"])
}

fn wait_until(what: &str, nodes: &Nodes, id: i32, is_well: bool) -> String {
    wait_for(what, || {
        let (is_now, sentence) = health(nodes, id, &[]);
        (is_now == is_well).then_some(sentence)
    })
}

#[test]
fn a_node_is_well_while_it_serves_and_hears_the_controller() {
    let mut nodes = Nodes::combined(201, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    for id in nodes.ids() {
        wait_until("all are well", &nodes, id, true);
    }
    let (_, sentence) = health(&nodes, 1, &[]);
    assert_eq!(
        sentence,
        "node 1 serves clients, as one of 3 brokers that do\n"
    );

    nodes.kill(2);
    let (is_well, sentence) = health(&nodes, 2, &[]);
    assert!(
        !is_well && sentence.contains("cannot connect"),
        "{sentence}"
    );
    wait_until("two are enough", &nodes, 1, true);

    nodes.kill(3);
    let sentence = wait_until("one is not enough", &nodes, 1, false);
    assert!(
        sentence.contains("does not reach the active controller"),
        "{sentence}"
    );
}

#[test]
fn a_node_that_stands_still_is_not_well_within_the_time() {
    let mut nodes = Nodes::combined(202, &[Maker::Ours], &[]).expect("they are ours");
    nodes.start_all();
    wait_until("it is well", &nodes, 1, true);

    nodes.signal(1, Signal::STOP);
    let (is_well, sentence) = health(&nodes, 1, &["--timeout-ms", "300"]);
    nodes.signal(1, Signal::CONT);

    assert!(!is_well && sentence.contains("within 300ms"), "{sentence}");
}

#[test]
fn a_restart_is_safe_only_while_the_others_are_enough() {
    let settings = [("min.insync.replicas", "2")];
    let mut nodes = Nodes::combined(203, &OURS, &settings).expect("they are ours");
    nodes.start_all();
    let address = nodes.bootstrap(1);
    let created = topics::create(&address, "kept", (4, 3), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let safe = |nodes: &Nodes, id: i32| {
        wait_for("a safe restart", || {
            let (is_safe, sentence) = before_restart(nodes, id);
            is_safe.then_some(sentence)
        })
    };
    for id in nodes.ids() {
        let sentence = safe(&nodes, id);
        assert!(sentence.starts_with(&format!("safe to restart node {id}: ")));
    }

    nodes.kill(3);
    let sentence = wait_for("an unsafe restart", || {
        let (is_safe, sentence) = before_restart(&nodes, 1);
        let names_both =
            sentence.contains("min.insync.replicas is 2") && sentence.contains("a majority is 2");
        (!is_safe && names_both).then_some(sentence)
    });
    assert!(
        sentence.starts_with("not safe to restart node 1: "),
        "{sentence}"
    );
    nodes.start(3);
    safe(&nodes, 1);

    let created = topics::create(&address, "lonely", (3, 1), &[("min.insync.replicas", "1")]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let (is_safe, sentence) = before_restart(&nodes, 2);
    assert!(!is_safe && sentence.contains("lonely-"), "{sentence}");
    assert!(sentence.contains("would have no leader"), "{sentence}");
}

#[test]
fn a_controller_alone_is_well_once_there_is_an_active_one() {
    let mut nodes = Nodes::controllers(204, &OURS, &[]).expect("they are ours");
    nodes.start_all();
    wait_until("controllers are well", &nodes, 1, true);
    wait_for("a safe restart", || {
        before_restart(&nodes, 1).0.then_some(())
    });
}
