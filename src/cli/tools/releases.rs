//! The levels of features that belong to a release of Kafka, and what a level needs of other features.

use std::io::{self, Write as _};

use super::ending::Ending;
use crate::metadata::image::{ELR_VERSION, KRAFT_VERSION, METADATA_VERSION, MetadataVersion};

/// The level after the newest that is released. Tools know it, and no cluster finalises it.
const UNRELEASED: (i16, &str) = (MetadataVersion::LATEST.0 + 1, "4.4-IV0");

/// A feature: for each level from 0 on, since which level of `metadata.version` a new cluster has it.
struct Feature {
    name: &'static str,
    since: &'static [i16],
}

/// All but `metadata.version`, in the order of Kafka's tool.
const FEATURES: [Feature; 6] = [
    Feature {
        name: KRAFT_VERSION,
        since: &[MetadataVersion::MIN.0, 21],
    },
    Feature {
        name: "transaction.version",
        since: &[MetadataVersion::MIN.0, 24, 24],
    },
    Feature {
        name: "group.version",
        since: &[MetadataVersion::MIN.0, 22],
    },
    Feature {
        name: ELR_VERSION,
        since: &[MetadataVersion::MIN.0, 26],
    },
    Feature {
        name: "share.version",
        since: &[MetadataVersion::MIN.0, 28],
    },
    Feature {
        name: "streams.version",
        since: &[MetadataVersion::MIN.0, 29],
    },
];

impl Feature {
    fn of_name(name: &str) -> Option<&'static Self> {
        FEATURES.iter().find(|feature| feature.name == name)
    }

    /// Its level in a new cluster at this level of `metadata.version`.
    fn level_at(&self, metadata_level: i16) -> i16 {
        let levels = (0..).zip(self.since);
        let reached = levels.take_while(|(_, since)| **since <= metadata_level);
        reached.last().map_or(0, |(level, _)| level)
    }
}

/// The level of a feature in a new cluster at this level of `metadata.version`.
pub(super) fn level_at(name: &str, metadata_version: MetadataVersion) -> i16 {
    Feature::of_name(name).map_or(0, |feature| feature.level_at(metadata_version.0))
}

/// The levels of `metadata.version` up to `last` that have a name, with their names.
fn metadata_levels(last: i16) -> impl Iterator<Item = (i16, String)> {
    let released = MetadataVersion::MIN.0..=MetadataVersion::LATEST.0;
    let released = released.map(|level| (level, MetadataVersion(level).to_string()));
    let (level, name) = UNRELEASED;
    let all = released.chain(std::iter::once((level, name.to_owned())));
    all.take_while(move |(level, _)| *level <= last)
}

fn name_of(metadata_level: i16) -> Option<String> {
    let mut levels = metadata_levels(UNRELEASED.0);
    let found = levels.find(|(level, _)| *level == metadata_level);
    found.map(|(_, name)| name)
}

/// The level of `metadata.version` that belongs to a release: `4.0-IV1`, or the last of `4.0` and `4.0.2`. Of
/// `metadata.version` levels up to `last` are known.
///
/// # Errors
/// There is no such release.
fn metadata_level(release: &str, last: i16) -> Result<i16, Ending> {
    let mut parts = release.split('.');
    let key = match (parts.next(), parts.next(), parts.next()) {
        (Some(major), Some(minor), Some(patch)) if !patch.is_empty() => {
            format!("{major}.{minor}")
        }
        _ => release.to_owned(),
    };
    let by_name = metadata_levels(last).find(|(_, name)| *name == key);
    let of_release = |(_, name): &(i16, String)| {
        let release = name.split_once('-');
        release.is_some_and(|(release, _)| release == key)
    };
    let mut released = metadata_levels(MetadataVersion::LATEST.0).filter(of_release);
    let found = by_name.or_else(|| released.by_ref().last());
    let (level, _) = found.ok_or_else(|| {
        let all: Vec<String> = metadata_levels(last).map(|(_, name)| name).collect();
        Ending::Failed(format!(
            "Unknown metadata.version '{release}'. Supported metadata.version are: {}",
            all.join(", ")
        ))
    })?;
    Ok(level)
}

/// The level of `metadata.version` that belongs to a release, whose records do not change any more.
///
/// # Errors
/// There is no such release.
pub(super) fn released(release: &str) -> Result<MetadataVersion, Ending> {
    metadata_level(release, MetadataVersion::LATEST.0).map(MetadataVersion)
}

/// Tells the levels that belong to a release, or to the newest.
///
/// # Errors
/// There is no such release.
pub(super) fn tell_mapping(release: Option<&str>) -> Result<(), Ending> {
    let newest = MetadataVersion::LATEST.to_string();
    let release = release.unwrap_or(&newest);
    let level = metadata_level(release, UNRELEASED.0)?;
    let mut output = io::stdout().lock();
    writeln!(output, "{METADATA_VERSION}={level} ({release})")?;
    for feature in &FEATURES {
        let level = feature.level_at(level);
        writeln!(output, "{}={level}", feature.name)?;
    }
    Ok(())
}

/// Tells what each of these levels, `NAME=LEVEL`, needs of other features.
///
/// # Errors
/// There is no such feature or level.
pub(super) fn tell_dependencies(features: &[String]) -> Result<(), Ending> {
    for text in features {
        let told = dependencies(text).map_err(Ending::Failed)?;
        io::stdout().write_all(told.as_bytes())?;
    }
    Ok(())
}

fn dependencies(text: &str) -> Result<String, String> {
    let (name, level) = text.split_once('=').ok_or_else(|| {
        format!(
            "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        )
    })?;
    let (name, level) = (name.trim(), level.trim());
    let number = level.parse::<i16>();
    let level =
        number.map_err(|_| format!("Invalid version format: {level} for feature {name}"))?;
    if name == METADATA_VERSION {
        let release = name_of(level).ok_or_else(|| format!("Unknown {name} {level}"))?;
        return Ok(format!("{name}={level} ({release}) has no dependencies.\n"));
    }
    let feature = Feature::of_name(name).ok_or_else(|| format!("Unknown feature: {name}"))?;
    let index = usize::try_from(level).ok();
    if index.is_none_or(|index| index >= feature.since.len()) {
        return Err(format!(
            "Feature level {level} is not supported for feature {name}"
        ));
    }
    if name == ELR_VERSION && level > 0 {
        let needed = MetadataVersion::FIRST_WITH_ELR;
        return Ok(format!(
            "{name}={level} requires:\n    {METADATA_VERSION}={} ({needed})\n",
            needed.0
        ));
    }
    Ok(format!("{name}={level} has no dependencies.\n"))
}

/// A feature and its level, `metadata.version=5`.
///
/// # Errors
/// The text is none.
pub(super) fn name_and_level(text: &str) -> Result<(&str, i16), Ending> {
    let unreadable = |reason: String| {
        Ending::Failed(format!("Can't parse feature=level string {text}: {reason}"))
    };
    let (name, level) = text
        .split_once('=')
        .ok_or_else(|| unreadable("equals sign not found.".to_owned()))?;
    let level = level.trim();
    let number = level.parse();
    let number = number.map_err(|_| unreadable(format!("unable to parse {level} as a short.")))?;
    Ok((name.trim(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_its_last_level() {
        let level = |release| metadata_level(release, UNRELEASED.0).ok();

        assert_eq!(level("3.7"), Some(19));
        assert_eq!(level("3.7.2"), Some(19));
        assert_eq!(level("3.7-IV1"), Some(16));
        assert_eq!(level("4.4-IV0"), Some(31));
        assert_eq!(level("4.4"), None, "nothing of it is released");
        assert_eq!(level("3.7."), None);
        assert!(released("4.4-IV0").is_err() && released("4.3").is_ok());
    }
}
