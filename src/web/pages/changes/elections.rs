//! Elections: partitions are led by their first replicas again.

use serde_json::json;

use super::asking::{not_controller, page_of, so_many, timeout_ms};
use super::{BASE, Change, Fault, Field, Kind, Outcome, Task};
use crate::client::To;
use crate::protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, TopicPartitions,
};
use crate::protocol::{ErrorCode, Str};

/// The number of elections of preferred leaders.
const PREFERRED: i8 = 0;

/// Preferred leaders lead.
pub(super) static ELECT: Change = Change {
    path: "/change/elect-leaders",
    title: "Elect preferred leaders",
    about: "Each partition is led by the first of its replicas again, if that is in sync. So leaders are spread again \
            after brokers were away.",
    steps: &[("run", "Elect")],
    fields: &[Field::new(
        "topic",
        "Topic",
        Kind::Subject,
        "Left empty, all topics.",
    )],
    run: |task| Box::pin(elect(task)),
    ..BASE
};

async fn elect(mut task: Task) -> Result<Outcome, Fault> {
    let name = task.form.text("topic");
    let topics = match (name, task.known.image.topics().by_name(name)) {
        ("", _) => None,
        (_, None) => return Err(Fault::wrong("topic", "There is no such topic.")),
        (_, Some(topic)) => Some(vec![TopicPartitions {
            topic: Str::copy_from(name),
            partitions: topic.partitions.iter().map(|(index, _)| *index).collect(),
        }]),
    };
    let request = ElectLeadersRequest {
        election_type: PREFERRED,
        topic_partitions: topics,
        timeout_ms: timeout_ms(&task.cluster),
    };
    let asking = task.cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(std::iter::once(answer.error_code))
    });
    let answer = asking.await?;
    Fault::check(answer.error_code, None)?;
    let place = if name.is_empty() {
        "/topics".to_owned()
    } else {
        page_of(name)
    };
    told(answer, place)
}

/// What became of each partition. It is a fault where none could be elected that had to be.
fn told(answer: ElectLeadersResponse, place: String) -> Result<Outcome, Fault> {
    let (mut elected, mut refused) = (Vec::new(), Vec::new());
    for topic in answer.replica_election_results {
        for it in topic.partition_result {
            let partition = format!("{}-{}", topic.topic, it.partition_id);
            match it.error_code {
                ErrorCode::NONE => elected.push(partition),
                ErrorCode::ELECTION_NOT_NEEDED => {}
                code => refused.push((partition, code, it.error_message)),
            }
        }
    }
    let mut sentence = match elected.len() {
        0 => "All are led by their preferred leaders that can be.".to_owned(),
        count => format!("{} got another leader.", so_many(count, "partition")),
    };
    if let Some((partition, code, message)) = refused.first() {
        let why = message.as_deref().unwrap_or(code.message());
        let text = format!(
            "{} could not be elected; {partition}: {why}",
            so_many(refused.len(), "preferred leader")
        );
        if elected.is_empty() {
            return Err(Fault::Refused { code: *code, text });
        }
        sentence = format!("{sentence} {text}");
    }
    let refused = refused.into_iter();
    let refused: serde_json::Map<_, _> = refused
        .map(|(partition, code, _)| (partition, json!(code.name())))
        .collect();
    Ok(Outcome::Done {
        sentence,
        place,
        told: json!({ "elected": elected, "refused": refused }),
    })
}
