//! Nodes that come and go for good: a broker joins a running cluster and gets partitions, an old one is drained,
//! emptied, stopped and unregistered, and its id comes back with an empty disk. Messages come and go meanwhile.

use std::fs;
use std::path::PathBuf;

use broker::protocol::ErrorCode;

use crate::load::Load;
use crate::nodes::{Maker, Nodes};
use crate::operator::{
    elect_preferred, move_all, place_all, set_of_broker, unregister, wait_until_led,
};
use crate::replication::{create, wait_until_in_sync};
use crate::topics;
use crate::voice::wait_for;

/// The broker that goes, one that stays, and the one that comes.
const OLD: i32 = 2;
const STAYS: i32 = 3;
const NEW: i32 = 5;

/// Waits until the brokers that clients are told of are these.
fn wait_until_told(address: &str, expected: &[i32]) {
    wait_for("the brokers", || {
        let told = topics::metadata(address)?.brokers;
        let mut told: Vec<i32> = told.iter().map(|broker| broker.node_id).collect();
        told.sort_unstable();
        (told == expected).then_some(())
    });
}

#[test]
fn a_broker_joins_and_an_old_one_is_drained_emptied_and_unregistered_under_load() {
    let brokers = [Maker::Ours; 4];
    let mut nodes = Nodes::with_brokers(145, &[Maker::Ours], &brokers, &[]).expect("ours");
    for id in [1, OLD, STAYS, 4] {
        nodes.spawn(id);
    }
    for id in [1, OLD, STAYS, 4] {
        nodes.wait_until_ready(id);
    }
    create(&nodes, OLD, 6, "2");
    wait_until_in_sync(&nodes, OLD, 3);
    let address = nodes.bootstrap(STAYS);
    let load = Load::begin(&nodes);
    load.goes_on();

    nodes.start(NEW);
    wait_until_told(&address, &[OLD, STAYS, 4, NEW]);
    let drained = set_of_broker(&nodes.bootstrap(OLD), OLD, "broker.drain", Some("true"));
    assert_eq!(drained, ErrorCode::NONE);
    wait_until_led(&address, OLD, Some(0));
    move_all(&address, OLD, NEW);
    elect_preferred(&address, None);
    // It has the places of the old one, which was the first of two partitions.
    wait_until_led(&address, NEW, Some(2));
    load.goes_on();

    // Its registration is that of a broker at work, until it is stopped.
    assert_eq!(unregister(&address, OLD), ErrorCode::INVALID_REQUEST);
    nodes.stop(OLD);
    assert_eq!(unregister(&address, OLD), ErrorCode::NONE);
    let unknown = ErrorCode::BROKER_ID_NOT_REGISTERED;
    assert_eq!(unregister(&address, OLD), unknown);
    wait_until_told(&address, &[STAYS, 4, NEW]);
    load.goes_on();

    nodes.wipe(OLD);
    nodes.start(OLD);
    wait_until_told(&address, &[OLD, STAYS, 4, NEW]);
    let undrained = set_of_broker(&nodes.bootstrap(OLD), OLD, "broker.drain", None);
    assert_eq!(undrained, ErrorCode::NONE);
    move_all(&address, 4, OLD);
    wait_until_in_sync(&nodes, STAYS, 3);
    load.end(&nodes);
}

#[test]
fn the_registration_of_a_broker_that_is_gone_may_end_while_it_has_replicas() {
    let brokers = [Maker::Ours; 3];
    let mut nodes = Nodes::with_brokers(146, &[Maker::Ours], &brokers, &[]).expect("ours");
    nodes.start_all();
    create(&nodes, 2, 3, "2");
    wait_until_in_sync(&nodes, 2, 3);
    let address = nodes.bootstrap(3);
    let load = Load::begin(&nodes);
    load.goes_on();

    nodes.kill(2);
    wait_for("its fencing", || {
        (unregister(&address, 2) == ErrorCode::NONE).then_some(())
    });
    wait_until_in_sync(&nodes, 3, 2);
    load.goes_on();

    // It is what it was once it registers again, here with an empty disk.
    nodes.wipe(2);
    nodes.start(2);
    wait_until_in_sync(&nodes, 3, 3);
    load.end(&nodes);
}

/// The folders of the topic on a node that were set aside, with the bytes of their first segments.
fn strays(nodes: &Nodes, id: i32) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(nodes.data_dir(id)).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let strays = paths.filter(|path| path.to_string_lossy().ends_with("-stray"));
    let mut strays: Vec<_> = strays
        .map(|path| {
            let segment = fs::metadata(path.join("00000000000000000000.log"));
            (path, segment.map_or(0, |it| it.len()))
        })
        .collect();
    strays.sort();
    strays
}

#[test]
fn what_was_moved_away_from_a_broker_that_was_down_is_set_aside_and_stays() {
    let brokers = [Maker::Ours; 4];
    let mut nodes = Nodes::with_brokers(147, &[Maker::Ours], &brokers, &[]).expect("ours");
    nodes.start_all();
    create(&nodes, OLD, 3, "2");
    wait_until_in_sync(&nodes, OLD, 3);
    let address = nodes.bootstrap(STAYS);
    place_all(&address, &[OLD, STAYS, 4]);
    let load = Load::begin(&nodes);
    load.goes_on();

    nodes.stop(OLD);
    place_all(&address, &[NEW, STAYS, 4]);
    nodes.start(OLD);
    let set_aside = strays(&nodes, OLD);
    assert_eq!(set_aside.len(), 3, "{set_aside:?}");
    assert!(set_aside.iter().all(|(_, bytes)| *bytes > 0));
    load.goes_on();

    // The partitions may come back: their logs are fetched anew, beside those.
    place_all(&address, &[OLD, STAYS, 4]);
    nodes.stop(OLD);
    nodes.start(OLD);
    wait_until_in_sync(&nodes, STAYS, 3);
    assert_eq!(strays(&nodes, OLD), set_aside);
    load.end(&nodes);
}
