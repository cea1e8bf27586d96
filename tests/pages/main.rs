//! The admin pages as browsers and programs ask for them, over HTTP, of nodes that are real processes.

#![allow(clippy::print_stdout, reason = "a run tells what it does")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../cluster/nodes.rs"]
mod nodes;
#[path = "../cluster/topics.rs"]
mod topics;
#[path = "../cluster/voice.rs"]
mod voice;

mod browser;
mod changes;
mod changing;
mod chromium;
mod gate;
mod guard;
mod hostile;
mod live;
mod many;
mod messages;
mod moves;
mod producing;
mod records;
mod seen;
mod untrusted;
mod whole;

use support::apache;
