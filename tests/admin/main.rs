//! What a real broker process serves by HTTP: health and metrics, whoever asks, and however.

#![allow(clippy::print_stdout, reason = "a run tells what it measures")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod counts;
mod health;
mod hostile;
mod listeners;
mod rules;
mod text;
mod traffic;

use support::Broker;

/// The setting of one admin listener on a free port.
const ADMIN: (&str, &str) = ("admin.listeners", "http://127.0.0.1:0");

/// A broker with an admin listener, and where that is.
fn start(settings: &[(&str, &str)]) -> (Broker, String) {
    let broker = Broker::start_with(&[&[ADMIN], settings].concat());
    let admin = broker.admin();
    (broker, admin)
}
