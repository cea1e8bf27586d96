//! A message that somebody writes: a new one, or one that is there, sent again as it is or with changes.

use maud::html;
use serde_json::json;

use super::read::{Bounds, TopicReader, Trouble};
use super::{asked::Reading, filtered};
use crate::client::{Consumed, partition_of_key};
use crate::metadata::image::TopicImage;
use crate::model::{Offset, Timestamp};
use crate::protocol::Str;
use crate::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::records::{BatchBuilder, Header, NewRecord};
use crate::web::pages::changes::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::web::pages::query::encoded;
use crate::web::pages::view::Known;
use crate::web::pages::ways::topic_path;

/// The longest link to a form with what is in a message: more would not fit the head of a request.
const LONGEST_LINK: usize = 6_000;

/// A new message.
pub(in crate::web::pages) static PRODUCE: Change = Change {
    path: "/change/produce",
    title: "Produce a message",
    about: "Writes one message, and waits until all replicas in sync have it.",
    steps: &[("run", "Produce")],
    fields: &[
        Field::new("topic", "Topic", Kind::Subject, "").required(),
        Field::new(
            "partition",
            "Partition",
            Kind::Number,
            "Left empty, the key decides, as with Kafka's own clients.",
        ),
        Field::new(
            "key",
            "Key",
            Kind::Value,
            "Left empty, there is none: it is null.",
        ),
        Field::new("empty_key", "The key is empty, not null", Kind::Check, ""),
        Field::new("value", "Value", Kind::Lines, "As it is written, as UTF-8."),
        Field::new(
            "null_value",
            "The value is null",
            Kind::Check,
            "Such a message deletes its key from a compacted topic.",
        ),
        Field::new(
            "headers",
            "Headers",
            Kind::Lines,
            "A line for each: name=value, or a name alone for null.",
        ),
    ],
    show: |known, form| {
        let topic = known.image.topics().by_name(form.text("topic"));
        html! {
            @if let Some(topic) = topic { p.about { "The topic has " (topic.partitions.len()) " partitions, from 0 on." } }
        }
    },
    run: |task| Box::pin(produce(task)),
    ..BASE
};

/// One that is there, again.
pub(in crate::web::pages) static RESEND: Change = Change {
    path: "/change/resend-message",
    title: "Send a message again",
    about: "Writes a copy of the message, byte by byte, behind the last one of its partition, with the time of now.",
    steps: &[("run", "Send again")],
    fields: &[
        Field::new("topic", "Topic", Kind::Subject, "").required(),
        Field::new("partition", "Partition", Kind::Number, "").required(),
        Field::new(
            "offset",
            "Offset",
            Kind::Number,
            "Of the message that is copied.",
        )
        .required(),
        Field::new(
            "to",
            "To another topic",
            Kind::Text,
            "Left empty, it goes to where it is from. In another topic the key decides on the partition.",
        ),
    ],
    run: |task| Box::pin(resend(task)),
    ..BASE
};

/// A message that is to be written.
#[derive(Debug, Default, PartialEq, Eq)]
struct New {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl New {
    fn typed(form: &Form) -> Self {
        let key = form.exactly("key");
        let is_there = !key.is_empty() || form.is_ticked("empty_key");
        // Browsers send lines as the network's protocols of old had them.
        let value = form.exactly("value").replace("\r\n", "\n");
        let header = |line: &str| match line.split_once('=') {
            Some((name, value)) => (name.into(), Some(value.into())),
            None => (line.into(), None),
        };
        Self {
            key: is_there.then(|| key.into()),
            value: (!form.is_ticked("null_value")).then(|| value.into()),
            headers: form.lines("headers").map(header).collect(),
        }
    }

    fn copy(record: &Consumed) -> Self {
        let headers = record.headers.iter();
        Self {
            key: record.key.as_ref().map(|it| it.to_vec()),
            value: record.value.as_ref().map(|it| it.to_vec()),
            headers: headers
                .map(|(name, value)| (name.to_vec(), value.as_ref().map(|it| it.to_vec())))
                .collect(),
        }
    }
}

fn topic<'a>(known: &'a Known, name: &str, field: &'static str) -> Result<&'a TopicImage, Fault> {
    let topic = known.image.topics().by_name(name);
    topic
        .map(|it| &**it)
        .ok_or_else(|| Fault::wrong(field, "There is no such topic."))
}

async fn produce(mut task: Task) -> Result<Outcome, Fault> {
    let new = New::typed(&task.form);
    let known = &task.known;
    let topic = topic(known, task.form.required("topic")?, "topic")?.clone();
    let partition = match task.form.number::<i32>("partition")? {
        Some(partition) => partition,
        None => chosen(&topic, &new, task.known.now_ms),
    };
    write(&mut task, &topic, partition, &new).await
}

async fn resend(mut task: Task) -> Result<Outcome, Fault> {
    let from = topic(&task.known, task.form.required("topic")?, "topic")?.clone();
    let needed = |it: Option<i64>, field| it.ok_or_else(|| Fault::wrong(field, "This is needed."));
    let partition = needed(task.form.number("partition")?, "partition")?;
    let partition = i32::try_from(partition).unwrap_or(-1);
    let offset = needed(task.form.number("offset")?, "offset")?;
    let nothing = || Fault::wrong("offset", "There is no message at this offset.");
    if from.partition(partition).is_none() || offset < 0 {
        return Err(nothing());
    }
    let address = task
        .cluster
        .options()
        .bootstrap
        .first()
        .cloned()
        .unwrap_or_default();
    let make = (
        Bounds::of_page(1),
        filtered(None, |_, record| record.clone()),
    );
    let reader = TopicReader::new(&address, &from.clone().into(), false, make);
    let record = match reader.one(partition, offset).await {
        Ok(record) => record.ok_or_else(nothing)?,
        Err(Trouble::Cluster(why) | Trouble::Asked(why)) => return Err(Fault::Silence(why)),
        Err(Trouble::Busy | Trouble::Streams) => {
            return Err(Fault::Silence("others read messages here".to_owned()));
        }
    };
    let new = New::copy(&record);
    match task.form.text("to") {
        "" => write(&mut task, &from, partition, &new).await,
        name => {
            let to = topic(&task.known, name, "to")?.clone();
            let partition = chosen(&to, &new, task.known.now_ms);
            write(&mut task, &to, partition, &new).await
        }
    }
}

/// The partition that a message belongs to; without a key any.
fn chosen(topic: &TopicImage, new: &New, now_ms: i64) -> i32 {
    let count = topic.partitions.len().max(1);
    let chosen = match &new.key {
        Some(key) => partition_of_key(key, count),
        None => usize::try_from(now_ms).unwrap_or_default() % count,
    };
    i32::try_from(chosen).unwrap_or_default()
}

async fn write(
    task: &mut Task,
    topic: &TopicImage,
    partition: i32,
    new: &New,
) -> Result<Outcome, Fault> {
    let Some(state) = topic.partition(partition) else {
        return Err(Fault::wrong("partition", "There is no such partition."));
    };
    let headers: Vec<Header<'_>> = (new.headers.iter())
        .map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect();
    let mut batch = BatchBuilder::new(Offset(0));
    batch.append(NewRecord {
        timestamp: Timestamp(task.known.now_ms),
        key: new.key.as_deref(),
        value: new.value.as_deref(),
        headers: &headers,
    });
    let timeout = task.cluster.options().request_timeout.as_millis();
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
        topic_data: vec![TopicProduceData {
            name: Str::from(&topic.name),
            topic_id: topic.id,
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(batch.build()),
            }],
        }],
    };
    // Once only: a second attempt might write it twice.
    let leader = state.leader.0;
    let answer = task.cluster.ask_leader(leader, &request).await?;
    let answer = answer.ok_or_else(|| Fault::Silence(format!("broker {leader} is silent")))?;
    let topics = answer.responses.into_iter();
    let answered = topics.flat_map(|it| it.partition_responses).next();
    let answered = answered.ok_or_else(|| Fault::Silence("the answer is empty".to_owned()))?;
    Fault::check(answered.error_code, answered.error_message)?;
    let offset = answered.base_offset;
    let name = &topic.name;
    Ok(Outcome::Done {
        sentence: format!("The message is in partition {partition} of {name}, at offset {offset}."),
        place: format!("{}/messages/{partition}/{offset}", topic_path(name)),
        told: json!({ "partition": partition, "offset": offset }),
    })
}

/// Links to what can be done with a message: to send it again, and to change a copy where it is text and short.
pub(super) fn links(topic: &str, partition: i32, record: &Consumed) -> Vec<(&'static str, String)> {
    let offset = record.offset;
    let name = encoded(topic);
    let again = format!(
        "{}?topic={name}&partition={partition}&offset={offset}",
        RESEND.path
    );
    let mut links = vec![("Send again", again)];
    links.extend(edit_link(&name, record).map(|link| ("Edit a copy", link)));
    links
}

fn edit_link(topic: &str, record: &Consumed) -> Option<String> {
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|it| it.len() <= LONGEST_LINK)?;
        // A field would not give these back as they are.
        (!text.contains(['\0', '\r'])).then(|| encoded(text))
    };
    let mut link = format!("{}?topic={topic}", PRODUCE.path);
    match record.key.as_deref() {
        None => {}
        Some([]) => link.push_str("&empty_key=true"),
        Some(key) if key.contains(&b'\n') => return None,
        Some(key) => link.push_str(&format!("&key={}", text(key)?)),
    }
    match record.value.as_deref() {
        None => link.push_str("&null_value=true"),
        Some(value) => link.push_str(&format!("&value={}", text(value)?)),
    }
    let mut headers = String::new();
    for (name, value) in &record.headers {
        let is_plain = !name.contains(&b'=') && !name.is_empty();
        let name = text(name).filter(|_| is_plain)?;
        headers.push_str(&name);
        if let Some(value) = value {
            headers.push_str(&format!("%3D{}", text(value)?));
        }
        headers.push_str("%0A");
    }
    if headers.matches("%0A").count() != record.headers.len() {
        return None;
    }
    if !headers.is_empty() {
        link.push_str(&format!("&headers={headers}"));
    }
    (link.len() <= LONGEST_LINK).then_some(link)
}

/// The link to the form of a new message.
pub(super) fn new_link(topic: &str, reading: &Reading) -> String {
    let link = format!("{}?topic={}", PRODUCE.path, encoded(topic));
    match reading.partition {
        Some(partition) => format!("{link}&partition={partition}"),
        None => link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Compression, TimestampType};
    use bytes::Bytes;

    fn record(
        key: Option<&'static str>,
        value: Option<&'static str>,
        headers: &[(&'static str, Option<&'static str>)],
    ) -> Consumed {
        let bytes = |it: &'static str| Bytes::from_static(it.as_bytes());
        Consumed {
            offset: 7,
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            key: key.map(bytes),
            value: value.map(bytes),
            headers: headers
                .iter()
                .map(|(name, value)| (bytes(name), value.map(bytes)))
                .collect(),
            size: 0,
            compression: Compression::None,
        }
    }

    #[test]
    fn a_copy_that_is_edited_by_its_link_is_the_same_message() {
        for it in [
            record(None, None, &[]),
            record(Some(""), Some(""), &[]),
            record(
                Some("k=&?<"),
                Some("{\n \"a\": \"b+c\"\n}"),
                &[("h", Some("a=b")), ("n", None)],
            ),
        ] {
            let link = edit_link("t", &it).expect("a link");
            let form = Form::of_pairs(link.split_once('?').expect("a query").1);
            assert_eq!(New::typed(&form), New::copy(&it), "{link}");
        }
    }

    #[test]
    fn what_a_form_would_not_give_back_as_it_is_has_no_link() {
        for it in [
            record(Some("a\nb"), None, &[]),
            record(None, Some("a\r\nb"), &[]),
            record(None, None, &[("a=b", Some("c"))]),
            record(None, None, &[("a", Some("b\nc"))]),
        ] {
            assert_eq!(edit_link("t", &it), None);
        }
    }
}
