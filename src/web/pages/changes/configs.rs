//! Configs of topics and brokers: set, and reset to what they are without that.

use maud::{Markup, html};

use super::asking::{BROKER, TOPIC, alter_configs, config, page_of};
use super::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::web::pages::detail::Detail;
use crate::web::pages::render;
use crate::web::pages::survey::Config;
use crate::web::pages::view::Known;

/// The step that resets a config.
const RESET: &str = "reset";
const STEPS: &[(&str, &str)] = &[("run", "Set"), (RESET, "Reset")];

const NAME: Field = Field::new("name", "Config", Kind::Subject, "").required();
const VALUE: Field = Field::new(
    "value",
    "Value",
    Kind::Value,
    "Reset takes it away: what counts then is what is below it, in the order topic, broker, all brokers, file, default.",
);

/// A config of a topic.
pub(super) static OF_TOPIC: Change = Change {
    path: "/change/topic-config",
    title: "Change a config of a topic",
    steps: STEPS,
    fields: &[
        Field::new("topic", "Topic", Kind::Subject, "").required(),
        NAME,
        VALUE,
    ],
    detail: |form| Some(Detail::Topic(form.text("topic").to_owned())),
    fill,
    show,
    run: |task| Box::pin(alter_topic(task)),
    ..BASE
};

/// A config of a broker, or of all.
pub(super) static OF_BROKER: Change = Change {
    path: "/change/broker-config",
    title: "Change a config of brokers",
    place: "/brokers",
    steps: STEPS,
    fields: &[
        Field::new(
            "broker",
            "For",
            Kind::Broker,
            "A value for one broker counts for more than one for all.",
        ),
        NAME,
        VALUE,
    ],
    detail: |form| Some(Detail::Broker(form.text("broker").parse().ok()?)),
    fill,
    show,
    run: |task| Box::pin(alter_broker(task)),
    ..BASE
};

/// What a config is now.
fn current<'a>(known: &'a Known, form: &Form) -> Option<&'a Config> {
    let details = known.details.as_ref()?;
    let mut configs = details.configs.as_ref().ok()?.iter();
    configs.find(|it| it.name == form.text("name"))
}

fn fill(known: &Known, form: &mut Form) {
    let value = current(known, form).and_then(|it| it.value.clone());
    if let Some(value) = value.filter(|_| form.text("value").is_empty()) {
        form.set("value", value);
    }
}

fn show(known: &Known, form: &Form) -> Markup {
    html! {
        @if let Some(config) = current(known, form) {
            p.about {
                @if let Some(text) = &config.documentation { (text) }
            }
            p.about {
                "It is now "
                @if config.is_secret { "hidden" }
                @else if let Some(value) = &config.value { code { (value) } }
                @else { "unset" }
                ", from " (render::source(config.source))
            }
        }
    }
}

/// The new value of a config; `None` where it is reset.
fn value(form: &Form) -> Option<&str> {
    (form.text("step") != RESET).then(|| form.text("value"))
}

fn done(form: &Form, whose: &str, place: String) -> Outcome {
    let name = form.text("name");
    let what = if value(form).is_some() {
        "set"
    } else {
        "reset"
    };
    Outcome::done(format!("{name} of {whose} is {what}."), place)
}

async fn alter_topic(mut task: Task) -> Result<Outcome, Fault> {
    let form = &task.form;
    let topic = form.required("topic")?;
    let change = config(form.required("name")?, value(form));
    alter_configs(&mut task.cluster, (TOPIC, topic), vec![change]).await?;
    Ok(done(form, &format!("topic {topic}"), page_of(topic)))
}

async fn alter_broker(mut task: Task) -> Result<Outcome, Fault> {
    let form = &task.form;
    let broker = match form.number::<i32>("broker")? {
        Some(id) => id.to_string(),
        None => String::new(),
    };
    let change = config(form.required("name")?, value(form));
    alter_configs(&mut task.cluster, (BROKER, &broker), vec![change]).await?;
    if broker.is_empty() {
        return Ok(done(form, "all brokers", "/brokers".to_owned()));
    }
    Ok(done(
        form,
        &format!("broker {broker}"),
        format!("/brokers/{broker}"),
    ))
}
