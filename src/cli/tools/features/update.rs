//! Changes of the levels of features.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use super::Levels;
use crate::cli::tools::admin::{not_controller, timeout_ms};
use crate::cli::tools::ending::Ending;
use crate::cli::tools::releases;
use crate::client::{Cluster, ClusterError, To};
use crate::metadata::image::METADATA_VERSION;
use crate::protocol::Str;
use crate::protocol::messages::update_features::{
    FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

/// Which way levels go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Upgrade,
    Downgrade { is_unsafe: bool },
    Disable { is_unsafe: bool },
}

/// The levels that features shall have.
#[derive(Debug)]
pub(super) struct Update {
    action: Action,
    levels: BTreeMap<String, i16>,
    is_dry: bool,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade { .. } => "downgrade",
            Self::Disable { .. } => "disable",
        }
    }

    /// Its number in requests.
    fn upgrade_type(self) -> i8 {
        match self {
            Self::Upgrade => 1,
            Self::Downgrade { is_unsafe: false } | Self::Disable { is_unsafe: false } => 2,
            Self::Downgrade { is_unsafe: true } | Self::Disable { is_unsafe: true } => 3,
        }
    }
}

impl Update {
    /// The levels that the arguments of an upgrade or a downgrade name.
    ///
    /// # Errors
    /// They are none, or exclude each other.
    pub(super) fn of_levels(action: Action, arguments: &Levels) -> Result<Self, Ending> {
        let Levels {
            metadata,
            release_version,
            feature,
            dry_run,
        } = arguments;
        let mut update = Self {
            action,
            levels: BTreeMap::new(),
            is_dry: *dry_run,
        };
        if let Some(release) = release_version {
            if metadata.is_some() || !feature.is_empty() {
                let reason = "Can not specify `release-version` with other feature flags.";
                return Err(Ending::Failed(reason.to_owned()));
            }
            for (name, level) in releases::levels(release)? {
                // A feature that the release does not have yet is no upgrade.
                if level > 0 || action != Action::Upgrade {
                    update.add(name, level)?;
                }
            }
            return Ok(update);
        }
        if let Some(release) = metadata {
            writeln!(
                io::stdout(),
                " `metadata` flag is deprecated and may be removed in a future release."
            )?;
            update.add(METADATA_VERSION, releases::known(release)?)?;
        }
        for text in feature {
            let (name, level) = releases::name_and_level(text)?;
            update.add(name, level)?;
        }
        Ok(update)
    }

    /// These features at level 0.
    ///
    /// # Errors
    /// One is named more than once.
    pub(super) fn of_names(
        action: Action,
        features: &[String],
        is_dry: bool,
    ) -> Result<Self, Ending> {
        let mut update = Self {
            action,
            levels: BTreeMap::new(),
            is_dry,
        };
        for name in features {
            update.add(name, 0)?;
        }
        Ok(update)
    }

    fn add(&mut self, name: &str, level: i16) -> Result<(), Ending> {
        let reason = match level {
            0 if self.action == Action::Upgrade => format!(
                "The upgradeType flag should be set to SAFE_DOWNGRADE or UNSAFE_DOWNGRADE when the provided \
                 maxVersionLevel:{level} is < 1."
            ),
            ..0 => "Cannot specify a negative version level.".to_owned(),
            _ => match self.levels.insert(name.to_owned(), level) {
                None => return Ok(()),
                Some(_) => format!("Feature {name} was specified more than once."),
            },
        };
        Err(Ending::Failed(reason))
    }

    /// Has the cluster do it, and tells what has become of each feature.
    ///
    /// # Errors
    /// Something was refused.
    pub(super) async fn carry_out(&self, cluster: &mut Cluster) -> Result<(), Ending> {
        if self.levels.is_empty() {
            let action = self.action.name();
            let reason = format!("You must specify at least one feature to {action}");
            return Err(Ending::Failed(reason));
        }
        if self.levels.keys().any(|name| name.trim().is_empty()) {
            let reason = "Provided feature can not be empty.";
            return Err(Ending::Failed(reason.to_owned()));
        }
        let request = self.request(timeout_ms(cluster));
        let asked = cluster.ask_until(To::Controller, &request, |answer| {
            not_controller(std::iter::once(answer.error_code))
        });
        let answer = asked.await;
        let mut failures = 0;
        for (name, level) in &self.levels {
            let line = match outcome(&answer, name) {
                Ok(()) => self.success(name, *level),
                Err(reason) => {
                    failures += 1;
                    self.failure(name, *level, &reason)
                }
            };
            writeln!(io::stdout(), "{line}")?;
        }
        if failures > 0 {
            let all = self.levels.len();
            let reason = format!("{failures} out of {all} operation(s) failed.");
            return Err(Ending::Failed(reason));
        }
        Ok(())
    }

    fn request(&self, timeout_ms: i32) -> UpdateFeaturesRequest {
        let levels = self.levels.iter();
        let updates = levels.map(|(name, level)| FeatureUpdateKey {
            feature: Str::copy_from(name),
            max_version_level: *level,
            allow_downgrade: self.action != Action::Upgrade,
            upgrade_type: self.action.upgrade_type(),
        });
        UpdateFeaturesRequest {
            timeout_ms,
            feature_updates: updates.collect(),
            validate_only: self.is_dry,
        }
    }

    fn success(&self, name: &str, level: i16) -> String {
        let verb = if self.is_dry { "can be" } else { "was" };
        match self.action {
            Action::Disable { .. } => format!("{name} {verb} disabled."),
            action => format!("{name} {verb} {}d to {level}.", action.name()),
        }
    }

    fn failure(&self, name: &str, level: i16, reason: &str) -> String {
        let verb = if self.is_dry { "Can not" } else { "Could not" };
        match self.action {
            Action::Disable { .. } => format!("{verb} disable {name}. {reason}"),
            action => format!("{verb} {} {name} to {level}. {reason}", action.name()),
        }
    }
}

/// What has become of one feature: newer clusters tell of all at once.
fn outcome(
    answer: &Result<UpdateFeaturesResponse, ClusterError>,
    name: &str,
) -> Result<(), String> {
    let answer = answer.as_ref().map_err(ClusterError::to_string)?;
    let check = |code, message| ClusterError::check(code, message).map_err(|it| it.to_string());
    check(answer.error_code, answer.error_message.clone())?;
    let mut results = answer.results.iter();
    match results.find(|result| &*result.feature == name) {
        Some(result) => check(result.error_code, result.error_message.clone()),
        None if answer.results.is_empty() => Ok(()),
        None => Err(format!(
            "The controller response did not contain a result for feature {name}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(action: Action, features: &[&str]) -> Result<Update, String> {
        let arguments = Levels {
            metadata: None,
            release_version: None,
            feature: features.iter().map(|text| (*text).to_owned()).collect(),
            dry_run: false,
        };
        Update::of_levels(action, &arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_feature_has_one_level() {
        let good = update(Action::Upgrade, &["a=1", " b = 2 "]).expect("levels");
        assert_eq!(
            good.levels,
            BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
        );

        let error = |features| update(Action::Upgrade, features).expect_err("no levels");
        assert_eq!(
            error(&["a=1", "a=2"]),
            "Feature a was specified more than once."
        );
        assert_eq!(
            error(&["a"]),
            "Can't parse feature=level string a: equals sign not found."
        );
        assert_eq!(
            error(&["a=99999"]),
            "Can't parse feature=level string a=99999: unable to parse 99999 as a short."
        );
        assert_eq!(error(&["a=-1"]), "Cannot specify a negative version level.");
        assert!(error(&["a=0"]).starts_with("The upgradeType flag should be set"));
        assert!(update(Action::Downgrade { is_unsafe: false }, &["a=0"]).is_ok());
    }

    #[test]
    fn an_unsafe_downgrade_is_asked_for_as_one() {
        let action = Action::Downgrade { is_unsafe: true };
        let request = update(action, &["a=1"]).expect("levels").request(5);

        assert_eq!(request.feature_updates[0].upgrade_type, 3);
        assert_eq!(request.timeout_ms, 5);
    }
}
