//! The file of a reassignment: which replicas partitions shall have, and in which log directories these shall be.
//! It is also what the tool prints of the replicas that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::failure::Failure;
use crate::cli::tools::java_order::{in_java_order, repeated};
use crate::cli::tools::partitions_file::{Entry, PartitionsFile, joined, shown};
use crate::client::PartitionKey;
use crate::protocol::Str;

/// The directory of a replica that may be in any.
const ANY: &str = "any";

/// Partitions with their replicas.
pub(super) type Replicas = BTreeMap<PartitionKey, Vec<i32>>;

/// A replica. They are sorted by broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    pub(super) broker: i32,
    pub(super) partition: PartitionKey,
}

impl fmt::Display for Replica {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", shown(&self.partition), self.broker)
    }
}

/// Log directories of replicas, by their paths.
pub(super) type Directories = BTreeMap<Replica, String>;

/// What a file asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The replicas that partitions shall have, in the order of the file.
    partitions: Vec<(PartitionKey, Vec<i32>)>,
    /// Where replicas shall be that may not be anywhere.
    pub(super) directories: Directories,
}

impl Wanted {
    /// Reads what a file holds.
    ///
    /// # Errors
    /// It is not what it should be.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let file = PartitionsFile::parse(text).map_err(Failure::Error)?;
        check_version(&file)?;
        let mut wanted = Self::default();
        for entry in file.list("partitions")?.unwrap_or_default() {
            wanted.add(entry)?;
        }
        Ok(wanted)
    }

    fn add(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
        let partition = entry.key()?;
        let replicas = entry.integers("replicas")?;
        let directories = entry.texts("log_dirs")?;
        let directories = directories.unwrap_or_else(|| vec![ANY; replicas.len()]);
        if replicas.len() != directories.len() {
            return Err(Failure::Error(format!(
                "Size of replicas list {replicas:?} is different from size of log dirs list [{}] for partition {}",
                directories.join(", "),
                shown(&partition)
            )));
        }
        for (broker, directory) in replicas.iter().zip(directories) {
            if directory != ANY {
                let replica = Replica {
                    broker: *broker,
                    partition: partition.clone(),
                };
                self.directories.insert(replica, directory.to_owned());
            }
        }
        self.partitions.push((partition, replicas));
        Ok(())
    }

    /// The partitions with the replicas that they shall have, in the order of the file.
    pub(super) fn partitions(&self) -> &[(PartitionKey, Vec<i32>)] {
        &self.partitions
    }

    /// The topics, in the order in which Kafka's tool lists them.
    pub(super) fn topics(&self) -> Vec<Str> {
        let keys = self.partitions.iter().map(|(key, _)| key);
        distinct(keys.map(|(topic, _)| topic.clone()))
    }

    /// The partitions with the replicas that they shall have, if this can be carried out.
    ///
    /// # Errors
    /// There is nothing to be done, or something twice.
    pub(super) fn replicas(&self) -> Result<Replicas, Failure> {
        let wrong = |reason: String| Err(Failure::Error(reason));
        if self.partitions.is_empty() {
            return wrong("Partition reassignment list cannot be empty".to_owned());
        }
        if self.partitions.iter().any(|(_, ids)| ids.is_empty()) {
            return wrong("Partition replica list cannot be empty".to_owned());
        }
        let twice = repeated(self.partitions.iter().map(|(key, _)| key));
        if !twice.is_empty() {
            let twice = joined(twice, ",");
            return wrong(format!(
                "Partition reassignment contains duplicate topic partitions: {twice}"
            ));
        }
        let twice = self.partitions.iter().filter_map(|(key, ids)| {
            let twice = repeated(ids.iter().copied());
            let (key, ids) = (shown(key), comma_separated(&twice));
            (!twice.is_empty()).then(|| format!("{key} contains multiple entries for {ids}"))
        });
        let twice: Vec<String> = twice.collect();
        if !twice.is_empty() {
            let twice = twice.join(". ");
            return wrong(format!(
                "Partition replica lists may not contain duplicate entries: {twice}"
            ));
        }
        Ok(self.partitions.iter().cloned().collect())
    }
}

/// # Errors
/// The file is of a version that is not known.
pub(super) fn check_version(file: &PartitionsFile) -> Result<(), Failure> {
    match file.version()? {
        1 => Ok(()),
        other => Err(Failure::Error(format!(
            "Not supported version field value {other}"
        ))),
    }
}

/// Values, each once, in the order in which Kafka's tool lists them.
pub(super) fn distinct<T: Ord + Clone + crate::cli::tools::java_order::HashCode>(
    values: impl Iterator<Item = T>,
) -> Vec<T> {
    let mut seen = BTreeSet::new();
    in_java_order(values.filter(|value| seen.insert(value.clone())))
}

/// `1,2,3`.
pub(super) fn comma_separated(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}

// The order of the fields is that of Kafka's tool.

#[derive(Serialize)]
struct Plan<'a> {
    version: i32,
    partitions: Vec<PlannedPartition<'a>>,
}

#[derive(Serialize)]
struct PlannedPartition<'a> {
    topic: &'a str,
    partition: i32,
    replicas: &'a [i32],
    log_dirs: Vec<&'a str>,
}

/// The line of JSON that a file with these replicas, in these directories, may hold.
pub(super) fn as_json(replicas: &Replicas, directories: &Directories) -> String {
    let partitions = replicas.iter().map(|(key, ids)| {
        let directory = |broker: &i32| {
            let replica = Replica {
                broker: *broker,
                partition: key.clone(),
            };
            directories.get(&replica).map_or(ANY, String::as_str)
        };
        PlannedPartition {
            topic: &key.0,
            partition: key.1,
            replicas: ids,
            log_dirs: ids.iter().map(directory).collect(),
        }
    });
    let plan = Plan {
        version: 1,
        partitions: partitions.collect(),
    };
    serde_json::to_string(&plan).expect("there is nothing in it but text and numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let outcome = Wanted::parse(text).and_then(|wanted| wanted.replicas());
        match outcome {
            Err(Failure::Error(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let text = r#"{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[2,1],"log_dirs":["/x","any"]},{"topic":"b","partition":3,"replicas":[4],"log_dirs":["any"]}]}"#;

        let wanted = Wanted::parse(text).expect("a plan");

        let replicas = wanted.replicas().expect("it can be carried out");
        assert_eq!(as_json(&replicas, &wanted.directories), text);
        let directories: Vec<String> = wanted.directories.keys().map(Replica::to_string).collect();
        assert_eq!(directories, ["a-0-2"]);
        assert_eq!(wanted.topics(), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_with_all_that_is_twice_in_it() {
        let partition = |topic: &str, replicas: &str| {
            format!(r#"{{"topic":"{topic}","partition":0,"replicas":[{replicas}]}}"#)
        };
        let with = |partitions: &[String]| {
            let partitions = partitions.join(",");
            refused(&format!(r#"{{"partitions":[{partitions}]}}"#))
        };

        assert_eq!(refused("{}"), "Partition reassignment list cannot be empty");
        assert_eq!(
            with(&[partition("a", "")]),
            "Partition replica list cannot be empty"
        );
        let (a, b) = (partition("a", "1"), partition("b", "1"));
        assert_eq!(
            with(&[b.clone(), a.clone(), b, a]),
            "Partition reassignment contains duplicate topic partitions: a-0,b-0"
        );
        assert_eq!(
            with(&[partition("b", "3,1,3,1,2"), partition("a", "2,2")]),
            "Partition replica lists may not contain duplicate entries: b-0 contains multiple entries for 1,3. \
             a-0 contains multiple entries for 2"
        );
    }

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_refused() {
        let partition = |rest: &str| {
            refused(&format!(
                r#"{{"partitions":[{{"topic":"a","partition":0{rest}}}]}}"#
            ))
        };

        assert_eq!(
            refused(r#"{"version":2}"#),
            "Not supported version field value 2"
        );
        assert_eq!(partition(""), "No such field exists: `replicas`");
        assert_eq!(
            partition(r#","replicas":[1,2],"log_dirs":["/a"]"#),
            "Size of replicas list [1, 2] is different from size of log dirs list [/a] for partition a-0"
        );
    }
}
