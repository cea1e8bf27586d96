//! What the pages change. Each change is a form that says what is wanted, and what asks the cluster for it as any
//! client of Kafka would: a [`Change`] in the table, with its fields. All of them go one way ([`pass`]): who asks
//! has told the password, the request is from a page of ours or from a program that means it (`guard`), the form is read,
//! the cluster is asked, a line in the log says so, and a browser is sent on to where the outcome is seen.
//!
//! No GET changes anything: it shows the form, with what its address says filled in.

mod asking;
mod brokers;
mod configs;
mod elections;
mod fault;
mod form;
mod groups;
mod guard;
mod moves;
mod page;
mod passing;
mod quotas;
mod records;
mod topics;

use std::future::Future;
use std::pin::Pin;

use maud::Markup;
use serde_json::Value;

use super::detail::Detail;
use super::frame::nothing;
use super::messages;
use super::view::Known;
use crate::client::Cluster;
pub(super) use asking::doings;
pub(super) use fault::Fault;
pub(super) use form::{Field, Form, Kind};
pub(super) use guard::{TOKEN, is_ours};
pub(super) use passing::routes;

/// All changes.
pub(super) static CHANGES: &[&Change] = &[
    &topics::CREATE,
    &topics::DELETE,
    &topics::ADD_PARTITIONS,
    &configs::OF_TOPIC,
    &configs::OF_BROKER,
    &brokers::DRAIN,
    &records::DELETE,
    &elections::ELECT,
    &moves::MOVE,
    &moves::CANCEL,
    &moves::UNLIMIT,
    &groups::RESET,
    &groups::DELETE,
    &quotas::SET,
    &messages::PRODUCE,
    &messages::RESEND,
];

/// What most changes are like: of topics, with nothing to be asked or shown.
pub(super) const BASE: Change = Change {
    path: "",
    title: "",
    about: "",
    place: "/topics",
    steps: &[],
    destroys: false,
    fields: &[],
    detail: |_| None,
    fill: |_, _| {},
    show: |_, _| nothing(),
    run: |_| Box::pin(async { Err(Fault::wrong("step", "There is no such change.")) }),
};

/// Something that may be changed.
pub(super) struct Change {
    /// Where its form is, and where it is sent to.
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    /// What it does, in a sentence or two.
    pub(super) about: &'static str,
    /// The page in the bar that it belongs to.
    pub(super) place: &'static str,
    /// The buttons: what `step` is then, and what stands on them. The first is meant where nothing is said.
    pub(super) steps: &'static [(&'static str, &'static str)],
    /// Whether something is lost for good.
    pub(super) destroys: bool,
    pub(super) fields: &'static [Field],
    /// What has to be asked before the form is shown.
    pub(super) detail: fn(&Form) -> Option<Detail>,
    /// Fills in what nobody has typed yet.
    pub(super) fill: fn(&Known, &mut Form),
    /// What stands above the fields.
    pub(super) show: fn(&Known, &Form) -> Markup,
    /// Does it.
    pub(super) run: fn(Task) -> Running,
}

/// What a change has to work with.
pub(super) struct Task {
    pub(super) form: Form,
    pub(super) known: Known,
    /// The cluster, which is asked as any client asks it.
    pub(super) cluster: Cluster,
}

/// What a change comes to.
pub(super) enum Outcome {
    /// It is done: a sentence, the page where that is seen, and what programs are told beside the sentence.
    Done {
        sentence: String,
        place: String,
        told: Value,
    },
    /// Nothing was changed yet: what would be, and the form for it.
    Preview {
        shown: Markup,
        told: Value,
        form: Form,
    },
}

pub(super) type Running = Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send>>;

impl Outcome {
    /// It is done.
    pub(super) fn done(sentence: String, place: String) -> Self {
        let told = Value::Object(serde_json::Map::new());
        Self::Done {
            sentence,
            place,
            told,
        }
    }
}
