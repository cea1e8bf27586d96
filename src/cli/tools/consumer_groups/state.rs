//! `--describe --state`: the states of groups, and who coordinates them.

use std::io::{self, Write as _};

use super::columns::{line, or_dash, width};
use super::describe::{Groups, tell_state};
use super::failure::Failure;
use super::group::{Coordinator, Description, coordinator};
use super::{GroupsArguments, json};
use crate::client::Cluster;

const WIDTH: usize = 15;
const COORDINATOR_WIDTH: usize = 25;
const WIDE: usize = 20;

/// Describes the states of groups.
pub(super) async fn describe(
    groups: &Groups,
    cluster: &mut Cluster,
    arguments: &GroupsArguments,
) -> Result<(), Failure> {
    let mut coordinators = Vec::new();
    for id in groups.keys() {
        let found = coordinator(cluster, id).await;
        coordinators.push(found.map_err(|error| Failure::of_call(&error))?);
    }
    if arguments.output.is_json() {
        return Ok(json::print_states(groups, &coordinators)?);
    }
    for ((id, description), coordinator) in groups.iter().zip(&coordinators) {
        if tell_state(id, description.state, true)? {
            let table = table(id, description, coordinator, arguments.verbose);
            writeln!(io::stdout(), "{table}")?;
        }
    }
    Ok(())
}

fn table(
    id: &str,
    description: &Description,
    coordinator: &Coordinator,
    is_verbose: bool,
) -> String {
    let Coordinator {
        id: node,
        host,
        port,
    } = coordinator;
    let coordinator = format!("{host}:{port}  ({node})");
    let assignor = Some(description.assignor.as_str()).filter(|name| !name.is_empty());
    let members = description.members.len().to_string();
    let mut widths = vec![
        width(WIDTH, [id].into_iter()),
        width(COORDINATOR_WIDTH, [coordinator.as_str()].into_iter()),
        WIDE,
        WIDE,
    ];
    let mut heads = vec!["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"];
    let mut cells = vec![
        id.to_owned(),
        coordinator,
        or_dash(assignor),
        description.state.name().to_owned(),
    ];
    if is_verbose {
        widths.extend([WIDTH, COORDINATOR_WIDTH]);
        heads.extend(["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]);
        cells.extend([
            or_dash(description.epoch),
            or_dash(description.target_epoch),
        ]);
    }
    heads.push("#MEMBERS");
    cells.push(members);
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    format!("\n{}\n{}", line(&widths, &heads), line(&widths, &cells))
}
