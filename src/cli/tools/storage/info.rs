//! Tells which log directories a node has, and whose they are.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use super::directories;
use crate::cli::tools::ending::Ending;
use crate::config::BrokerConfig;
use crate::storage::disk::FileDisk;
use crate::storage::meta_properties::{META_PROPERTIES_FILE, MetaProperties};

/// Tells it on standard output.
///
/// # Errors
/// Something is wrong with a directory. It has been told.
pub(super) fn tell(config: &BrokerConfig) -> Result<(), Ending> {
    let disk = FileDisk::new(1);
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut first: Option<MetaProperties> = None;
    for directory in directories(config) {
        let path = directory.display();
        if !directory.exists() {
            problems.push(format!("{path} does not exist"));
            continue;
        }
        if !directory.is_dir() {
            problems.push(format!("{path} is not a directory"));
            continue;
        }
        found.push(path.to_string());
        match (MetaProperties::load(&disk, &directory), &first) {
            (Ok(None), _) => problems.push(format!("{path} is not formatted.")),
            (Ok(Some(properties)), None) => first = Some(properties),
            (Ok(Some(properties)), Some(first)) => {
                problems.extend(mismatch(first, &properties).map(str::to_owned));
            }
            (Err(error), _) => {
                let file = directory.join(META_PROPERTIES_FILE);
                problems.push(format!("Error loading {}: {error}", file.display()));
            }
        }
    }
    if first.as_ref().is_some_and(|first| first.version == 0) {
        problems.push(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are \
             formatted for legacy mode."
                .to_owned(),
        );
    }
    let mut output = io::stdout().lock();
    write_list(
        &mut output,
        ["Found log directory:", "Found log directories:"],
        &found,
    )?;
    if let Some(properties) = &first {
        writeln!(output, "Found metadata: {}\n", shown(properties))?;
    }
    write_list(
        &mut output,
        ["Found problem:", "Found problems:"],
        &problems,
    )?;
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Ending::Told)
    }
}

/// What two directories of one node must not differ in.
fn mismatch(first: &MetaProperties, other: &MetaProperties) -> Option<&'static str> {
    if first.cluster_id != other.cluster_id {
        return Some("Mismatched cluster IDs between storage directories.");
    }
    (first.node_id != other.node_id).then_some("Mismatched node IDs between storage directories.")
}

/// The properties in the order of their names, as Java writes a map.
fn shown(properties: &MetaProperties) -> String {
    let node_id = match properties.version {
        0 => "broker.id",
        _ => "node.id",
    };
    let pairs = [
        ("version", Some(properties.version.to_string())),
        ("cluster.id", properties.cluster_id.clone()),
        (node_id, properties.node_id.map(|id| id.to_string())),
        (
            "directory.id",
            properties.directory_id.map(|id| id.to_string()),
        ),
    ];
    let pairs = pairs.into_iter();
    let pairs = pairs.filter_map(|(key, value)| Some((key, value?)));
    let pairs: BTreeMap<_, _> = pairs.collect();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

fn write_list(
    output: &mut impl io::Write,
    [one, many]: [&str; 2],
    items: &[String],
) -> io::Result<()> {
    match items.len() {
        0 => return Ok(()),
        1 => writeln!(output, "{one}")?,
        _ => writeln!(output, "{many}")?,
    }
    for item in items {
        writeln!(output, "  {item}")?;
    }
    writeln!(output)
}
