//! Topics: created, deleted, given more partitions.

use std::collections::BTreeMap;

use super::asking::{not_controller, page_of, so_many, timeout_ms};
use super::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::client::To;
use crate::protocol::Str;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};

/// A new topic.
pub(super) static CREATE: Change = Change {
    path: "/change/create-topic",
    title: "Create a topic",
    about: "Topics hold records, in partitions that are copied to several brokers.",
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
    run: |task| Box::pin(create(task)),
    ..BASE
};

/// A topic goes.
pub(super) static DELETE: Change = Change {
    path: "/change/delete-topic",
    title: "Delete a topic",
    about: "All its records go, on all brokers, and nothing brings them back.",
    steps: &[("run", "Delete it")],
    destroys: true,
    fields: &[
        Field::new("topic", "Topic", Kind::Subject, "").required(),
        Field::new(
            "confirm",
            "Type its name",
            Kind::Text,
            "So that it is the right one.",
        )
        .required(),
    ],
    run: |task| Box::pin(delete(task)),
    ..BASE
};

/// A topic gets more partitions.
pub(super) static ADD_PARTITIONS: Change = Change {
    path: "/change/add-partitions",
    title: "Add partitions",
    about: "A topic can get more partitions, and never fewer. Records are placed by their keys: those of a key \
            may go to another partition from then on.",
    steps: &[("run", "Add")],
    fields: &[
        Field::new("topic", "Topic", Kind::Subject, "").required(),
        Field::new(
            "partitions",
            "Partitions then",
            Kind::Number,
            "How many it shall have in all.",
        )
        .required(),
    ],
    fill: |known, form| {
        if let Some(topic) = known.image.topics().by_name(form.text("topic")) {
            form.set("partitions", topic.partitions.len().to_string());
        }
    },
    run: |task| Box::pin(add_partitions(task)),
    ..BASE
};

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

/// Checks that the name of the topic was typed once more.
pub(super) fn confirmed(form: &Form) -> Result<&str, Fault> {
    let topic = form.required("topic")?;
    if form.required("confirm")? == topic {
        return Ok(topic);
    }
    Err(Fault::wrong("confirm", "This is not its name."))
}

async fn delete(mut task: Task) -> Result<Outcome, Fault> {
    let name = Str::copy_from(confirmed(&task.form)?);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(name.clone()),
            ..DeleteTopicState::default()
        }],
        topic_names: vec![name.clone()],
        timeout_ms: timeout_ms(&task.cluster),
    };
    let asking = task.cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(answer.responses.iter().map(|it| it.error_code))
    });
    for result in asking.await?.responses {
        Fault::check(result.error_code, result.error_message)?;
    }
    Ok(Outcome::done(
        format!("Topic {name} is deleted."),
        "/topics".to_owned(),
    ))
}

async fn add_partitions(mut task: Task) -> Result<Outcome, Fault> {
    let name = Str::copy_from(task.form.required("topic")?);
    task.form.required("partitions")?;
    let count: i32 = task.form.number("partitions")?.unwrap_or_default();
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: name.clone(),
            count,
            assignments: None,
        }],
        timeout_ms: timeout_ms(&task.cluster),
        validate_only: false,
    };
    let asking = task.cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(answer.results.iter().map(|it| it.error_code))
    });
    for result in asking.await?.results {
        Fault::check(result.error_code, result.error_message)?;
    }
    let sentence = format!(
        "Topic {name} has {} now.",
        so_many(count.max(0) as usize, "partition")
    );
    Ok(Outcome::done(sentence, page_of(&name)))
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
