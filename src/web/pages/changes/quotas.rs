//! Quotas of users, clients and addresses: set, and taken away.

use maud::{Markup, html};

use super::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::client::To;
use crate::metadata::image::QuotaEntity;
use crate::protocol::Str;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use crate::web::pages::frame::{number, plain_head, text};
use crate::web::pages::query::encoded;
use crate::web::pages::view::Known;

const PATH: &str = "/change/quota";
/// The fields that name who is meant, the types that Kafka has for them, and what people call them.
const PARTS: [(&str, &str, &str); 3] = [
    ("user", "user", "user"),
    ("client_id", "client-id", "client"),
    ("ip", "ip", "address"),
];
/// Stands for all that have no quota of their own, as in Kafka.
const DEFAULT: &str = "<default>";
/// The step that takes a quota away.
const REMOVE: &str = "remove";
/// The most quotas that are shown.
const MOST: usize = 500;

/// A quota of a user, a client, both together, or an address.
pub(super) static SET: Change = Change {
    path: PATH,
    title: "Quotas",
    about: "Who is beyond their quota waits for their answers. Name a user, a client, or both for a \
            client of that user; or an address alone. <default> is for all that have no quota of their own.",
    place: "/brokers",
    steps: &[("run", "Set"), (REMOVE, "Remove")],
    fields: &[
        Field::new("user", "User", Kind::Text, ""),
        Field::new("client_id", "Client id", Kind::Text, ""),
        Field::new("ip", "Address", Kind::Text, ""),
        Field::new(
            "quota",
            "Quota",
            Kind::Choice(&[
                ("producer_byte_rate", "bytes a second, written"),
                ("consumer_byte_rate", "bytes a second, read"),
                ("request_percentage", "percent of a thread's time"),
                (
                    "controller_mutation_rate",
                    "partitions made and deleted a second",
                ),
                (
                    "connection_creation_rate",
                    "connections a second (of an address)",
                ),
            ]),
            "",
        ),
        Field::new(
            "value",
            "Value",
            Kind::Text,
            "A number above 0; Remove needs none.",
        ),
    ],
    show,
    run: |task| Box::pin(alter(task)),
    ..BASE
};

/// The quotas that there are.
fn show(known: &Known, _: &Form) -> Markup {
    let all: Vec<_> = known.image.client_quotas().iter().collect();
    let columns = [
        text("For", ""),
        text("Quota", ""),
        number("Value", ""),
        text("", ""),
    ];
    html! {
        @if all.is_empty() { p.note { "There are no quotas." } }
        @else {
            div.wide { table {
                (plain_head(&columns))
                tbody {
                    @for (entity, quota, value) in all.iter().take(MOST) {
                        tr {
                            th scope="row" { (shown(entity)) }
                            td { code { (quota) } }
                            td.n { (value) }
                            td.n {
                                a href=(link(entity, quota, *value)) aria-label={ "Edit " (quota) " of " (shown(entity)) } {
                                    "Edit"
                                }
                            }
                        }
                    }
                }
            } }
            @if all.len() > MOST { p.note { "And " (all.len() - MOST) " more." } }
        }
    }
}

/// `user alice, client all others`
fn shown(entity: &QuotaEntity) -> String {
    let part = |(kind, name): &(std::sync::Arc<str>, Option<std::sync::Arc<str>>)| {
        let called = PARTS.iter().find(|part| part.1 == &**kind);
        let called = called.map_or(&**kind, |part| part.2);
        format!("{called} {}", name.as_deref().unwrap_or(DEFAULT))
    };
    let parts: Vec<String> = entity.iter().rev().map(part).collect();
    parts.join(", ")
}

/// The form with a quota filled in.
fn link(entity: &QuotaEntity, quota: &str, value: f64) -> String {
    let mut link = format!("{PATH}?quota={}&value={value}", encoded(quota));
    for (kind, name) in entity {
        if let Some((field, ..)) = PARTS.iter().find(|part| part.1 == &**kind) {
            let name = encoded(name.as_deref().unwrap_or(DEFAULT));
            link.push_str(&format!("&{field}={name}"));
        }
    }
    link
}

/// The request that a form asks for.
fn request(form: &Form) -> Result<AlterClientQuotasRequest, Fault> {
    let named = PARTS.iter().filter(|part| !form.text(part.0).is_empty());
    let entity: Vec<EntityData> = named
        .map(|(field, kind, _)| EntityData {
            entity_type: Str::from_static(kind),
            entity_name: Some(form.text(field))
                .filter(|name| *name != DEFAULT)
                .map(Str::copy_from),
        })
        .collect();
    if entity.is_empty() {
        return Err(Fault::wrong("user", "Somebody has to be named."));
    }
    let is_removed = form.text("step") == REMOVE;
    let value = match form.required("value") {
        _ if is_removed => 0.0,
        Err(fault) => return Err(fault),
        Ok(text) => {
            let value = text.parse::<f64>().ok();
            let value = value.filter(|value| value.is_finite() && *value > 0.0);
            value.ok_or_else(|| Fault::wrong("value", "This has to be a number above 0."))?
        }
    };
    let op = OpData {
        key: Str::copy_from(form.required("quota")?),
        value,
        remove: is_removed,
    };
    Ok(AlterClientQuotasRequest {
        entries: vec![RequestEntryData {
            entity,
            ops: vec![op],
        }],
        validate_only: false,
    })
}

async fn alter(mut task: Task) -> Result<Outcome, Fault> {
    let request = request(&task.form)?;
    let asking = task.cluster.ask_until(To::Controller, &request, |answer| {
        super::asking::not_controller(answer.entries.iter().map(|it| it.error_code))
    });
    for result in asking.await?.entries {
        Fault::check(result.error_code, result.error_message)?;
    }
    let quota = task.form.text("quota");
    let sentence = if request.entries[0].ops[0].remove {
        format!("The quota {quota} is removed.")
    } else {
        format!("The quota {quota} is {}.", task.form.text("value"))
    };
    Ok(Outcome::done(sentence, PATH.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_who_is_meant_and_the_default() {
        let form =
            Form::of_pairs("user=alice&client_id=%3Cdefault%3E&quota=producer_byte_rate&value=1.5");

        let request = request(&form).unwrap();

        let entry = &request.entries[0];
        let entity: Vec<(&str, Option<&str>)> = (entry.entity.iter())
            .map(|it| (&*it.entity_type, it.entity_name.as_deref()))
            .collect();
        assert_eq!(entity, [("user", Some("alice")), ("client-id", None)]);
        assert!((entry.ops[0].value - 1.5).abs() < f64::EPSILON && !entry.ops[0].remove);
    }

    #[test]
    fn what_is_no_quota_is_refused() {
        for (form, field) in [
            ("quota=producer_byte_rate&value=1", "user"),
            ("user=a&quota=producer_byte_rate", "value"),
            ("user=a&quota=producer_byte_rate&value=0", "value"),
            ("user=a&quota=producer_byte_rate&value=NaN", "value"),
            ("user=a&quota=producer_byte_rate&value=inf", "value"),
            ("user=a&value=1", "quota"),
        ] {
            let fault = request(&Form::of_pairs(form)).unwrap_err();
            assert_eq!(fault.field(), Some(field), "{form}");
        }
        let removed = Form::of_pairs("ip=1.2.3.4&quota=connection_creation_rate&step=remove");
        assert!(request(&removed).is_ok());
    }
}
