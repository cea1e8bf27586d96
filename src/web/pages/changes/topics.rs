//! Topics: created, deleted, given more partitions.

use std::collections::BTreeMap;

use maud::html;

use super::{Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::client::{Cluster, To};
use crate::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::{ErrorCode, Str};
use crate::web::pages::query::encoded;

/// A new topic.
pub(super) static CREATE: Change = Change {
    path: "/change/create-topic",
    title: "Create a topic",
    about: "Topics hold records, in partitions that are copied to several brokers.",
    place: "/topics",
    steps: &[("run", "Create")],
    fields: &[
        Field::new(
            "topic",
            "Name",
            Kind::Text,
            "Letters, digits, dots, underscores and hyphens.",
        )
        .required(),
        Field::new(
            "partitions",
            "Partitions",
            Kind::Number,
            "Left empty, as many as num.partitions says.",
        ),
        Field::new(
            "replication_factor",
            "Replicas of each",
            Kind::Number,
            "Left empty, as many as default.replication.factor says.",
        ),
        Field::new(
            "configs",
            "Configs",
            Kind::Lines,
            "One in each line, as in retention.ms=3600000.",
        ),
    ],
    detail: |_| None,
    show: |_, _| html! {},
    run: |task| Box::pin(create(task)),
};

/// The path of a topic's page.
pub(super) fn page_of(topic: &str) -> String {
    format!("/topics/{}", encoded(topic))
}

/// How long the cluster may work on a request.
pub(super) fn timeout_ms(cluster: &Cluster) -> i32 {
    i32::try_from(cluster.options().request_timeout.as_millis()).unwrap_or(i32::MAX)
}

/// The one error that is worth another attempt, at another controller.
pub(super) fn not_controller(mut codes: impl Iterator<Item = ErrorCode>) -> ErrorCode {
    let found = codes.find(|code| *code == ErrorCode::NOT_CONTROLLER);
    found.unwrap_or(ErrorCode::NONE)
}

async fn create(mut task: Task) -> Result<Outcome, Fault> {
    let topic = new_topic(&task.form)?;
    let name = topic.name.clone();
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: timeout_ms(&task.cluster),
        validate_only: false,
    };
    let asking = task.cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(answer.topics.iter().map(|it| it.error_code))
    });
    for result in asking.await?.topics {
        Fault::check(result.error_code, result.error_message)?;
    }
    Ok(Outcome::done(
        format!("Topic {name} is created."),
        page_of(&name),
    ))
}

fn new_topic(form: &Form) -> Result<CreatableTopic, Fault> {
    let positive = |name, number: Option<i32>| match number {
        Some(..1) => Err(Fault::wrong(name, "This has to be 1 or more.")),
        number => Ok(number.unwrap_or(-1)),
    };
    let factor = form.number::<i16>("replication_factor")?.map(i32::from);
    let factor = positive("replication_factor", factor)?;
    let configs = pairs(form)?.into_iter();
    Ok(CreatableTopic {
        name: Str::copy_from(form.required("topic")?),
        num_partitions: positive("partitions", form.number("partitions")?)?,
        replication_factor: i16::try_from(factor).unwrap_or(-1),
        assignments: Vec::new(),
        configs: configs
            .map(|(name, value)| CreatableTopicConfig {
                name: Str::copy_from(name),
                value: Some(Str::copy_from(value)),
            })
            .collect(),
    })
}

/// The configs of a form, by name.
fn pairs(form: &Form) -> Result<BTreeMap<&str, &str>, Fault> {
    let mut pairs = BTreeMap::new();
    for line in form.lines("configs") {
        let Some((name, value)) = line.split_once('=') else {
            let text = format!("{line:?} is not as in name=value.");
            return Err(Fault::wrong("configs", text));
        };
        if pairs.insert(name.trim(), value.trim()).is_some() {
            let text = format!("{:?} is set twice.", name.trim());
            return Err(Fault::wrong("configs", text));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_the_request_for_a_topic() {
        let form = "topic=a&partitions=3&replication_factor=&configs=x%3Da%3Db%0D%0Ay%3D";

        let topic = new_topic(&Form::of_pairs(form)).unwrap();

        assert_eq!(topic.name, "a");
        assert_eq!((topic.num_partitions, topic.replication_factor), (3, -1));
        let configs = topic.configs.iter();
        let configs: Vec<(&str, &str)> = configs
            .map(|it| (&*it.name, it.value.as_deref().unwrap()))
            .collect();
        assert_eq!(configs, [("x", "a=b"), ("y", "")]);
    }

    #[test]
    fn what_is_wrong_is_told_of_its_field() {
        for (form, field) in [
            ("partitions=1", "topic"),
            ("topic=a&partitions=0", "partitions"),
            ("topic=a&partitions=x", "partitions"),
            ("topic=a&replication_factor=-1", "replication_factor"),
            ("topic=a&replication_factor=40000", "replication_factor"),
            ("topic=a&configs=x", "configs"),
            ("topic=a&configs=x%3D1%0Ax%3D2", "configs"),
        ] {
            let fault = new_topic(&Form::of_pairs(form)).unwrap_err();
            assert_eq!(fault.field(), Some(field), "{form}");
        }
    }
}
