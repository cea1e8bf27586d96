//! `--describe --members`: the members of groups, and what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use super::columns::{line, or_dash, width};
use super::describe::{Groups, tell_state};
use super::failure::Failure;
use super::group::{Description, Member};
use crate::client::PartitionKey;

const WIDTH: usize = 15;
const INSTANCE_WIDTH: usize = 17;
const ASSIGNMENT_WIDTH: usize = 20;

/// Describes the members of groups.
pub(super) fn describe(groups: &Groups, is_verbose: bool) -> Result<(), Failure> {
    for (id, description) in groups {
        // Kafka's tool prints the heads of the columns even where there are no rows.
        let members = &description.members;
        tell_state(id, description.state, !members.is_empty())?;
        let table = Table::new(id, description, is_verbose);
        writeln!(io::stdout(), "\n{}", table.head())?;
        for member in members {
            writeln!(io::stdout(), "{}", table.row(member))?;
        }
    }
    Ok(())
}

struct Table<'a> {
    id: &'a str,
    target_epoch: Option<i32>,
    has_instances: bool,
    is_verbose: bool,
    /// Whether some members speak the newer protocol already and others don't.
    has_upgrades: bool,
    widths: Vec<usize>,
    more_widths: [usize; 4],
}

impl<'a> Table<'a> {
    fn new(id: &'a str, description: &Description, is_verbose: bool) -> Self {
        let members = &description.members;
        let has = |upgraded| members.iter().any(|it| it.is_upgraded == Some(upgraded));
        let has_instances = members.iter().any(|it| !instance(it).is_empty());
        let mut widths = vec![
            width(WIDTH, [id].into_iter()),
            width(WIDTH, members.iter().map(|it| it.id.as_str())),
        ];
        if has_instances {
            widths.push(width(INSTANCE_WIDTH, members.iter().map(instance)));
        }
        widths.push(width(WIDTH, members.iter().map(|it| it.host.as_str())));
        widths.push(width(WIDTH, members.iter().map(|it| it.client.as_str())));
        widths.push(WIDTH);
        let assigned: Vec<String> = members.iter().map(|it| listed(&it.assigned)).collect();
        let targets: Vec<String> = members.iter().map(|it| listed(&it.target)).collect();
        Self {
            id,
            target_epoch: description.target_epoch,
            has_instances,
            is_verbose,
            has_upgrades: has(true) && has(false),
            widths,
            more_widths: [
                WIDTH,
                width(ASSIGNMENT_WIDTH, assigned.iter().map(String::as_str)),
                WIDTH,
                width(ASSIGNMENT_WIDTH, targets.iter().map(String::as_str)),
            ],
        }
    }

    fn head(&self) -> String {
        self.line(
            [
                "GROUP",
                "CONSUMER-ID",
                "GROUP-INSTANCE-ID",
                "HOST",
                "CLIENT-ID",
                "#PARTITIONS",
            ],
            [
                "CURRENT-EPOCH",
                "CURRENT-ASSIGNMENT",
                "TARGET-EPOCH",
                "TARGET-ASSIGNMENT",
                "UPGRADED",
            ],
        )
    }

    fn row(&self, member: &Member) -> String {
        let count = member.assigned.len().to_string();
        let cells: [&str; 6] = [
            self.id,
            &member.id,
            instance(member),
            &member.host,
            &member.client,
            &count,
        ];
        let more: [&str; 5] = [
            &or_dash(member.epoch),
            &listed(&member.assigned),
            &or_dash(self.target_epoch),
            &listed(&member.target),
            &or_dash(member.is_upgraded),
        ];
        self.line(cells, more)
    }

    /// A line with the columns that are told.
    fn line(&self, cells: [&str; 6], more: [&str; 5]) -> String {
        const INSTANCE: usize = 2;
        let mut cells = cells.to_vec();
        if !self.has_instances {
            cells.remove(INSTANCE);
        }
        let mut text = line(&self.widths, &cells) + " ";
        if self.is_verbose {
            let count = if self.has_upgrades { 5 } else { 4 };
            text.push_str(&line(&self.more_widths, &more[..count]));
        }
        text
    }
}

fn instance(member: &Member) -> &str {
    member.instance.as_deref().unwrap_or_default()
}

/// Partitions as `topic:0,1;other:2`.
fn listed(keys: &BTreeSet<PartitionKey>) -> String {
    let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (topic, partition) in keys {
        let partitions = topics.entry(topic).or_default();
        partitions.push(partition.to_string());
    }
    let topics = topics.iter();
    let mut parts: Vec<String> = topics
        .map(|(topic, partitions)| format!("{topic}:{}", partitions.join(",")))
        .collect();
    parts.sort();
    or_dash(Some(parts.join(";")).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Str;

    #[test]
    fn partitions_are_listed_by_topic() {
        let key = |topic, partition| (Str::from_static(topic), partition);
        let keys = BTreeSet::from([key("b", 2), key("a", 10), key("a", 9)]);

        assert_eq!(listed(&keys), "a:9,10;b:2");
        assert_eq!(listed(&BTreeSet::new()), "-");
    }
}
