//! What changes share that ask the cluster for something.

use maud::{Markup, html};

use super::Fault;
use crate::client::{Cluster, To};
pub(super) use crate::client::{not_controller, timeout_ms};
use crate::protocol::Str;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::web::pages::query::encoded;

/// The types of resources that have configs.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
/// What is done with a config.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// The path of a topic's page.
pub(super) fn page_of(topic: &str) -> String {
    format!("/topics/{}", encoded(topic))
}

/// A config's new value, or, without one, that it is reset.
pub(super) fn config(name: &str, value: Option<&str>) -> AlterableConfig {
    AlterableConfig {
        name: Str::copy_from(name),
        config_operation: if value.is_some() { SET } else { DELETE },
        value: value.map(Str::copy_from),
    }
}

/// Changes configs of a topic or broker; without a name, of all brokers.
pub(super) async fn alter_configs(
    cluster: &mut Cluster,
    (resource_type, name): (i8, &str),
    configs: Vec<AlterableConfig>,
) -> Result<(), Fault> {
    let to = match name.parse() {
        Ok(id) if resource_type == BROKER => To::Node(id),
        _ => To::Any,
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type,
            resource_name: Str::copy_from(name),
            configs,
        }],
        validate_only: false,
    };
    let asking = cluster.ask_until(to, &request, |answer| {
        not_controller(answer.responses.iter().map(|it| it.error_code))
    });
    for result in asking.await?.responses {
        Fault::check(result.error_code, result.error_message)?;
    }
    Ok(())
}

/// `1 partition`, `2 partitions`.
pub(super) fn so_many(count: usize, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

/// Links to forms, by their names and addresses.
pub(in crate::web::pages) fn doings(links: &[(&str, String)]) -> Markup {
    html! {
        nav.doings aria-label="Changes" {
            @for (name, address) in links { a.do href=(address) { (name) } }
        }
    }
}
