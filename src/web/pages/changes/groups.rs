//! Groups: what they have committed is reset, and they are deleted. Neither while they have members.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Serialize;
use serde_json::json;

use super::asking::so_many;
use super::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::client::{Cluster, PartitionKey, To, offset_commit, offsets_at};
use crate::protocol::messages::delete_groups::DeleteGroupsRequest;
use crate::protocol::{ErrorCode, Str};
use crate::web::pages::frame::{maybe, number, plain_head, signed, text};
use crate::web::pages::query::encoded;
use crate::web::pages::survey::Group;
use crate::web::pages::time;
use crate::web::pages::view::Known;

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
const RUN: &str = "run";
/// The last version of OffsetCommit that names topics by their names.
const LAST_WITH_NAMES: i16 = 9;

/// Other offsets are committed.
pub(super) static RESET: Change = Change {
    path: "/change/reset-offsets",
    title: "Reset the offsets of a group",
    about: "What the group reads next is what is set here. It has to be stopped: its members would commit over it.",
    place: "/groups",
    steps: &[("preview", "Show what it would do"), (RUN, "Reset")],
    fields: &[
        Field::new("group", "Group", Kind::Subject, "").required(),
        Field::new(
            "topic",
            "Topic",
            Kind::Text,
            "Left empty, all that it has committed offsets of.",
        ),
        Field::new(
            "partition",
            "Partition",
            Kind::Number,
            "Left empty, all of the topic.",
        ),
        Field::new(
            "to",
            "To",
            Kind::Choice(&[
                ("earliest", "the first record"),
                ("latest", "the end"),
                ("offset", "an offset"),
                ("time", "the first record since a time"),
                ("shift", "so many records on or back"),
            ]),
            "",
        ),
        Field::new(
            "value",
            "Offset, time or number",
            Kind::Text,
            "An offset; a time in UTC (2026-01-31T12:00), in ms since 1970, or as so long ago: 30m, 2h, 7d; 10 for ten on, -10 for ten back.",
        ),
    ],
    run: |task| Box::pin(reset(task)),
    ..BASE
};

/// A group goes.
pub(super) static DELETE: Change = Change {
    path: "/change/delete-group",
    title: "Delete a group",
    about: "What it has committed goes. A group that comes back begins where auto.offset.reset of its clients says.",
    place: "/groups",
    steps: &[(RUN, "Delete it")],
    destroys: true,
    fields: &[
        Field::new("group", "Group", Kind::Subject, "").required(),
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

type Offsets = BTreeMap<PartitionKey, i64>;

/// Where to.
#[derive(Debug, PartialEq, Eq)]
enum Aim {
    /// As ListOffsets has it: [`EARLIEST`], [`LATEST`], or ms since 1970.
    Time(i64),
    Offset(i64),
    Shift(i64),
}

/// A partition of a group.
#[derive(Debug, Serialize)]
struct Row {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    then: i64,
    /// Records that it has yet to read then.
    lag: Option<i64>,
}

impl Aim {
    fn of(form: &Form, now_ms: i64) -> Result<Self, Fault> {
        let number = || {
            let number = form.number("value")?;
            number.ok_or_else(|| Fault::wrong("value", "This is needed."))
        };
        match form.text("to") {
            "" | "earliest" => Ok(Self::Time(EARLIEST)),
            "latest" => Ok(Self::Time(LATEST)),
            "offset" => match number()? {
                ..0 => Err(Fault::wrong("value", "An offset is 0 or more.")),
                offset => Ok(Self::Offset(offset)),
            },
            "shift" => Ok(Self::Shift(number()?)),
            "time" => {
                let time = told_time(form.required("value")?, now_ms).filter(|time| *time >= 0);
                let time = time.ok_or_else(|| Fault::wrong("value", "This is no time."))?;
                Ok(Self::Time(time))
            }
            _ => Err(Fault::wrong("to", "There is no such choice.")),
        }
    }
}

/// A time, which may also be told as so long ago.
fn told_time(text: &str, now_ms: i64) -> Option<i64> {
    const UNITS: [(char, i64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let unit = UNITS.iter().find(|unit| text.ends_with(unit.0));
    let Some((letter, seconds)) = unit else {
        return time::read(text);
    };
    let count: i64 = text.trim_end_matches(*letter).trim().parse().ok()?;
    now_ms.checked_sub(count.checked_mul(seconds * 1_000)?)
}

fn group<'a>(known: &'a Known, id: &str) -> Option<&'a Group> {
    let mut groups = known.survey.brokers.values().flat_map(|told| &told.groups);
    groups.find(|group| *group.id == *id)
}

/// The partitions that are meant.
fn scope(known: &Known, form: &Form, group: Option<&Group>) -> Result<Vec<PartitionKey>, Fault> {
    let only: Option<i32> = form.number("partition")?;
    let name = form.text("topic");
    let mut keys: Vec<PartitionKey> = if name.is_empty() {
        let committed = group.into_iter().flat_map(|it| it.committed.keys());
        committed.cloned().collect()
    } else {
        let topic = known.image.topics().by_name(name);
        let topic = topic.ok_or_else(|| Fault::wrong("topic", "There is no such topic."))?;
        let partitions = topic.partitions.iter();
        partitions
            .map(|(index, _)| (Str::copy_from(name), *index))
            .collect()
    };
    keys.retain(|key| only.is_none_or(|only| only == key.1));
    // Offsets of topics that are gone lead nowhere.
    keys.retain(|key| known.image.topics().by_name(&key.0).is_some());
    if keys.is_empty() {
        let text = "The group has committed nothing of this: name a topic, and no partition or one that is there.";
        return Err(Fault::wrong("topic", text));
    }
    Ok(keys)
}

/// Where partitions are at a time.
async fn at(cluster: &mut Cluster, keys: &[PartitionKey], time: i64) -> Result<Offsets, Fault> {
    let wanted = keys.iter().map(|key| (key.clone(), time)).collect();
    let found = offsets_at(cluster, wanted, false).await?;
    match found.refused.into_iter().next() {
        None => Ok(found.found),
        Some(((topic, partition), code)) => Err(Fault::Refused {
            code,
            text: format!("{topic}-{partition}: {}", code.message()),
        }),
    }
}

/// The new offsets, none of them outside of its partition.
fn aimed(
    aim: &Aim,
    keys: &[PartitionKey],
    committed: &Offsets,
    (starts, found, ends): (&Offsets, &Offsets, &Offsets),
) -> Result<Offsets, Fault> {
    let mut offsets = Offsets::new();
    for key in keys {
        let (start, end) = (
            starts.get(key).copied().unwrap_or(0),
            ends.get(key).copied().unwrap_or(0),
        );
        let aimed = match aim {
            // Without a record since then, the end.
            Aim::Time(_) => found.get(key).copied().unwrap_or(end),
            Aim::Offset(offset) => *offset,
            Aim::Shift(count) => match committed.get(key) {
                Some(offset) => offset.saturating_add(*count),
                None => {
                    let text = format!("{}-{} has no offset that could be shifted.", key.0, key.1);
                    return Err(Fault::wrong("to", text));
                }
            },
        };
        offsets.insert(key.clone(), aimed.min(end).max(start));
    }
    Ok(offsets)
}

async fn reset(mut task: Task) -> Result<Outcome, Fault> {
    let id = Str::copy_from(task.form.required("group")?);
    let aim = Aim::of(&task.form, task.known.now_ms)?;
    let group = group(&task.known, &id);
    if let Some(members) = group.map(|it| it.members.len()).filter(|count| *count > 0) {
        return Err(Fault::Refused {
            code: ErrorCode::NON_EMPTY_GROUP,
            text: format!(
                "the group has {}, which have to be stopped first",
                so_many(members, "member")
            ),
        });
    }
    let keys = scope(&task.known, &task.form, group)?;
    let committed = group.into_iter().flat_map(|it| &it.committed);
    let committed: Offsets = committed
        .map(|(key, it)| (key.clone(), it.offset))
        .collect();
    let mut topics: Vec<Str> = keys.iter().map(|key| key.0.clone()).collect();
    topics.dedup();
    let cluster = &mut task.cluster;
    cluster.refresh(Some(&topics), false).await?;
    let (starts, ends) = (
        at(cluster, &keys, EARLIEST).await?,
        at(cluster, &keys, LATEST).await?,
    );
    let found = match aim {
        Aim::Time(time) => at(cluster, &keys, time).await?,
        Aim::Offset(_) | Aim::Shift(_) => Offsets::new(),
    };
    let offsets = aimed(&aim, &keys, &committed, (&starts, &found, &ends))?;
    let rows: Vec<Row> = offsets
        .iter()
        .map(|(key, then)| Row {
            topic: key.0.to_string(),
            partition: key.1,
            committed: committed.get(key).copied(),
            then: *then,
            lag: ends.get(key).map(|end| end - then),
        })
        .collect();
    if task.form.text("step") != RUN {
        return Ok(Outcome::Preview {
            shown: table(&rows),
            told: json!({ "offsets": rows }),
            form: task.form,
        });
    }
    commit(cluster, &id, &offsets).await?;
    Ok(Outcome::Done {
        sentence: format!(
            "The offsets of {} of group {id} are reset.",
            so_many(rows.len(), "partition")
        ),
        place: format!("/group?id={}", encoded(&id)),
        told: json!({ "offsets": rows }),
    })
}

fn table(rows: &[Row]) -> Markup {
    let columns = [
        text("Partition", ""),
        number("Committed now", ""),
        number("Then", ""),
        number("Lag then", ""),
    ];
    html! {
        div.verdict.warn role="status" { p { "Nothing is reset yet. This is what it would do." } }
        div.wide { table {
            (plain_head(&columns))
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (row.topic) "-" (row.partition) }
                        td.n { (maybe(row.committed, signed)) }
                        td.n { (signed(row.then)) }
                        td.n { (maybe(row.lag, signed)) }
                    }
                }
            }
        } }
    }
}

async fn commit(cluster: &mut Cluster, group: &Str, offsets: &Offsets) -> Result<(), Fault> {
    let request = offset_commit(group.clone(), offsets);
    let asking = cluster.ask_within(
        To::Group(group),
        &request,
        &(2..=LAST_WITH_NAMES),
        |answer| {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            passing(partitions.map(|it| it.error_code))
        },
    );
    let answer = asking.await?;
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    match partitions.find(|it| it.error_code.is_error()) {
        None => Ok(()),
        Some(it) => Fault::check(it.error_code, None),
    }
}

/// An error of a coordinator that is another one, or not ready: worth another attempt.
fn passing(mut codes: impl Iterator<Item = ErrorCode>) -> ErrorCode {
    let passes = [
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_COORDINATOR,
    ];
    codes
        .find(|code| passes.contains(code))
        .unwrap_or(ErrorCode::NONE)
}

async fn delete(mut task: Task) -> Result<Outcome, Fault> {
    let id = Str::copy_from(task.form.required("group")?);
    if task.form.required("confirm")? != &*id {
        return Err(Fault::wrong("confirm", "This is not its name."));
    }
    let request = DeleteGroupsRequest {
        groups_names: vec![id.clone()],
    };
    let asking = task.cluster.ask_until(To::Group(&id), &request, |answer| {
        passing(answer.results.iter().map(|it| it.error_code))
    });
    for result in asking.await?.results {
        Fault::check(result.error_code, result.error_message)?;
    }
    Ok(Outcome::done(
        format!("Group {id} is deleted."),
        "/groups".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(all: &[(i32, i64)]) -> Offsets {
        all.iter()
            .map(|(partition, offset)| ((Str::from_static("t"), *partition), *offset))
            .collect()
    }

    fn reset_to(aim: &Aim) -> Vec<i64> {
        let keys: Vec<PartitionKey> = offsets(&[(0, 0), (1, 0)]).into_keys().collect();
        let (starts, ends) = (offsets(&[(0, 10), (1, 0)]), offsets(&[(0, 20), (1, 5)]));
        let found = offsets(&[(0, 15)]);
        let committed = offsets(&[(0, 12), (1, 4)]);
        let aimed = aimed(aim, &keys, &committed, (&starts, &found, &ends));
        aimed.unwrap().into_values().collect()
    }

    #[test]
    fn no_offset_is_outside_of_its_partition() {
        assert_eq!(
            reset_to(&Aim::Time(1)),
            [15, 5],
            "the end where there is none"
        );
        assert_eq!(reset_to(&Aim::Offset(7)), [10, 5]);
        assert_eq!(reset_to(&Aim::Shift(-3)), [10, 1]);
        assert_eq!(reset_to(&Aim::Shift(i64::MAX)), [20, 5]);
        assert_eq!(reset_to(&Aim::Shift(i64::MIN)), [10, 0]);
    }

    #[test]
    fn what_was_not_committed_is_not_shifted() {
        let keys: Vec<PartitionKey> = offsets(&[(0, 0)]).into_keys().collect();
        let none = Offsets::new();

        let aimed = aimed(&Aim::Shift(1), &keys, &none, (&none, &none, &none));

        assert_eq!(aimed.unwrap_err().field(), Some("to"));
    }

    #[test]
    fn an_aim_has_the_number_that_it_needs() {
        let aim = |text| Aim::of(&Form::of_pairs(text), 10_000_000);

        assert_eq!(aim(""), Ok(Aim::Time(EARLIEST)));
        assert_eq!(aim("to=shift&value=-10"), Ok(Aim::Shift(-10)));
        assert_eq!(aim("to=time&value=5"), Ok(Aim::Time(5)));
        assert_eq!(aim("to=time&value=2h"), Ok(Aim::Time(2_800_000)));
        assert_eq!(
            aim("to=time&value=1970-01-02T00:00"),
            Ok(Aim::Time(86_400_000))
        );
        for wrong in [
            "to=time",
            "to=time&value=h",
            "to=time&value=1d",
            "to=time&value=9999999999999999d",
            "to=offset",
            "to=offset&value=-1",
            "to=shift&value=x",
            "to=up",
            "to=time&value=-5",
        ] {
            assert!(aim(wrong).is_err(), "{wrong}");
        }
    }
}
