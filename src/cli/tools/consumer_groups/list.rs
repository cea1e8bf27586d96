//! `--list`: the groups, with their types and states where these are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::columns::{line, width};
use super::failure::Failure;
use super::group::CONSUMER;
use super::names::{State, TYPES_OF_CONSUMERS, group_type};
use super::{GroupsArguments, json};
use crate::cli::tools::exception::Exception;
use crate::cli::tools::group_listing;
use crate::client::Cluster;
use crate::protocol::Str;
use crate::protocol::messages::list_groups::ListedGroup;

const GROUP_WIDTH: usize = 15;
const GAP: usize = 10;
const WIDTH: usize = 20;

/// The groups that are there, by their ids.
pub(super) type Listing = BTreeMap<String, ListedGroup>;

/// Lists groups.
pub(super) async fn list(
    arguments: &GroupsArguments,
    cluster: &mut Cluster,
) -> Result<(), Failure> {
    let is_json = arguments.output.is_json();
    if arguments.r#type.is_none() && arguments.state.is_none() && !is_json {
        let groups = consumer_groups(cluster).await;
        for group in groups.map_err(|error| Failure::of_wrapped_call(&error))? {
            writeln!(io::stdout(), "{group}")?;
        }
        return Ok(());
    }
    let types = types(value(arguments.r#type.as_ref()))?;
    let states = states(value(arguments.state.as_ref()))?;
    let listing = listing(cluster, types, states).await;
    let listing = listing.map_err(|error| Failure::of_call(&error))?;
    if is_json {
        return Ok(json::print_list(&listing)?);
    }
    for line in lines(
        &listing,
        arguments.r#type.is_some(),
        arguments.state.is_some(),
    ) {
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

/// The ids of all consumer groups.
pub(super) async fn consumer_groups(cluster: &mut Cluster) -> Result<BTreeSet<String>, Exception> {
    let types = TYPES_OF_CONSUMERS.map(Str::from_static).to_vec();
    let listing = listing(cluster, types, Vec::new()).await?;
    Ok(listing.into_keys().collect())
}

/// The consumer groups of these types and in these states.
async fn listing(
    cluster: &mut Cluster,
    types: Vec<Str>,
    states: Vec<Str>,
) -> Result<Listing, Exception> {
    let groups = group_listing::listing(cluster, types, states).await?;
    let groups = groups.into_iter();
    let groups = groups.filter(|it| it.protocol_type.is_empty() || it.protocol_type == CONSUMER);
    Ok(groups
        .map(|group| (group.group_id.to_string(), group))
        .collect())
}

fn lines(listing: &Listing, has_type: bool, has_state: bool) -> Vec<String> {
    let cells = |group, kind, state| {
        let optional = [(has_type, kind), (has_state, state)].into_iter();
        let optional = optional.filter(|(is_there, _)| *is_there);
        let optional = optional.map(|(_, cell)| cell);
        std::iter::once(group)
            .chain(optional)
            .collect::<Vec<&str>>()
    };
    let group_width = width(GROUP_WIDTH, listing.keys().map(String::as_str));
    let widths = [group_width + GAP, WIDTH, WIDTH];
    let mut lines = vec![line(&widths, &cells("GROUP", "TYPE", "STATE"))];
    lines.extend(listing.iter().map(|(id, group)| {
        let id = id.as_str();
        let state = State::parse(&group.group_state).name();
        line(&widths, &cells(id, group_type(&group.group_type), state))
    }));
    lines
}

/// The value of an option that may be there without one.
fn value(option: Option<&Option<String>>) -> &str {
    option
        .and_then(|value| value.as_deref())
        .unwrap_or_default()
}

/// The parts of a list, without the empty ones at its end, as Java splits it.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let list = list.trim_end_matches(',');
    list.split(',').map(str::trim)
}

/// The types in a list.
fn types(list: &str) -> Result<Vec<Str>, Failure> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let types: BTreeSet<&str> = parts(list).map(group_type).collect();
    if types.iter().all(|it| TYPES_OF_CONSUMERS.contains(it)) {
        return Ok(types.into_iter().map(Str::from_static).collect());
    }
    Err(Failure::Usage(format!(
        "Invalid types list '{list}'. Valid types are: {}",
        TYPES_OF_CONSUMERS.join(", ")
    )))
}

/// The states in a list.
fn states(list: &str) -> Result<Vec<Str>, Failure> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let states: Vec<State> = parts(list).map(State::parse).collect();
    if states.iter().all(|it| State::OF_CONSUMERS.contains(it)) {
        let names: BTreeSet<&str> = states.into_iter().map(State::name).collect();
        return Ok(names.into_iter().map(Str::from_static).collect());
    }
    Err(Failure::Usage(format!(
        "Invalid state list '{list}'. Valid states are: {}",
        State::OF_CONSUMERS.map(State::name).join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_states_and_types_are_read_in_any_case() {
        let names = |list: Vec<Str>| list.iter().map(Str::to_string).collect::<Vec<_>>();

        assert_eq!(
            names(states("stable, EMPTY,stable,").expect("states")),
            ["Empty", "Stable"]
        );
        assert_eq!(names(types("Classic").expect("types")), ["Classic"]);
        assert!(types("share").is_err() && states("a").is_err() && states("stable,,dead").is_err());
        assert!(states("").expect("none").is_empty());
    }
}
