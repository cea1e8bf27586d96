//! Records of a topic: its partitions begin later, and what was before is gone.

use std::collections::BTreeMap;

use maud::html;
use serde_json::json;

use super::asking::{page_of, timeout_ms};
use super::topics::confirmed;
use super::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::client::{Cluster, PartitionKey};
use crate::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::{ErrorCode, Str};
use crate::web::pages::detail::Detail;
use crate::web::pages::frame::signed;
use crate::web::pages::view::Known;

/// The offset that stands for the end of a partition.
const ALL: i64 = -1;

/// Records go.
pub(super) static DELETE: Change = Change {
    path: "/change/delete-records",
    title: "Delete records",
    about: "The records before an offset go, and nothing brings them back. Topics that are only compacted can't be asked for it.",
    steps: &[("run", "Delete records")],
    destroys: true,
    fields: &[
        Field::new("topic", "Topic", Kind::Subject, "").required(),
        Field::new(
            "partition",
            "Partition",
            Kind::Number,
            "Left empty, all partitions.",
        ),
        Field::new(
            "offset",
            "First offset that stays",
            Kind::Number,
            "Left empty, none stays that is there now.",
        ),
        Field::new(
            "confirm",
            "Type the topic's name",
            Kind::Text,
            "So that it is the right one.",
        )
        .required(),
    ],
    detail: |form| Some(Detail::Topic(form.text("topic").to_owned())),
    show: |known, form| {
        let (records, partitions) = held(known, form);
        html! {
            p.about { "It holds about " (signed(records)) " records in " (partitions) " partitions now." }
        }
    },
    run: |task| Box::pin(delete(task)),
    ..BASE
};

/// How many records a topic holds at the most, and its partitions.
fn held(known: &Known, form: &Form) -> (i64, usize) {
    let name = form.text("topic");
    let Some(topic) = known.image.topics().by_name(name) else {
        return (0, 0);
    };
    let starts = known.details.as_ref().map(|it| &it.starts);
    let of_partition = |index: &i32| {
        let start = starts
            .and_then(|it| it.get(index))
            .copied()
            .unwrap_or_default();
        known.end(name, *index).map_or(0, |end| end - start)
    };
    let records = topic
        .partitions
        .iter()
        .map(|(index, _)| of_partition(index));
    (records.sum(), topic.partitions.len())
}

/// The partitions that are meant, and the offset up to which their records go.
fn wanted(form: &Form, known: &Known) -> Result<(Vec<PartitionKey>, i64), Fault> {
    let name = Str::copy_from(confirmed(form)?);
    let offset = match form.number("offset")? {
        Some(..0) => return Err(Fault::wrong("offset", "This has to be 0 or more.")),
        offset => offset.unwrap_or(ALL),
    };
    let partitions = match (
        form.number("partition")?,
        known.image.topics().by_name(&name),
    ) {
        (Some(partition), _) => vec![partition],
        (None, Some(topic)) => topic.partitions.iter().map(|(index, _)| *index).collect(),
        (None, None) => return Err(Fault::wrong("topic", "There is no such topic.")),
    };
    let keys = partitions.into_iter().map(|it| (name.clone(), it));
    Ok((keys.collect(), offset))
}

async fn delete(mut task: Task) -> Result<Outcome, Fault> {
    let (keys, offset) = wanted(&task.form, &task.known)?;
    let topic = keys.first().map(|key| key.0.clone()).unwrap_or_default();
    let starts = delete_before(&mut task.cluster, &topic, &keys, offset).await?;
    let sentence = match starts.iter().next() {
        Some((partition, start)) if starts.len() == 1 => {
            format!("Partition {partition} of {topic} begins at offset {start} now.")
        }
        _ => format!(
            "The records of {} partitions of {topic} are deleted.",
            starts.len()
        ),
    };
    Ok(Outcome::Done {
        sentence,
        place: page_of(&topic),
        told: json!({ "first_offsets": starts }),
    })
}

/// Asks all leaders; the first offsets of the partitions then.
async fn delete_before(
    cluster: &mut Cluster,
    topic: &Str,
    keys: &[PartitionKey],
    offset: i64,
) -> Result<BTreeMap<i32, i64>, Fault> {
    cluster
        .refresh(Some(std::slice::from_ref(topic)), false)
        .await?;
    let led = cluster.by_leader(keys.iter());
    let found: usize = led.values().map(Vec::len).sum();
    if found < keys.len() {
        return Err(Fault::Refused {
            code: ErrorCode::LEADER_NOT_AVAILABLE,
            text: "a partition has no leader, or is not there; nothing was deleted".to_owned(),
        });
    }
    let mut starts = BTreeMap::new();
    for (leader, keys) in led {
        let partition = |(_, partition_index): &PartitionKey| DeleteRecordsPartition {
            partition_index: *partition_index,
            offset,
        };
        let request = DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: topic.clone(),
                partitions: keys.iter().map(partition).collect(),
            }],
            timeout_ms: timeout_ms(cluster),
        };
        let answer = cluster.ask_leader(leader, &request).await?;
        let answer = answer.ok_or_else(|| Fault::Silence(format!("broker {leader} is silent")))?;
        for it in answer.topics.into_iter().flat_map(|it| it.partitions) {
            if it.error_code.is_error() {
                return Err(Fault::Refused {
                    code: it.error_code,
                    text: format!(
                        "partition {}: {}",
                        it.partition_index,
                        it.error_code.message()
                    ),
                });
            }
            starts.insert(it.partition_index, it.low_watermark);
        }
    }
    Ok(starts)
}
