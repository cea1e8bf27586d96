//! The matrix of clients: each, unmodified, tells the same story to our broker and to Apache Kafka
//! 4.3.1, and prints a line for each fact that it sees. The facts must be the same.
//!
//! ```text
//! cargo test --test compatibility                  all clients, the newest and an old version of each
//! cargo test --test compatibility -- kafkajs       some of them
//! CHAPTERS="topics produce" cargo test ...         parts of the story only
//! ```
//!
//! The story: topics are created (badly, too), listed and described; configs read and altered;
//! records with keys, headers and nulls produced with each codec and each `acks`; consumed from
//! everywhere; a group of three loses one member to `kill -9`; offsets are committed, resumed from,
//! moved and deleted; in the end all topics go. What a client cannot do, its story leaves out.
//!
//! The programs are in a folder for each language, what they need is fetched by `.ci/tools`. All of
//! them share one broker of each kind, and keep apart by the names of their topics and groups. What
//! they printed last is in `target/tmp/compatibility`.

#![allow(clippy::print_stdout, reason = "a skipped client is said loudly")]

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod clients;
mod difference;
mod masks;
mod story;
mod topics;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};

use brokers::Brokers;
use clients::Client;

/// Stories wait more than they work: for members to be missed, above all.
const STORIES_AT_ONCE: usize = 3;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(STORIES_AT_ONCE);
    let brokers: Arc<OnceLock<Option<Brokers>>> = Arc::default();
    let trials = clients::all().into_iter().map(|client| {
        let brokers = Arc::clone(&brokers);
        Trial::test(client.name.clone(), move || {
            match brokers.get_or_init(Brokers::start) {
                Some(brokers) => compare(&client, brokers).map_err(Into::into),
                None => Ok(()),
            }
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // The trials are gone: this ends the brokers, which `exit` would not.
    drop(brokers);
    conclusion.exit_code()
}

/// Tells the client's story to both brokers at once, and compares the facts.
fn compare(client: &Client, brokers: &Brokers) -> Result<(), String> {
    let Some(command) = client.build()? else {
        return Ok(());
    };
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| story::tell(client, &command, "ours", brokers.ours()));
        let theirs = story::tell(client, &command, "apache", brokers.apache());
        (ours.join().expect("a story does not panic"), theirs)
    });
    let (ours, theirs) = (ours?, theirs?);
    difference::between(&theirs, &ours).map_or(Ok(()), Err)
}
