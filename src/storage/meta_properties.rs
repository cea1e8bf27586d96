//! `meta.properties`: the cluster and the broker that a log directory belongs to, and its own id.
//!
//! Version 1 is written. Version 0, from before KRaft, says `broker.id` for `node.id` and may lack
//! the cluster's id; both versions may lack the directory's (KIP-858).

use std::fmt::Write as _;
use std::path::Path;

use super::checkpoint::{self, StateFileError};
use super::disk::{self, Disk};
use crate::model::{BrokerId, DirectoryId};

/// The file's name in a log directory.
pub const META_PROPERTIES_FILE: &str = "meta.properties";

/// The content of the file. Some fields are optional only because version 0 may lack them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaProperties {
    /// The version: 0 or 1.
    pub version: u8,
    /// `cluster.id`: any text, usually that of an id.
    pub cluster_id: Option<String>,
    /// `node.id`, or `broker.id` in version 0.
    pub node_id: Option<BrokerId>,
    /// `directory.id`.
    pub directory_id: Option<DirectoryId>,
}

impl MetaProperties {
    /// Reads the file of a log directory; `None` if it is missing.
    pub fn load(disk: &dyn Disk, log_dir: &Path) -> Result<Option<Self>, StateFileError> {
        let path = log_dir.join(META_PROPERTIES_FILE);
        let Some(text) = checkpoint::read_text(disk, &path)? else {
            return Ok(None);
        };
        match Self::parse(&text) {
            Ok(properties) => Ok(Some(properties)),
            Err(found) => Err(StateFileError::damaged(&path, found)),
        }
    }

    /// Replaces the file of a log directory, durably.
    pub fn save(&self, disk: &dyn Disk, log_dir: &Path) -> Result<(), StateFileError> {
        let path = log_dir.join(META_PROPERTIES_FILE);
        disk::replace_file(disk, &path, self.to_text().as_bytes())
            .map_err(StateFileError::io(&path))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut properties = Self::default();
        let mut broker_id = None;
        for (key, value) in text.lines().filter_map(property) {
            let bad = || format!("{key} = {value:?}");
            match key.as_str() {
                "version" => properties.version = value.parse().map_err(|_| bad())?,
                "cluster.id" => properties.cluster_id = Some(value),
                "node.id" => {
                    properties.node_id = Some(BrokerId(value.parse().map_err(|_| bad())?));
                }
                "broker.id" => broker_id = Some(BrokerId(value.parse().map_err(|_| bad())?)),
                "directory.id" => {
                    properties.directory_id = Some(value.parse().map_err(|_| bad())?);
                }
                _ => {}
            }
        }
        let has_node_id = properties.node_id.is_some();
        match properties.version {
            // Every version has at least one of these lines, so a file of zeros, or an empty one, has no
            // version.
            0 if has_node_id || broker_id.is_none() => {
                return Err("version 0, with no broker.id in it".to_owned());
            }
            0 => properties.node_id = broker_id,
            1 if properties.cluster_id.is_none() => return Err("no cluster.id in it".to_owned()),
            1 if properties.node_id.is_none() => return Err("no node.id in it".to_owned()),
            1 => {}
            other => return Err(format!("version {other} is unknown")),
        }
        Ok(properties)
    }

    fn to_text(&self) -> String {
        let mut text = format!("#\nversion={}\n", self.version);
        let mut line = |key: &str, value: &str| {
            writeln!(text, "{key}={}", escape(value)).expect("a string takes any text");
        };
        if let Some(cluster_id) = &self.cluster_id {
            line("cluster.id", cluster_id);
        }
        if let Some(node_id) = self.node_id {
            let key = if self.version == 0 {
                "broker.id"
            } else {
                "node.id"
            };
            line(key, &node_id.to_string());
        }
        if let Some(directory_id) = self.directory_id {
            line("directory.id", &directory_id.to_string());
        }
        text
    }
}

/// Reads one line of a Java properties file; `None` for comments and blank lines. Values over several lines
/// and Unicode escapes are not supported: no such id needs them.
fn property(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with(['#', '!']) {
        return None;
    }
    let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
    Some((unescape(key.trim_end()), unescape(value.trim())))
}

fn unescape(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        let literal = if character == '\\' {
            characters.next()
        } else {
            Some(character)
        };
        plain.extend(literal);
    }
    plain
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '=' | ':' | '#' | '!' | ' ') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uuid;

    #[test]
    fn javas_file_is_read() {
        let text = "#\n#Sat Nov 22 10:00:00 UTC 2025\ncluster.id=J8qXRwI-Qyi2G0guFTiuYw\n\
                    directory.id=_____________________w\nnode.id=2\nversion=1\n";

        let properties = MetaProperties::parse(text).unwrap();

        let expected = MetaProperties {
            version: 1,
            cluster_id: Some("J8qXRwI-Qyi2G0guFTiuYw".to_owned()),
            node_id: Some(BrokerId(2)),
            directory_id: Some(Uuid::from_bytes([0xff; 16])),
        };
        assert_eq!(properties, expected);
    }

    #[test]
    fn version_0_says_broker_id() {
        let properties = MetaProperties::parse("broker.id=7\n").unwrap();
        assert_eq!(
            (properties.version, properties.node_id),
            (0, Some(BrokerId(7)))
        );
    }

    #[test]
    fn what_is_left_of_a_damaged_file_is_not_that_of_an_older_version() {
        let whole = MetaProperties {
            version: 1,
            cluster_id: Some("J8qXRwI-Qyi2G0guFTiuYw".to_owned()),
            node_id: Some(BrokerId(2)),
            directory_id: Some(Uuid::from_bytes([0xff; 16])),
        };
        let text = whole.to_text();
        let zeros = "\0".repeat(text.len());
        for (left, what) in [("", "empty"), (zeros.as_str(), "zeros")] {
            assert!(MetaProperties::parse(left).is_err(), "{what}");
        }
        for bit in 0..8 * text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = String::from_utf8(bytes) else {
                continue;
            };
            let Ok(read) = MetaProperties::parse(&flipped) else {
                continue;
            };
            // Another id is found out by comparing it; none at all is only that of the directory.
            assert!(read.cluster_id.is_some(), "{flipped}");
            assert!(read.node_id.is_some(), "{flipped}");
        }
    }

    #[test]
    fn version_1_needs_its_ids() {
        for text in [
            "version=1\nnode.id=1\n",
            "version=1\ncluster.id=x\n",
            "version=1\ncluster.id=x\nnode.id=one\n",
            "version=1\ncluster.id=x\nnode.id=1\ndirectory.id=?\n",
            "version=2\ncluster.id=x\nnode.id=1\n",
        ] {
            assert!(MetaProperties::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for version in [0, 1] {
            let properties = MetaProperties {
                version,
                cluster_id: Some("my cluster: #1=\\".to_owned()),
                node_id: Some(BrokerId(3)),
                directory_id: Some(Uuid::from_bytes([1; 16])),
            };
            assert_eq!(MetaProperties::parse(&properties.to_text()), Ok(properties));
        }
    }
}
