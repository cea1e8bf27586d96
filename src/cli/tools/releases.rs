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

/// A level as it is shown: for `metadata.version` by its name.
pub(super) fn shown_level(feature: &str, level: i16) -> String {
    if feature != METADATA_VERSION {
        return level.to_string();
    }
    name_of(level).unwrap_or_else(|| format!("UNKNOWN {level}"))
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

/// The level of `metadata.version` that belongs to a release, also to one that is not released.
///
/// # Errors
/// There is no such release.
pub(super) fn known(release: &str) -> Result<i16, Ending> {
    metadata_level(release, UNRELEASED.0)
}

/// The levels of all features that belong to a release, that of `metadata.version` first.
///
/// # Errors
/// There is no such release.
pub(super) fn levels(release: &str) -> Result<Vec<(&'static str, i16)>, Ending> {
    let metadata_level = known(release)?;
    let others = FEATURES.iter();
    let others = others.map(|feature| (feature.name, feature.level_at(metadata_level)));
    let all = std::iter::once((METADATA_VERSION, metadata_level)).chain(others);
    Ok(all.collect())
}

/// Tells the levels that belong to a release, or to the newest.
///
/// # Errors
/// There is no such release.
pub(super) fn tell_mapping(release: Option<&str>) -> Result<(), Ending> {
    let newest = MetadataVersion::LATEST.to_string();
    let release = release.unwrap_or(&newest);
    let mut output = io::stdout().lock();
    for (name, level) in levels(release)? {
        if name == METADATA_VERSION {
            writeln!(output, "{name}={level} ({release})")?;
        } else {
            writeln!(output, "{name}={level}")?;
        }
    }
    Ok(())
}

/// What a level needs of other features, as lines. `no_level` is what the tool says where the feature has no such level.
///
/// # Errors
/// There is no such feature or level.
pub(super) fn dependencies(
    name: &str,
    level: i16,
    no_level: impl FnOnce() -> String,
) -> Result<String, Ending> {
    if name == METADATA_VERSION {
        let unknown = || Ending::Failed(format!("Unknown {name} {level}"));
        let release = name_of(level).ok_or_else(unknown)?;
        return Ok(format!("{name}={level} ({release}) has no dependencies.\n"));
    }
    let unknown = || Ending::Failed(format!("Unknown feature: {name}"));
    let feature = Feature::of_name(name).ok_or_else(unknown)?;
    let index = usize::try_from(level).ok();
    if index.is_none_or(|index| index >= feature.since.len()) {
        return Err(Ending::Failed(no_level()));
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
        assert_eq!(level("3.7-IV9"), None);
        assert!(released("4.4-IV0").is_err() && released("4.3").is_ok());
    }

    #[test]
    fn features_come_with_the_release_that_brought_them() {
        let levels = |release| {
            let levels = levels(release).expect("a release");
            levels
                .into_iter()
                .map(|(_, level)| level)
                .collect::<Vec<_>>()
        };

        assert_eq!(levels("3.3-IV3"), [7, 0, 0, 0, 0, 0, 0]);
        assert_eq!(levels("4.0"), [25, 1, 2, 1, 0, 0, 0]);
        assert_eq!(levels("4.3"), [30, 1, 2, 1, 1, 1, 1]);
    }

    #[test]
    fn one_feature_needs_another() {
        let told = |name, level| {
            let told = dependencies(name, level, String::new);
            told.unwrap_or_else(|error| error.to_string())
        };

        assert_eq!(
            told(ELR_VERSION, 1),
            "eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n"
        );
        assert_eq!(told(METADATA_VERSION, 5), "Unknown metadata.version 5");
        assert_eq!(told("x", 5), "Unknown feature: x");
    }
}
