//! Partitions move to other brokers, and get more or fewer replicas: proposed (`plan`), looked at, begun with a limit
//! (`throttle`), cancelled.

mod plan;
mod throttle;

use maud::{Markup, html};
use serde_json::json;

use super::asking::{not_controller, so_many, timeout_ms};
use super::{BASE, Change, Fault, Field, Form, Kind, Outcome, Task};
use crate::client::{Cluster, PartitionKey, To, reassignments};
use crate::protocol::Str;
use crate::web::pages::frame::{bytes, count, listed, maybe, number, plain_head, text};
use plan::{Move, Plan, Wish};

/// The page where moves that are under way are seen.
const PLACE: &str = "/moves";
/// How replicas are spread: all of them anew.
const ANEW: &str = "anew";
/// The most rows of a preview.
const MOST_ROWS: usize = 500;
const RUN: &str = "run";
const PREVIEW: &str = "preview";

/// Partitions move.
pub(super) static MOVE: Change = Change {
    path: "/change/move-partitions",
    title: "Move partitions",
    about: "First a plan is proposed, which may be changed; then it is begun. The new replicas are copied from their \
            leaders, and the old ones go when the new ones are in sync.",
    steps: &[
        ("propose", "Propose a plan"),
        (PREVIEW, "Show what the plan does"),
        (RUN, "Move"),
    ],
    fields: &[
        Field::new(
            "topic",
            "Topic",
            Kind::Subject,
            "Left empty, all topics but internal ones.",
        ),
        Field::new(
            "brokers",
            "To these brokers",
            Kind::Text,
            "Their ids, with commas.",
        ),
        Field::new(
            "replication_factor",
            "Replicas of each",
            Kind::Number,
            "Left empty, as many as there are.",
        ),
        Field::new(
            "how",
            "How",
            Kind::Choice(&[
                ("stay", "Replicas stay where they may"),
                (ANEW, "All are spread anew, over racks and brokers"),
            ]),
            "",
        ),
        Field::new(
            "throttle",
            "Limit",
            Kind::Number,
            "Bytes a second that each broker may send and take for this. Left empty, there is no limit.",
        ),
        Field::new(
            "plan",
            "Plan",
            Kind::Lines,
            "A line for each partition, the preferred leader first, as in orders-0: 1, 2, 3.",
        ),
    ],
    fill: |known, form| {
        if form.text("brokers").is_empty() {
            let living = known.image.brokers().iter().filter(|it| !it.fenced);
            let ids: Vec<i32> = living.map(|it| it.id.0).collect();
            form.set("brokers", listed(&ids));
        }
    },
    run: |task| Box::pin(run(task)),
    ..BASE
};

/// Moves end where they began.
pub(super) static CANCEL: Change = Change {
    path: "/change/cancel-moves",
    title: "Cancel moves",
    about: "Replicas that are not in sync yet go again, and those that were there stay.",
    steps: &[(RUN, "Cancel the moves")],
    fields: &[Field::new(
        "topic",
        "Topic",
        Kind::Subject,
        "Left empty, the moves of all topics.",
    )],
    run: |task| Box::pin(cancel(task)),
    ..BASE
};

/// The limits of moves end.
pub(super) static UNLIMIT: Change = Change {
    path: "/change/end-limits",
    title: "End the limits of moves",
    about: "Nothing ends the limits of moves by itself: as long as they hold, replicas that fall behind are also held back.",
    steps: &[(RUN, "End the limits")],
    run: |task| Box::pin(throttle::end(task)),
    ..BASE
};

async fn run(mut task: Task) -> Result<Outcome, Fault> {
    let step = task.form.text("step").to_owned();
    let limit = match task.form.number::<i64>("throttle")? {
        Some(..1) => return Err(Fault::wrong("throttle", "This has to be 1 or more.")),
        limit => limit,
    };
    let typed = plan::parse(task.form.lines("plan"))?;
    if (step == RUN || step == PREVIEW) && typed.is_empty() {
        return Err(Fault::wrong(
            "plan",
            "There is none yet: let one be proposed.",
        ));
    }
    let planned = if step == RUN || step == PREVIEW {
        typed
    } else {
        let wish = Wish::of(&task.form)?;
        plan::propose(&task.known.image, &wish, &mut |bytes| {
            getrandom::fill(bytes).expect("the operating system has random bytes");
        })?
    };
    let moves = plan::moves(&task.known, &planned)?;
    if step != RUN {
        return Ok(preview(task.form, &planned, &moves));
    }
    if moves.is_empty() {
        return Err(Fault::wrong("plan", "All of it is so already."));
    }
    if let Some(rate) = limit {
        throttle::set(&mut task, &moves, rate).await?;
    }
    let targets = moves.iter().map(|it| {
        let key = (Str::copy_from(&it.topic), it.partition);
        (key, Some(it.then.clone()))
    });
    alter(&mut task.cluster, targets).await?;
    let sentence = format!("{} began to move.", so_many(moves.len(), "partition"));
    Ok(Outcome::Done {
        sentence,
        place: PLACE.to_owned(),
        told: json!({ "moves": moves }),
    })
}

fn preview(mut form: Form, planned: &Plan, moves: &[Move]) -> Outcome {
    let total: u64 = moves.iter().filter_map(|it| it.bytes).sum();
    let told = json!({ "moves": moves, "bytes": total, "plan": plan::text(planned) });
    form.set("plan", plan::text(planned));
    Outcome::Preview {
        shown: table(moves, total),
        told,
        form,
    }
}

/// What a plan does, as a table.
fn table(moves: &[Move], total: u64) -> Markup {
    let columns = [
        text("Partition", ""),
        text("Replicas now", ""),
        text("Then", ""),
        number("To copy", ""),
    ];
    html! {
        div.verdict.warn role="status" {
            @if moves.is_empty() {
                p { "Nothing moves by this plan." }
            } @else {
                p {
                    "Nothing has moved yet. " (so_many(moves.len(), "partition")) " would move, and "
                    (bytes(total)) " would be copied."
                }
            }
        }
        @if !moves.is_empty() {
            div.wide { table {
                (plain_head(&columns))
                tbody {
                    @for it in moves.iter().take(MOST_ROWS) {
                        tr {
                            th scope="row" { (it.topic) "-" (it.partition) }
                            td.nowrap { (listed(&it.now)) }
                            td.nowrap { (listed(&it.then)) }
                            td.n { (maybe(it.bytes, bytes)) }
                        }
                    }
                }
            } }
            @if moves.len() > MOST_ROWS { p.note { "And " (count(moves.len() - MOST_ROWS)) " more." } }
        }
    }
}

async fn cancel(mut task: Task) -> Result<Outcome, Fault> {
    let only = task.form.text("topic");
    let all = task.known.image.topics();
    if !only.is_empty() && all.by_name(only).is_none() {
        return Err(Fault::wrong("topic", "There is no such topic."));
    }
    let topics = all.iter().filter(|it| only.is_empty() || *it.name == *only);
    let moving: Vec<PartitionKey> = topics
        .flat_map(|topic| {
            let partitions = topic.partitions.iter();
            let moving =
                partitions.filter(|(_, it)| !(it.adding.is_empty() && it.removing.is_empty()));
            moving.map(|(index, _)| (Str::from(&topic.name), *index))
        })
        .collect();
    let count = moving.len();
    if count > 0 {
        alter(&mut task.cluster, moving.into_iter().map(|key| (key, None))).await?;
    }
    let sentence = match count {
        0 => "Nothing was moving.".to_owned(),
        count => format!(
            "The moves of {} are cancelled.",
            so_many(count, "partition")
        ),
    };
    Ok(Outcome::done(sentence, PLACE.to_owned()))
}

/// Has partitions move to these replicas; `None` cancels a move.
async fn alter(
    cluster: &mut Cluster,
    targets: impl Iterator<Item = (PartitionKey, Option<Vec<i32>>)>,
) -> Result<(), Fault> {
    let request = reassignments(targets, timeout_ms(cluster), true);
    let asking = cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(std::iter::once(answer.error_code))
    });
    let answer = asking.await?;
    Fault::check(answer.error_code, answer.error_message)?;
    for topic in answer.responses {
        for it in topic.partitions {
            if it.error_code.is_error() {
                let why = it
                    .error_message
                    .as_deref()
                    .unwrap_or(it.error_code.message());
                return Err(Fault::Refused {
                    code: it.error_code,
                    text: format!("{}-{}: {why}", topic.name, it.partition_index),
                });
            }
        }
    }
    Ok(())
}
