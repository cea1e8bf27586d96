//! `--describe`: what groups have committed, and how far that is from the end. Members and states are in rooms of
//! their own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::columns::{line, or_dash, width};
use super::failure::{Failure, tell_error};
use super::group::{self, Description, Member};
use super::names::State;
use super::offsets::{Committed, LATEST, committed, offsets_of, siblings};
use super::{GroupsArguments, json, members, state};
use crate::client::{Cluster, PartitionKey};

/// The least width of most columns, and that of a partition's number.
const WIDTH: usize = 15;
const NUMBER_WIDTH: usize = 10;

/// The groups that are described, by their ids.
pub(super) type Groups = BTreeMap<String, Description>;

/// Who reads a partition, as it is told; dashes for nobody.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) consumer: &'a str,
    pub(super) host: &'a str,
    pub(super) client: &'a str,
}

const NOBODY: Reader<'static> = Reader {
    consumer: "-",
    host: "-",
    client: "-",
};

/// What is told of one partition.
pub(super) struct Row<'a> {
    pub(super) key: PartitionKey,
    pub(super) committed: Option<Committed>,
    pub(super) end: Option<i64>,
    pub(super) reader: Reader<'a>,
}

impl Row<'_> {
    pub(super) fn is_read(&self) -> bool {
        self.reader.consumer != NOBODY.consumer
    }

    pub(super) fn offset(&self) -> Option<i64> {
        Some(self.committed?.offset)
    }

    pub(super) fn lag(&self) -> Option<i64> {
        Some(self.end? - self.offset()?)
    }
}

/// Describes groups.
pub(super) async fn describe(
    arguments: &GroupsArguments,
    cluster: &mut Cluster,
) -> Result<(), Failure> {
    let mut groups = Groups::new();
    for id in arguments.group_ids(cluster).await? {
        let described = group::describe(cluster, &id).await;
        let described = described.map_err(|error| Failure::of_call(&error))?;
        groups.insert(id, described);
    }
    if arguments.members && arguments.output.is_json() {
        Ok(json::print_members(&groups)?)
    } else if arguments.members {
        members::describe(&groups, arguments.verbose)
    } else if arguments.state.is_some() {
        state::describe(&groups, cluster, arguments).await
    } else {
        offsets(&groups, cluster, arguments).await
    }
}

/// Says what is special about a group's state, and whether there are rows to be printed of it.
///
/// # Errors
/// It is in no state that a consumer group can be in.
pub(super) fn tell_state(id: &str, state: State, has_rows: bool) -> Result<bool, Failure> {
    match state {
        State::Dead => tell_error(&format!("Consumer group '{id}' does not exist."))?,
        State::Empty => writeln!(
            io::stderr(),
            "\nConsumer group '{id}' has no active members."
        )?,
        State::PreparingRebalance
        | State::CompletingRebalance
        | State::Assigning
        | State::Reconciling => writeln!(
            io::stderr(),
            "\nWarning: Consumer group '{id}' is rebalancing."
        )?,
        State::Stable => {}
        State::Unknown | State::NotReady => {
            return Err(Failure::Failed(format!(
                "Expected a valid consumer group state, but found '{}'.",
                state.name()
            )));
        }
    }
    Ok(state != State::Dead && has_rows)
}

async fn offsets(
    groups: &Groups,
    cluster: &mut Cluster,
    arguments: &GroupsArguments,
) -> Result<(), Failure> {
    let mut tables = Vec::new();
    for (id, description) in groups {
        let rows = rows(cluster, id, description).await?;
        tables.push((id, description.state, rows));
    }
    if arguments.output.is_json() {
        return Ok(json::print_offsets(&tables)?);
    }
    for (id, state, rows) in tables {
        if tell_state(id, state, !rows.is_empty())? {
            writeln!(io::stdout(), "{}", table(id, &rows, arguments.verbose))?;
        }
    }
    Ok(())
}

/// The rows of a group: those of the member with the most partitions first, those that nobody reads last.
async fn rows<'a>(
    cluster: &mut Cluster,
    id: &str,
    description: &'a Description,
) -> Result<Vec<Row<'a>>, Failure> {
    let committed = committed(cluster, id).await;
    let committed = committed.map_err(|error| Failure::of_wrapped_call(&error))?;
    let mut members: Vec<&Member> = description.members.iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assigned.len()));
    let mut rows = Vec::new();
    let mut unread: BTreeSet<PartitionKey> = committed.keys().cloned().collect();
    for member in members {
        let reader = Reader {
            consumer: &member.id,
            host: &member.host,
            client: &member.client,
        };
        rows.extend(rows_of(cluster, &member.assigned, &committed, reader).await?);
        unread.retain(|key| !member.assigned.contains(key));
    }
    rows.extend(rows_of(cluster, &unread, &committed, NOBODY).await?);
    Ok(rows)
}

async fn rows_of<'a>(
    cluster: &mut Cluster,
    keys: &BTreeSet<PartitionKey>,
    committed: &BTreeMap<PartitionKey, Committed>,
    reader: Reader<'a>,
) -> Result<Vec<Row<'a>>, Failure> {
    let siblings = siblings(cluster, keys.iter()).await;
    let siblings = siblings.map_err(|error| Failure::of_wrapped_call(&error))?;
    let led = keys.iter().filter(|key| siblings.get(*key) != Some(&false));
    let ends = offsets_of(cluster, led.cloned(), LATEST).await;
    let ends = ends.map_err(|error| Failure::of_wrapped_call(&error))?;
    let row = |key: &PartitionKey| Row {
        key: key.clone(),
        committed: committed.get(key).copied(),
        end: ends.get(key).copied(),
        reader,
    };
    Ok(keys.iter().map(row).collect())
}

/// The lines of a group, each after a line feed.
fn table(id: &str, rows: &[Row<'_>], is_verbose: bool) -> String {
    let widths = [
        width(WIDTH, [id].into_iter()),
        width(WIDTH, rows.iter().map(|row| row.key.0.as_str())),
        NUMBER_WIDTH,
        WIDTH,
        WIDTH,
        WIDTH,
        WIDTH,
        width(WIDTH, rows.iter().map(|row| row.reader.consumer)),
        width(WIDTH, rows.iter().map(|row| row.reader.host)),
    ];
    let heads = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    let mut text = shown(&widths, &heads, is_verbose);
    for row in rows {
        let epoch = row.committed.and_then(|committed| committed.leader_epoch);
        let cells: [&str; 10] = [
            id,
            &row.key.0,
            &row.key.1.to_string(),
            &or_dash(epoch),
            &or_dash(row.offset()),
            &or_dash(row.end),
            &or_dash(row.lag()),
            row.reader.consumer,
            row.reader.host,
            row.reader.client,
        ];
        text.push_str(&shown(&widths, &cells, is_verbose));
    }
    text
}

/// A line, without the leader epoch unless more is to be told.
fn shown(widths: &[usize; 9], cells: &[&str; 10], is_verbose: bool) -> String {
    const EPOCH: usize = 3;
    let (mut widths, mut cells) = (widths.to_vec(), cells.to_vec());
    if !is_verbose {
        widths.remove(EPOCH);
        cells.remove(EPOCH);
    }
    format!("\n{}", line(&widths, &cells))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Str;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let rows = [Row {
            key: (Str::from_static("t"), 3),
            committed: Some(Committed {
                offset: 2,
                leader_epoch: None,
            }),
            end: None,
            reader: NOBODY,
        }];

        let text = table("g", &rows, true);
        let words: Vec<&str> = text
            .lines()
            .nth(2)
            .unwrap_or_default()
            .split_whitespace()
            .collect();

        assert_eq!(words, ["g", "t", "3", "-", "2", "-", "-", "-", "-", "-"]);
        assert!(!table("g", &rows, false).contains("LEADER-EPOCH"));
    }
}
