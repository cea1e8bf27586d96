//! The matrix of clients: each, unmodified, tells the same story to our broker and to Apache Kafka
//! 4.3.1, and prints a line for each fact that it sees. The facts must be the same. Each is told to one
//! node, and to three nodes with topics of three replicas, two of which must be in sync.
//!
//! ```text
//! cargo test --test compatibility                  all clients, the newest and an old version of each
//! cargo test --test compatibility -- kafkajs       some of them
//! cargo test --test compatibility -- three         all of them, on three nodes only
//! CHAPTERS="topics produce" cargo test ...         parts of the story only
//! ```
//!
//! The story: topics are created (badly, too), listed and described; configs read and altered;
//! records with keys, headers and nulls produced with each codec and each `acks`; consumed from
//! everywhere; a group of three loses one member to `kill -9`; offsets are committed, resumed from,
//! moved and deleted; in the end all topics go. What a client cannot do, its story leaves out.
//!
//! The programs are in a folder for each language, what they need is fetched by `.ci/tools`. All of
//! them share the clusters, and keep apart by the names of their topics and groups. What
//! they printed last is in `target/tmp/compatibility`.

#![allow(clippy::print_stdout, reason = "a skipped client is said loudly")]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod clusters;
mod difference;
mod masks;
#[path = "../cluster/nodes.rs"]
mod nodes;
mod story;
mod topics;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};

use clients::Client;
use clusters::Clusters;
use support::apache;

/// Stories wait more than they work: for members to be missed, above all.
const STORIES_AT_ONCE: usize = 3;

/// How many nodes clusters have, and what that is called.
const SIZES: [(usize, &str); 2] = [(1, "one node"), (3, "three nodes")];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(STORIES_AT_ONCE);
    let clients: Vec<Arc<Client>> = clients::all().into_iter().map(Arc::new).collect();
    let clusters: [Arc<OnceLock<Option<Clusters>>>; SIZES.len()] = Default::default();
    let mut trials = Vec::new();
    for ((size, called), clusters) in SIZES.into_iter().zip(&clusters) {
        for client in &clients {
            let (client, clusters) = (Arc::clone(client), Arc::clone(clusters));
            let name = format!("{} on {called}", client.name);
            trials.push(Trial::test(name, move || {
                match clusters.get_or_init(|| Clusters::start(size)) {
                    Some(clusters) => compare(&client, clusters).map_err(Into::into),
                    None => Ok(()),
                }
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The trials are gone: this ends the brokers, which `exit` would not.
    drop(clusters);
    conclusion.exit_code()
}

/// Tells the client's story to both clusters at once, and compares the facts.
fn compare(client: &Client, clusters: &Clusters) -> Result<(), String> {
    let Some(program) = client.program()? else {
        return Ok(());
    };
    let tell =
        |side, bootstrap: &str| story::tell(client, program, (side, bootstrap), clusters.size);
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| tell("ours", &clusters.ours()));
        let theirs = tell("apache", &clusters.apache());
        (ours.join().expect("a story does not panic"), theirs)
    });
    let (ours, theirs) = (ours?, theirs?);
    difference::between(&theirs, &ours).map_or(Ok(()), Err)
}
