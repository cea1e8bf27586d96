//! A change as a page: its form, with what was typed and what is wrong with it.
//!
//! PURE.

use maud::{Markup, html};

use super::form::{Field, Form, Kind};
use super::guard::TOKEN;
use super::{Change, Fault};
use crate::web::pages::view::Known;

/// What became of a form that was sent.
#[derive(Clone, Copy)]
pub(super) enum Sent<'a> {
    /// It was not sent yet.
    No,
    /// It was refused.
    Refused(&'a Fault),
    /// This is what it would do.
    Previewed(&'a Markup),
}

/// The form of a change, with the token of the session.
pub(super) fn form(
    change: &Change,
    known: &Known,
    typed: &Form,
    (token, sent): (&str, Sent<'_>),
) -> Markup {
    let fault = match sent {
        Sent::Refused(fault) => Some(fault),
        Sent::No | Sent::Previewed(_) => None,
    };
    html! {
        @if let Sent::Previewed(shown) = sent { (shown) }
        @if let Some(fault) = fault {
            div.verdict.bad role="alert" { p { (fault.sentence(change)) } }
        }
        @if !change.about.is_empty() { p.about { (change.about) } }
        ((change.show)(known, typed))
        form.change method="post" action=(change.path) {
            input type="hidden" name=(TOKEN) value=(token);
            @let first = first_to_type(change, typed);
            @for it in change.fields {
                @let is_first = fault.and_then(Fault::field).or(first) == Some(it.name);
                (field(it, known, typed, (is_first, fault)))
            }
            div.buttons {
                @let last = change.steps.len().saturating_sub(1);
                @let main = if matches!(sent, Sent::Previewed(_)) { last } else { 0 };
                @for (index, (step, label)) in change.steps.iter().enumerate() {
                    @let class = if index != main { "" } else if change.destroys { "main bad" } else { "main" };
                    button class=(class) type="submit" name="step" value=(step) { (label) }
                }
            }
        }
    }
}

/// The field that is typed in first: one that is needed and empty, else the first that is no subject.
fn first_to_type(change: &Change, typed: &Form) -> Option<&'static str> {
    let mut all = change
        .fields
        .iter()
        .filter(|it| it.kind != Kind::Subject || typed.text(it.name).is_empty());
    let empty = all
        .clone()
        .find(|it| it.is_required && typed.text(it.name).is_empty());
    empty.or_else(|| all.next()).map(|it| it.name)
}

fn field(
    it: &Field,
    known: &Known,
    typed: &Form,
    (is_first, fault): (bool, Option<&Fault>),
) -> Markup {
    let value = typed.text(it.name);
    if it.kind == Kind::Subject && !value.is_empty() {
        return html! {
            div.field.subject {
                span.label { (it.label) } " " b { (value) }
                input type="hidden" name=(it.name) value=(value);
            }
        };
    }
    let fault = fault.filter(|fault| fault.field() == Some(it.name));
    let invalid = fault.map(|_| "true");
    let (help, id) = (format!("{}-help", it.name), it.name);
    if it.kind == Kind::Check {
        return html! {
            div.field.check {
                input id=(id) type="checkbox" name=(it.name) value="true" checked[typed.is_ticked(it.name)]
                    autofocus[is_first] aria-describedby=(help);
                label for=(id) { (it.label) }
                (below(it, &help, fault))
            }
        };
    }
    html! {
        div.field {
            @let is_optional = !it.is_required && matches!(it.kind, Kind::Text | Kind::Number | Kind::Lines);
            label for=(id) { (it.label) @if is_optional { span.soft { " (optional)" } } }
            @match it.kind {
                Kind::Lines => {
                    textarea id=(id) name=(it.name) rows="6" spellcheck="false" autofocus[is_first]
                        aria-describedby=(help) aria-invalid=[invalid] { "\n" (typed.typed(it.name)) }
                }
                Kind::Choice(choices) => {
                    select id=(id) name=(it.name) autofocus[is_first] aria-describedby=(help) {
                        @for (sent, shown) in choices {
                            option value=(sent) selected[value == *sent] { (shown) }
                        }
                    }
                }
                Kind::Broker => {
                    select id=(id) name=(it.name) autofocus[is_first] aria-describedby=(help) {
                        @for broker in known.image.brokers().iter() {
                            @let number = broker.id.0.to_string();
                            option value=(number) selected[value == number] { "Broker " (number) }
                        }
                        @if !it.is_required { option value="" selected[value.is_empty()] { "All brokers" } }
                    }
                }
                kind => {
                    @let mode = (kind == Kind::Number).then_some("numeric");
                    input id=(id) type="text" name=(it.name) value=(value) inputmode=[mode] autocomplete="off"
                        spellcheck="false" autofocus[is_first] required[it.is_required] aria-describedby=(help)
                        aria-invalid=[invalid];
                }
            }
            (below(it, &help, fault))
        }
    }
}

fn below(it: &Field, id: &str, fault: Option<&Fault>) -> Markup {
    html! {
        p.note id=(id) {
            @if let Some(fault) = fault { span.wrong { (fault.text()) } " " }
            (it.help)
        }
    }
}
