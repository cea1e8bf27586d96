//! Brokers: drained of leaders, before they are stopped, and back.

use maud::html;

use super::asking::{BROKER, alter_configs, config};
use super::{BASE, Change, Fault, Field, Kind, Outcome, Task};

const CONFIG: &str = "broker.drain";
/// The step that takes the drain back.
const UNDRAIN: &str = "undrain";

/// Leaders leave a broker.
pub(super) static DRAIN: Change = Change {
    path: "/change/drain",
    title: "Drain a broker",
    about: "Leaders leave a drained broker, and new ones do not come, as long as others can lead: so it can be stopped \
            without a pause. Its replicas stay, and stay in sync. It holds until it is taken back.",
    place: "/brokers",
    steps: &[("run", "Drain"), (UNDRAIN, "Let it lead again")],
    fields: &[Field::new("broker", "Broker", Kind::Broker, "").required()],
    show: |known, form| {
        let led = form.text("broker").parse().ok().map(|id: i32| {
            let topics = known.image.topics().iter();
            let partitions = topics.flat_map(|topic| topic.partitions.iter());
            partitions.filter(|(_, it)| it.leader.0 == id).count()
        });
        html! { @if let Some(led) = led { p.about { "It leads " (super::asking::so_many(led, "partition")) " now." } } }
    },
    run: |task| Box::pin(drain(task)),
    ..BASE
};

async fn drain(mut task: Task) -> Result<Outcome, Fault> {
    task.form.required("broker")?;
    let id: i32 = task.form.number("broker")?.unwrap_or_default();
    let is_back = task.form.text("step") == UNDRAIN;
    let value = (!is_back).then_some("true");
    let change = config(CONFIG, value);
    alter_configs(&mut task.cluster, (BROKER, &id.to_string()), vec![change]).await?;
    let sentence = if is_back {
        format!(
            "Broker {id} may lead again. An election of preferred leaders gives it back what it led."
        )
    } else {
        format!("Broker {id} is drained: its leaders go to others.")
    };
    Ok(Outcome::done(sentence, format!("/brokers/{id}")))
}
