//! The levels of features that a new cluster begins with: those of Kafka's releases as far as they are served here,
//! and 0 for the rest.

use std::io::{self, Write as _};

use std::collections::BTreeMap;

use crate::cli::tools::ending::Ending;
use crate::cli::tools::releases;
use crate::metadata::image::{
    ELR_VERSION, FEATURES, KRAFT_VERSION, METADATA_VERSION, MetadataVersion, SUPPORTED_FEATURES,
};

/// The levels that are not 0, that of `metadata.version` first.
///
/// # Errors
/// A feature or level is unknown, contradicts another, or is not served.
pub(super) fn levels(
    release: Option<&str>,
    features: &[String],
    has_static_voters: bool,
) -> Result<Vec<(&'static str, i16)>, Ending> {
    let release = release.map(releases::released).transpose()?;
    let mut asked = BTreeMap::new();
    for text in features {
        let (name, level) = releases::name_and_level(text)?;
        asked.insert(name, level);
    }
    let version = metadata_version(release, asked.remove(METADATA_VERSION))?;
    for (name, level) in &asked {
        if *name == KRAFT_VERSION && *level != 0 && has_static_voters {
            return Err(Ending::Failed(format!(
                "Cannot set {name} to {level} unless controller.quorum.voters is empty and one of the flags \
                 --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers \
                 support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and \
                 removing controller.quorum.voters."
            )));
        }
        check_served(name, *level)?;
    }
    let elr = match asked.get(ELR_VERSION) {
        Some(level) => *level,
        None => releases::level_at(ELR_VERSION, version),
    };
    if elr > 0 && !version.allows_elr() {
        return Err(Ending::Failed(format!(
            "{ELR_VERSION} could not be set to {elr} because it depends on {METADATA_VERSION} level {}",
            MetadataVersion::FIRST_WITH_ELR.0
        )));
    }
    let all = [(METADATA_VERSION, version.0), (ELR_VERSION, elr)];
    Ok(all.into_iter().filter(|(_, level)| *level > 0).collect())
}

fn metadata_version(
    release: Option<MetadataVersion>,
    asked: Option<i16>,
) -> Result<MetadataVersion, Ending> {
    match (release, asked) {
        (Some(_), Some(_)) => Err(Ending::Failed(format!(
            "Use --release-version instead of --feature {METADATA_VERSION}=X to avoid ambiguity."
        ))),
        (Some(release), None) => Ok(release),
        (None, None) => Ok(MetadataVersion::LATEST),
        (None, Some(level)) => {
            let version = MetadataVersion(level);
            let known = MetadataVersion::MIN..=MetadataVersion::LATEST;
            if known.contains(&version) {
                return Ok(version);
            }
            Err(Ending::Failed(format!(
                "No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.",
                known.start().0,
                known.end().0
            )))
        }
    }
}

/// Checks that the feature is known, and served at this level.
fn check_served(name: &str, level: i16) -> Result<(), Ending> {
    if !FEATURES.contains(&name) {
        let mut known = FEATURES.to_vec();
        known.retain(|known| *known != METADATA_VERSION);
        known.sort_unstable();
        return Err(Ending::Failed(format!(
            "Unsupported feature: {name}. Supported features are: {}",
            known.join(", ")
        )));
    }
    let served = SUPPORTED_FEATURES
        .iter()
        .find(|(served, ..)| *served == name);
    let (lowest, highest) = served.map_or((0, 0), |(_, lowest, highest)| (*lowest, *highest));
    if (lowest..=highest).contains(&level) {
        return Ok(());
    }
    let hint = match name {
        KRAFT_VERSION => ": the voters are those of controller.quorum.voters",
        _ => "",
    };
    Err(Ending::Failed(format!(
        "{name} {level} is not served by this broker, which knows the levels {lowest} to {highest}{hint}"
    )))
}

/// Tells what each of these levels, `NAME=LEVEL`, needs of other features.
///
/// # Errors
/// There is no such feature or level.
pub(super) fn tell_dependencies(features: &[String]) -> Result<(), Ending> {
    for text in features {
        let (name, level) = text.split_once('=').ok_or_else(|| {
            Ending::Failed(format!(
                "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
            ))
        })?;
        let (name, level) = (name.trim(), level.trim());
        let number = level.parse::<i16>().map_err(|_| {
            Ending::Failed(format!(
                "Invalid version format: {level} for feature {name}"
            ))
        })?;
        let no_level = || format!("Feature level {number} is not supported for feature {name}");
        let told = releases::dependencies(name, number, no_level)?;
        io::stdout().write_all(told.as_bytes())?;
    }
    Ok(())
}
